import type { Llama, LlamaModel, Token } from "node-llama-cpp";
import { LlamaGrammarEvaluationState } from "node-llama-cpp";
import type { Fingerprints, OptionWeight, Sampling, StopReason, ThoughtSpan } from "../core/inference.ts";
import { type Anchor, evaluateHead, LEFT_OVER } from "./fingerprint.ts";
import type { Seat } from "./openContext.ts";
import { nothing } from "./sharedPrefix.ts";
import type { ClosedThought } from "./thoughtSpan.ts";
import { closeThought, endOfThought } from "./thoughtSpan.ts";
import type { ThoughtSyntax } from "./thoughtSyntax.ts";
import type { TokenizedOption } from "./weighOptions.ts";
import { weighOptions } from "./weighOptions.ts";
import { WorkerFailure } from "./workerFailure.ts";

export type Generation = {
  readonly outputTokens: readonly number[];
  readonly text: string;
  readonly stopReason: StopReason;
  readonly fingerprints: Fingerprints;
  readonly thought: ThoughtSpan | null;
  readonly options: readonly OptionWeight[] | null;
  readonly prefillMs: number;
  readonly generationMs: number;
  /** Tokens of the prompt that had been evaluated before. */
  readonly reusedTokens: number;
};

export type GenerationRequest = {
  readonly promptTokens: readonly number[];
  readonly grammar: string | null;
  readonly maxTokens: number;
  /** Null: the prompt leads straight to the answer. */
  readonly thought: { readonly syntax: ThoughtSyntax; readonly maxTokens: number } | null;
  readonly options: readonly TokenizedOption[] | null;
  readonly sampling: Sampling;
  readonly anchor: Anchor;
  /** Whether what earlier runs evaluated of the prompt's beginning may stand. */
  readonly reuse: boolean;
};

type Engine = { readonly llama: Llama; readonly model: LlamaModel; readonly seat: Seat };
type Watch = { readonly cancelled: () => boolean; readonly onFirstToken: () => void };

/**
 * One run of the model on a sequence that holds nothing else: the prompt with its fingerprints, then token by token until the model ends its turn, or the budget is used up. The end-of-turn token itself is not part of the output.
 * A thought comes first, without the grammar; it is closed as the template closes thoughts, and the answer begins behind it.
 * Whether all of it fits the context was checked before.
 */
export async function generate(
  engine: Engine,
  request: GenerationRequest,
  watch: Watch,
): Promise<Generation> {
  const { llama, model, seat } = engine;
  const { sequence } = seat;
  const { promptTokens, grammar, maxTokens, sampling } = request;
  const grammarEvaluationState = grammar === null ? undefined : await grammarState(llama, model, grammar);

  const started = performance.now();
  if (!request.reuse) await seat.forget(0);
  const held = request.reuse ? await seat.recall(promptTokens) : nothing;
  let firstAt: number | null = null;
  const seen = () => {
    if (firstAt === null) {
      firstAt = performance.now();
      watch.onFirstToken();
    }
    if (watch.cancelled()) throw new WorkerFailure("cancelled", "cancelled");
  };
  const fingerprints = await evaluateHead(sequence, promptTokens, request.anchor, held);
  if (request.reuse) seat.remember(fingerprints.rows);
  const left = (fingerprints.rows.length > 0 ? promptTokens.slice(-LEFT_OVER) : promptTokens) as Token[];

  const thought = request.thought === null ? null : await think(engine, left, request, seen);
  // The last token of a thought is not evaluated yet, unless the model wanted to end its turn behind it.
  const pending = thought === null ? left : [...thought.unread, ...thought.closed.forced];

  let ended = true;
  const answer: Token[] = [];
  const writing = sequence.evaluate(pending, {
    ...samplerOf(sampling),
    ...(grammarEvaluationState && { grammarEvaluationState }),
  });
  for await (const token of writing) {
    seen();
    answer.push(token);
    if (answer.length >= maxTokens) {
      ended = false;
      break;
    }
    const others = seat.pause();
    if (others !== null) await others;
  }
  const finished = performance.now();
  const before = thought === null ? [] : [...thought.tokens, ...thought.closed.forced];
  const prefix = [...promptTokens, ...before] as Token[];
  return {
    outputTokens: [...before, ...answer],
    text: model.detokenize(answer),
    // Under a grammar the model may end its turn only where the grammar is complete.
    stopReason: !ended ? "maxTokens" : grammar === null ? "end" : "grammar",
    fingerprints,
    thought: thought?.closed.span ?? null,
    options: request.options === null ? null : await weighOptions(seat, prefix, request.options),
    prefillMs: Math.round((firstAt ?? finished) - started),
    generationMs: Math.round(finished - (firstAt ?? finished)),
    reusedTokens: held.tokens,
  };
}

/** Lets the model write freely until it closes its thought, or its budget does. */
async function think(
  { model, seat }: Engine,
  left: readonly Token[],
  { sampling, thought }: GenerationRequest,
  seen: () => void,
): Promise<{
  readonly tokens: readonly Token[];
  readonly unread: readonly Token[];
  readonly closed: ClosedThought;
}> {
  const { maxTokens, syntax } = thought!;
  const tokens: Token[] = [];
  let end: ThoughtSpan["end"] = "turn";
  for await (const token of seat.sequence.evaluate([...left], samplerOf(sampling))) {
    seen();
    tokens.push(token);
    const found = endOfThought(model, syntax, tokens, maxTokens);
    if (found !== null) {
      end = found;
      break;
    }
    const others = seat.pause();
    if (others !== null) await others;
  }
  return {
    tokens,
    unread: end === "turn" ? [] : tokens.slice(-1),
    closed: closeThought(model, syntax, tokens, end),
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
