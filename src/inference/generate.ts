import type { Llama, LlamaContextSequence, LlamaModel, Token } from "node-llama-cpp";
import { LlamaGrammarEvaluationState } from "node-llama-cpp";
import type { Fingerprints, Sampling, StopReason } from "../core/inference.ts";
import { evaluateHead, LEFT_OVER } from "./fingerprint.ts";
import { WorkerFailure } from "./workerFailure.ts";

export type Generation = {
  readonly outputTokens: readonly number[];
  readonly text: string;
  readonly stopReason: StopReason;
  readonly fingerprints: Fingerprints;
  readonly prefillMs: number;
  readonly generationMs: number;
};

export type GenerationRequest = {
  readonly promptTokens: readonly number[];
  readonly grammar: string | null;
  readonly maxTokens: number;
  readonly sampling: Sampling;
  readonly contextSize: number;
};

/**
 * One run of the model on an empty sequence: the prompt with its fingerprints, then token by token until the model ends its turn, or the budget is used up. The end-of-turn token itself is not part of the output.
 */
export async function generate(
  engine: { readonly llama: Llama; readonly model: LlamaModel; readonly sequence: LlamaContextSequence },
  request: GenerationRequest,
  watch: { readonly cancelled: () => boolean; readonly onFirstToken: () => void },
): Promise<Generation> {
  const { llama, model, sequence } = engine;
  const { promptTokens, grammar, maxTokens, sampling, contextSize } = request;
  // The last token written is never evaluated, so prompt + answer may fill the context exactly.
  if (promptTokens.length + maxTokens > contextSize)
    throw new WorkerFailure("promptTooLong", "prompt and answer do not fit", {
      tokens: promptTokens.length,
      maxTokens,
      contextSize,
    });
  if (promptTokens.length === 0) throw new WorkerFailure("request", "the prompt renders to no token");
  const grammarEvaluationState = grammar === null ? undefined : await grammarState(llama, model, grammar);

  await sequence.clearHistory();
  const started = performance.now();
  let firstAt: number | null = null;
  let ended = true;
  const outputTokens: Token[] = [];
  const fingerprints = await evaluateHead(sequence, promptTokens);
  const rest = fingerprints.rows.length > 0 ? promptTokens.slice(-LEFT_OVER) : promptTokens.slice();
  const answer = sequence.evaluate(rest as Token[], {
    ...samplerOf(sampling),
    ...(grammarEvaluationState && { grammarEvaluationState }),
  });
  for await (const token of answer) {
    if (firstAt === null) {
      firstAt = performance.now();
      watch.onFirstToken();
    }
    if (watch.cancelled()) throw new WorkerFailure("cancelled", "cancelled");
    outputTokens.push(token);
    if (outputTokens.length >= maxTokens) {
      ended = false;
      break;
    }
  }
  const finished = performance.now();
  return {
    outputTokens,
    text: model.detokenize(outputTokens),
    // Under a grammar the model may end its turn only where the grammar is complete.
    stopReason: !ended ? "maxTokens" : grammar === null ? "end" : "grammar",
    fingerprints,
    prefillMs: Math.round((firstAt ?? finished) - started),
    generationMs: Math.round(finished - (firstAt ?? finished)),
  };
}

export async function grammarState(
  llama: Llama,
  model: LlamaModel,
  text: string,
): Promise<LlamaGrammarEvaluationState> {
  try {
    const grammar = await llama.createGrammar({ grammar: text });
    return new LlamaGrammarEvaluationState({ model, grammar });
  } catch (error) {
    throw new WorkerFailure("request", "llama.cpp cannot parse the grammar", {
      reason: error instanceof Error ? error.message : String(error),
    });
  }
}

/** Every value is given: the binding's defaults are a clock for the seed and its own numbers for the rest. */
function samplerOf(sampling: Sampling) {
  if (sampling.kind === "greedy") return { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0 };
  const { temperatureMilli, topK, topPMilli, seed } = sampling;
  return { temperature: temperatureMilli / 1000, topK, topP: topPMilli / 1000, minP: 0, seed };
}
