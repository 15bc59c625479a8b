import { randomInt } from "node:crypto";

import type { Inference, InferenceEngine, Prompt } from "../../src/core/inference.ts";
import { sha256Hex } from "../../src/core/hash.ts";

/** What the model would write for a prompt; the last message is what it was asked. */
export type Script = (message: string, prompt: Prompt) => string;

export type ScriptedEngine = InferenceEngine & {
  /** Every inference so far, oldest first. */
  readonly inferences: readonly Inference[];
};

const randomTokens = () => Array.from({ length: 24 }, () => randomInt(1, 1 << 20));

/**
 * An engine without a model: answers from a script. The token ids are drawn anew at every call, so that an inference
 * which was run a second time shows, although its words are the same.
 */
export function scriptedEngine(
  script: Script,
  onInference: (inference: Inference) => void = () => undefined,
): ScriptedEngine {
  const identity = {
    mode: "scripted",
    model: {
      file: "script",
      sha256: sha256Hex("script"),
      sizeBytes: 0,
      architecture: "script",
      quantization: "none",
      parameters: 0,
      contextLength: 1024,
      templateSha256: null,
      tokenizerSha256: sha256Hex("script"),
    },
    runtime: {
      binding: "script",
      llamaCpp: "none",
      backend: "none",
      devices: [],
      libraries: [],
      platform: "any",
    },
    settings: {
      contextSize: 1024,
      batchSize: 1,
      threads: 1,
      flashAttention: false,
      gpuLayers: 0,
      sequences: 1,
    },
  } as const;
  const inferences: Inference[] = [];
  const textFor = (prompt: Prompt) => script(prompt.messages.at(-1)?.content ?? "", prompt);
  return {
    ...identity,
    inferences,
    infer(prompt, sampling) {
      const inference: Inference = {
        ...identity,
        sampling,
        prompt,
        promptTokens: randomTokens(),
        outputTokens: randomTokens(),
        text: textFor(prompt),
        stopReason: "end",
        fingerprints: { every: 32, rows: [] },
        timing: { prefillMs: 0, generationMs: 0 },
      };
      inferences.push(inference);
      onInference(inference);
      return Promise.resolve(inference);
    },
    /** Counts characters: a script has no other tokens. */
    measure(prompt) {
      const promptTokens = prompt.messages.reduce((sum, { content }) => sum + content.length, 0);
      const { contextSize } = identity.settings;
      const roomTokens = contextSize - promptTokens - (prompt.thought?.maxTokens ?? 0) - prompt.maxTokens;
      return Promise.resolve({ promptTokens, contextSize, roomTokens });
    },
    /** A script has no tokens of its own: it is repeated by its words. */
    reExecute(recorded) {
      const tokens = recorded.outputTokens.length;
      if (textFor(recorded.prompt) === recorded.text) return Promise.resolve({ verdict: "EXACT", tokens });
      return Promise.resolve({
        verdict: "MISMATCH",
        tokens,
        firstDivergence: { index: 0, recorded: recorded.outputTokens[0] ?? null, actual: null },
        otherProgram: false,
        why: "the script writes something else",
      });
    },
    reCheck(recorded, tolerance) {
      const agrees = textFor(recorded.prompt) === recorded.text;
      return Promise.resolve({
        verdict: agrees ? "CONSISTENT" : "MISMATCH",
        tokens: recorded.outputTokens.length,
        flips: agrees ? 0 : 1,
        worstMarginMilli: 0,
        worstFingerprintMilli: null,
        tolerance,
      });
    },
    close: () => Promise.resolve(),
  };
}

/** Reads "Please pay 42.50 USDC to acme, reference INV-1." and holds at anything else. */
export const plainReader: Script = (message) => {
  const bill =
    /pay (?<amount>[\d.]+) (?<token>[A-Z]+) to (?<to>[a-z-]+), reference (?<reference>[^.\n]+)\./.exec(
      message,
    )?.groups;
  return JSON.stringify(bill ? { action: "transfer", ...bill } : { action: "hold", reason: "not-a-bill" });
};
