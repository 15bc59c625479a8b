import { spawn } from "node:child_process";
import { json } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { canonicalize } from "../../src/core/canonical.ts";
import type { LocalInference, LocalEngine } from "../../src/core/inference.ts";
import type { Json } from "../../src/core/json.ts";
import { uncalibrated } from "../../src/inference/compareOpinion.ts";
import { inspectModel } from "../../src/inference/inspectModel.ts";
import { openEngine } from "../../src/inference/openEngine.ts";
import {
  CLERK,
  clerkGrammar,
  clerkPrompt,
  failure,
  GREEDY,
  LONG_MESSAGE,
  MESSAGES,
  SYSTEM,
} from "./clerk.ts";

const ACCEPTED = [
  '{"action":"hold","reason":"unclear"}',
  '{"action":"transfer","to":"globex","amount":"0.000000000000000001","token":"ETH","reference":""}',
  '{"action":"transfer","to":"acme","amount":"42.50","token":"USDC","reference":"PO #12/7 [b]"}',
];
const REFUSED = [
  '{"action":"hold","reason":"bored"}',
  '{"action": "hold","reason":"unclear"}',
  '{"reason":"unclear","action":"hold"}',
  '{"action":"hold","reason":"unclear"} ',
  '{"action":"transfer","to":"evil","amount":"1","token":"USDC","reference":""}',
  '{"action":"transfer","to":"acme","amount":"-1","token":"USDC","reference":""}',
  '{"action":"transfer","to":"acme","amount":"1e9","token":"USDC","reference":""}',
  '{"action":"transfer","to":"acme","amount":"1.","token":"USDC","reference":""}',
  '{"action":"transfer","to":"acme","amount":"1234567890123","token":"USDC","reference":""}',
  '{"action":"transfer","to":"acme","amount":"1","token":"BTC","reference":""}',
  '{"action":"transfer","to":"acme","amount":"1","token":"USDC","reference":"a\\"b"}',
  '{"action":"transfer","to":"acme","amount":"1","token":"USDC","reference":"naïve"}',
  `{"action":"transfer","to":"acme","amount":"1","token":"USDC","reference":"${"x".repeat(33)}"}`,
  '{"action":"transfer","to":"acme","amount":"1","token":"USDC"}',
];

type Session = {
  readonly answers: readonly { text: string; outputTokens: number[]; contextTokens: number[] }[];
  readonly accepted: readonly boolean[];
};

/** The same prompts through the binding's own chat session. */
async function session(): Promise<Session> {
  const program = spawn(
    process.execPath,
    [fileURLToPath(new URL("./programs/session.mjs", import.meta.url))],
    {
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  const users = MESSAGES.map((message) => clerkPrompt(message).messages[1]?.content);
  program.stdin.end(
    JSON.stringify({
      model: CLERK.modelPath,
      system: SYSTEM,
      prompts: [null, clerkGrammar].flatMap((grammar) => users.map((user) => ({ user, grammar }))),
      texts: { grammar: clerkGrammar, candidates: [...ACCEPTED, ...REFUSED] },
    }),
  );
  return (await json(program.stdout)) as Session;
}

let engine: LocalEngine;
let yardstick: Session;
let recorded: LocalInference;

beforeAll(async () => {
  [engine, yardstick] = await Promise.all([openEngine(CLERK), session()]);
  recorded = await engine.infer(clerkPrompt(MESSAGES[0], clerkGrammar), GREEDY);
});
afterAll(async () => await engine?.close());

describe("identity", () => {
  test("is what `bursar model inspect` says, who runs nothing", async () => {
    expect(await inspectModel(CLERK.modelPath)).toMatchObject(engine.model);
  });

  test("names the model by its content", () => {
    expect(engine.model).toMatchObject({
      file: "clerk-q8_0.gguf",
      sha256: CLERK.sha256,
      sizeBytes: 3_769_504,
      architecture: "llama",
      quantization: "Q8_0",
      parameters: 3_461_568,
      contextLength: 1024,
      templateSha256: expect.stringMatching(/^0x[0-9a-f]{64}$/),
      tokenizerSha256: expect.stringMatching(/^0x[0-9a-f]{64}$/),
    });
  });

  test("names the program, down to the CPU variant that llama.cpp chose", () => {
    expect(engine.runtime).toMatchObject({ llamaCpp: "v0.5.0", backend: "cpu", devices: [] });
    expect(engine.runtime.binding).toBe("node-llama-cpp@3.22.1");
    const names = engine.runtime.libraries.map(({ name }) => name);
    expect(names.filter((name) => /^(lib)?ggml-cpu/.test(name))).toHaveLength(1);
    expect(names).toContain("llama-addon.node");
    expect(names).toEqual(names.toSorted());
  });

  test("names the settings", () => {
    expect(engine.mode).toBe("canonical");
    expect(engine.settings).toEqual({
      contextSize: 1024,
      batchSize: 512,
      threads: 1,
      flashAttention: false,
      gpuLayers: 0,
      sequences: 1,
    });
  });

  test("is the same in auto mode where there is no GPU", async ({ skip }) => {
    const auto = await openEngine({ ...CLERK, mode: "auto" });
    try {
      if (auto.mode === "fast") skip("this machine has a GPU");
      expect(auto.runtime).toEqual(engine.runtime);
      expect(auto.settings).toEqual(engine.settings);
    } finally {
      await auto.close();
    }
  });

  test("an inference is frozen, and canonical JSON (no floats)", () => {
    expect(Object.isFrozen(recorded) && Object.isFrozen(recorded.outputTokens)).toBe(true);
    expect(canonicalize(recorded as unknown as Json)).toContain(CLERK.sha256);
  });
});

describe("inferring", () => {
  test.each([
    ["no grammar", null, 0],
    ["the grammar", clerkGrammar, MESSAGES.length],
  ])("with %s gives the tokens of a chat session", async (_name, grammar, offset) => {
    for (const [index, message] of MESSAGES.entries()) {
      const inference = await engine.infer(clerkPrompt(message, grammar), GREEDY);
      const expected = yardstick.answers[offset + index];
      expect(inference.outputTokens).toEqual(expected?.outputTokens);
      expect(inference.text).toBe(expected?.text);
      expect(inference.promptTokens).toEqual(expected?.contextTokens.slice(0, inference.promptTokens.length));
      expect(inference.stopReason).toBe(grammar === null ? "end" : "grammar");
    }
  });

  test("answers what the model card says", async () => {
    expect(recorded.text).toBe(
      '{"action":"transfer","to":"acme","amount":"42.50","token":"USDC","reference":"INV-1042"}',
    );
  });

  test("the grammar forbids what is not in it: with other payees the model cannot name this one", async () => {
    const grammar = clerkGrammar.replace(String.raw`"\"acme\"" | `, "");
    expect(grammar).not.toBe(clerkGrammar);
    const { text } = await engine.infer(clerkPrompt(MESSAGES[0], grammar), GREEDY);
    expect(JSON.parse(text)).not.toMatchObject({ to: "acme" });
  });

  test("llama.cpp's own parser accepts and refuses texts as intended", () => {
    const verdicts = [...ACCEPTED, ...REFUSED].map((text, index) => [text, yardstick.accepted[index]]);
    expect(verdicts).toEqual([
      ...ACCEPTED.map((text) => [text, true]),
      ...REFUSED.map((text) => [text, false]),
    ]);
  });

  test("stops at maxTokens and says so", async () => {
    const inference = await engine.infer(clerkPrompt(MESSAGES[0], null, 5), GREEDY);
    expect(inference).toMatchObject({
      stopReason: "maxTokens",
      outputTokens: recorded.outputTokens.slice(0, 5),
    });
    expect(await engine.reExecute(inference)).toEqual({ verdict: "EXACT", tokens: 5 });
  });

  test("refuses a prompt that does not fit, before evaluating it, and fills the context to the last token", async () => {
    const { promptTokens } = await engine.infer(clerkPrompt(LONG_MESSAGE, null, 1), GREEDY);
    const room = engine.settings.contextSize - promptTokens.length;
    const error = await failure(engine.infer(clerkPrompt(LONG_MESSAGE, null, room + 1), GREEDY));
    expect(error).toMatchObject({
      name: "PromptTooLongError",
      retry: "never",
      facts: { tokens: String(promptTokens.length), budget: String(promptTokens.length - 1) },
    });
    const full = await engine.infer(clerkPrompt(LONG_MESSAGE, `root ::= [a-z]{${room}}\n`, room), GREEDY);
    expect(full.outputTokens.length).toBeLessThanOrEqual(room);
    expect(full.text).toMatch(/^[a-z]+$/);
  });

  test.each([
    ["a broken grammar", { ...clerkPrompt("x"), grammar: "root ::= (" }, GREEDY],
    ["a grammar that never ends", { ...clerkPrompt("x"), grammar: "root ::= root" }, GREEDY],
    [
      "half a character",
      { ...clerkPrompt("x"), messages: [{ role: "user" as const, content: "a\ud800" }] },
      GREEDY,
    ],
    ["no message", { ...clerkPrompt("x"), messages: [] }, GREEDY],
    ["no room for an answer", { ...clerkPrompt("x"), maxTokens: 0 }, GREEDY],
    [
      "a chat that ends with the model",
      { ...clerkPrompt("x"), messages: [{ role: "assistant" as const, content: "x" }] },
      GREEDY,
    ],
    [
      "sampling in canonical mode",
      clerkPrompt("x"),
      { kind: "sampled" as const, temperatureMilli: 800, topK: 40, topPMilli: 950, seed: 1 },
    ],
  ])("refuses %s", async (_name, prompt, sampling) => {
    expect(await failure(engine.infer(prompt, sampling))).toMatchObject({
      name: "InvalidRequestError",
      retry: "never",
    });
    // And goes on working.
    expect((await engine.infer(clerkPrompt(MESSAGES[0]), GREEDY)).text).toBe(recorded.text);
  });
});

describe("re-executing", () => {
  test("is EXACT in the same process and in another one", async () => {
    expect(await engine.reExecute(recorded)).toEqual({
      verdict: "EXACT",
      tokens: recorded.outputTokens.length,
    });
    const second = await openEngine({ ...CLERK, contextSize: 768 });
    try {
      // As it comes back from a file.
      const read = JSON.parse(JSON.stringify(recorded)) as LocalInference;
      expect(await second.reExecute(read)).toEqual({
        verdict: "EXACT",
        tokens: recorded.outputTokens.length,
      });
    } finally {
      await second.close();
    }
  });

  test("finds one changed token, where it is", async () => {
    const outputTokens = recorded.outputTokens.with(7, (recorded.outputTokens[7] ?? 0) + 1);
    expect(await engine.reExecute({ ...recorded, outputTokens })).toMatchObject({
      verdict: "MISMATCH",
      firstDivergence: { index: 7, recorded: outputTokens[7], actual: recorded.outputTokens[7] },
      why: "tokens: output token 7 differs",
    });
  });

  test("finds a cut answer, a changed text, a changed end", async () => {
    const cut = { ...recorded, outputTokens: recorded.outputTokens.slice(0, -1) };
    expect(await engine.reExecute(cut)).toMatchObject({
      verdict: "MISMATCH",
      firstDivergence: { recorded: null },
    });
    expect(
      await engine.reExecute({ ...recorded, text: recorded.text.replace("42.50", "92.50") }),
    ).toMatchObject({
      verdict: "MISMATCH",
      why: expect.stringMatching(/^text:/),
    });
    expect(await engine.reExecute({ ...recorded, stopReason: "maxTokens" })).toMatchObject({
      verdict: "MISMATCH",
      why: expect.stringMatching(/^stop:/),
    });
  });

  test("finds changed messages, changed prompt tokens, and ids that are in no vocabulary", async () => {
    const prompt = clerkPrompt(MESSAGES[0].replace("42.50", "43.50"), clerkGrammar);
    const changed = await engine.reExecute({ ...recorded, prompt });
    expect(changed).toMatchObject({ verdict: "MISMATCH", why: expect.stringMatching(/^template:/) });
    for (const foreign of [1, 4_000_000]) {
      const promptTokens = recorded.promptTokens.with(30, foreign);
      expect(await engine.reExecute({ ...recorded, promptTokens })).toMatchObject({
        verdict: "MISMATCH",
        firstDivergence: { index: 30, recorded: foreign, actual: recorded.promptTokens[30] },
      });
    }
    // Consistently changed: another prompt, honestly rendered, has another answer.
    const other = await engine.infer(prompt, GREEDY);
    expect(await engine.reExecute({ ...recorded, prompt, promptTokens: other.promptTokens })).toMatchObject({
      verdict: "MISMATCH",
      why: "tokens: output token 15 differs",
    });
  });

  test.each([
    ["sizeBytes", 1],
    ["architecture", "gpt-9"],
    ["quantization", "F16"],
    ["parameters", 7_000_000_000],
    ["contextLength", 8192],
    ["templateSha256", null],
    ["tokenizerSha256", `0x${"1".repeat(64)}`],
  ])("a model that is described as another: %s", async (key, value) => {
    const model = { ...recorded.model, [key]: value };
    const why = `model: its ${key} is another one than the file's`;
    expect(await engine.reExecute({ ...recorded, model })).toMatchObject({ verdict: "MISMATCH", why });
    expect(await engine.reCheck({ ...recorded, model }, uncalibrated)).toMatchObject({
      verdict: "MISMATCH",
      why,
    });
  });

  test("another model is a MISMATCH, not an error", async () => {
    const model = { ...recorded.model, sha256: `0x${"0".repeat(64)}` as const };
    expect(await engine.reExecute({ ...recorded, model })).toMatchObject({
      verdict: "MISMATCH",
      why: expect.stringMatching(/^model:/),
    });
  });

  test("uses the recorded settings: what flash attention computed is computed with flash attention", async ({
    skip,
  }) => {
    const fast = await openEngine({ ...CLERK, mode: "fast" });
    try {
      expect(fast.mode).toBe("fast");
      if (fast.settings.gpuLayers > 0) skip("a GPU computes other bits");
      const inference = await fast.infer(clerkPrompt(MESSAGES[0], clerkGrammar), GREEDY);
      expect((await engine.reExecute(inference)).verdict).toBe("EXACT");
      expect(fast.settings.flashAttention).toBe(true);
    } finally {
      await fast.close();
    }
  });

  test("refuses recorded settings that no engine would have used", async () => {
    for (const settings of [
      { ...recorded.settings, contextSize: 1 << 30 },
      { ...recorded.settings, sequences: 4000 },
    ])
      expect((await failure(engine.reExecute({ ...recorded, settings }))).name).toBe("InvalidRequestError");
  });
});

test("seeded sampling (fast mode) repeats, and the seed matters", async () => {
  const fast = await openEngine({ ...CLERK, mode: "fast" });
  try {
    const prompt = clerkPrompt("hello", "root ::= [a-z ]{30}\n", 40);
    const sampled = (seed: number) =>
      ({ kind: "sampled", temperatureMilli: 2000, topK: 100, topPMilli: 1000, seed }) as const;
    const first = await fast.infer(prompt, sampled(7));
    expect((await fast.infer(prompt, sampled(7))).outputTokens).toEqual(first.outputTokens);
    expect((await fast.infer(prompt, sampled(8))).outputTokens).not.toEqual(first.outputTokens);
    expect((await fast.reExecute(first)).verdict).toBe("EXACT");
  } finally {
    await fast.close();
  }
});
