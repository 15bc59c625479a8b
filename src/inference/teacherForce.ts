import type {
  ControlledEvaluateInputItem,
  Llama,
  LlamaGrammarEvaluationState,
  LlamaModel,
  Token,
} from "node-llama-cpp";
import type { Sampling } from "../core/inference.ts";
import { RAW, milli } from "./fingerprint.ts";
import { grammarState } from "./generate.ts";
import type { CheckRequest } from "./messages.ts";
import type { Seat } from "./openContext.ts";
import { WorkerFailure } from "./workerFailure.ts";

/** What the model thinks of tokens that somebody says it wrote. */
export type Opinion = {
  /** For each output token that was chosen, and for each end: what it would have written, and by how much it prefers that. */
  readonly steps: readonly Step[];
  /** Logits of the tokens of each row that was asked for, in thousandths. */
  readonly rows: readonly (readonly number[])[];
};

export type Step = {
  /** Place among the output tokens. */
  readonly index: number;
  /** Null: the end of the turn. */
  readonly recorded: number | null;
  readonly best: number;
  readonly marginMilli: number;
};

/** A place where the model had a choice. */
type Choice = {
  readonly index: number;
  readonly recorded: Token | null;
  /** The grammar begins at the answer; a thought is free. */
  readonly underGrammar: boolean;
};

/** Candidates that are looked at first; a grammar may forbid them all, then the whole vocabulary is asked for. */
const TOP = 64;
/** The margin of a token that the grammar forbids, or that is not in the vocabulary. */
const FORBIDDEN = 1_000_000_000;

type Engine = {
  readonly llama: Llama;
  readonly model: LlamaModel;
  readonly seat: Seat;
};

/**
 * Where the model had a choice: at every output token but those that were put behind its thought, and at every end of a turn.
 * The token put behind a thought that the model wanted to end its turn with stands where its choice was.
 */
function choicesOf({ ended, outputTokens, thought }: CheckRequest): readonly Choice[] {
  const answerAt = thought === null ? 0 : thought.tokens + thought.forced;
  const token = (index: number, underGrammar: boolean): Choice => ({
    index,
    recorded: outputTokens[index] as Token,
    underGrammar,
  });
  const thinking = Array.from({ length: thought?.tokens ?? 0 }, (_none, index) => token(index, false));
  const answering = outputTokens.slice(answerAt).map((_token, index) => token(answerAt + index, true));
  return [
    ...thinking,
    ...(thought?.end === "turn" ? [{ index: thought.tokens, recorded: null, underGrammar: false }] : []),
    ...answering,
    ...(ended ? [{ index: outputTokens.length, recorded: null, underGrammar: true }] : []),
  ];
}

/** Prompt and output in one pass: the logits after each output token say how likely the model finds what was recorded next. */
export async function teacherForce(engine: Engine, request: CheckRequest): Promise<Opinion> {
  const { model, seat } = engine;
  const { outputTokens, promptTokens, sampling } = request;
  const ends = [model.tokens.eos, model.tokens.eot].filter((token) => token !== null);
  const all = [...promptTokens, ...outputTokens] as Token[];
  const first = promptTokens.length - 1;
  const rows = new Map(request.rows.map(({ at, tokens }) => [at, tokens as unknown as readonly Token[]]));
  const choices = choicesOf(request);
  const choiceAt = new Map(choices.map((choice) => [first + choice.index, choice]));
  const wantedIn = ({ recorded }: Choice): readonly Token[] => (recorded === null ? ends : [recorded]);
  const item = (at: number): ControlledEvaluateInputItem => {
    const choice = choiceAt.get(at);
    const tokens = [...(choice ? wantedIn(choice) : []), ...(rows.get(at) ?? [])];
    if (tokens.length === 0) return all[at]!;
    const filter = { tokens, includeTop: choice ? Math.max(TOP, considered(sampling)) : 0 };
    return [all[at]!, { generateNext: { logits: { filter }, options: RAW } }];
  };
  await seat.forget(0);
  const results = await seat.sequence.controlledEvaluate(all.map((_token, at) => item(at)));
  const logitsAt = (at: number): ReadonlyMap<Token, number> => results[at]?.next.logits ?? new Map();

  const grammar = request.prompt.grammar;
  const whole = grammar === null ? null : await grammarState(engine.llama, model, grammar);
  const steps: Step[] = [];
  for (const choice of choices) {
    const at = first + choice.index;
    const state = choice.underGrammar ? whole : null;
    let logits = logitsAt(at);
    let best = bestOf(engine, state, logits, sampling);
    if (best === null) {
      logits = await wholeVocabulary(seat, all, at);
      best = bestOf(engine, state, logits, sampling);
      if (best === null) throw new WorkerFailure("request", "the grammar allows no token at all");
    }
    const recorded = wantedIn(choice)
      .filter((token) => allows(engine, state, token))
      .map((token) => logits.get(token))
      .filter((logit) => logit !== undefined);
    const marginMilli =
      recorded.length === 0 ? FORBIDDEN : Math.max(0, milli(best.logit - Math.max(...recorded)));
    steps.push({ index: choice.index, recorded: choice.recorded, best: best.token, marginMilli });
    // Behind a token that the grammar forbids there is nothing to compare with.
    if (recorded.length === 0) break;
    if (state !== null && choice.recorded !== null) accept(engine, state, choice.recorded);
  }
  return {
    steps,
    rows: request.rows.map(({ at, tokens }) =>
      tokens.map((token) => milli(logitsAt(at).get(token as Token) ?? -FORBIDDEN / 1000)),
    ),
  };
}

/**
 * The lowest logit that counts as the model's own choice: greedy, that of the best allowed token; sampled, that of the last one
 * that the sampler still considers. For a sampled run this is a weaker statement.
 */
function bestOf(
  engine: Engine,
  state: LlamaGrammarEvaluationState | null,
  logits: ReadonlyMap<Token, number>,
  sampling: Sampling,
): { readonly token: Token; readonly logit: number } | null {
  const wanted = considered(sampling);
  let found: { readonly token: Token; readonly logit: number } | null = null;
  let count = 0;
  for (const [token, logit] of [...logits].toSorted(([, a], [, b]) => b - a)) {
    if (!allows(engine, state, token)) continue;
    found = { token, logit };
    if (++count >= wanted) break;
  }
  return found;
}

const considered = (sampling: Sampling): number => (sampling.kind === "greedy" ? 1 : sampling.topK);

/** The logits after one token for every token there is; evaluated anew, which takes as long as the rest of the pass. */
async function wholeVocabulary(
  { forget, sequence }: Seat,
  all: readonly Token[],
  at: number,
): Promise<ReadonlyMap<Token, number>> {
  await forget(0);
  const results = await sequence.controlledEvaluate(
    all
      .slice(0, at + 1)
      .map((token, index): ControlledEvaluateInputItem =>
        index === at ? [token, { generateNext: { logits: true, options: RAW } }] : token,
      ),
  );
  return results[at]?.next.logits ?? new Map();
}

/** Grammar steps of the binding that its types do not show; its version is pinned, and the tests use them. */
type Bindings = {
  readonly AddonSampler: {
    canBeNextTokenForGrammarEvaluationState(state: unknown, token: Token): boolean;
    acceptGrammarEvaluationStateToken(state: unknown, token: Token): void;
  };
};
const samplerOf = (llama: Llama) =>
  (llama as unknown as { readonly _bindings: Bindings })._bindings.AddonSampler;
const nativeState = (state: LlamaGrammarEvaluationState) =>
  (state as unknown as { readonly _state: unknown })._state;

const allows = ({ llama }: Engine, state: LlamaGrammarEvaluationState | null, token: Token): boolean =>
  state === null || samplerOf(llama).canBeNextTokenForGrammarEvaluationState(nativeState(state), token);
const accept = ({ llama }: Engine, state: LlamaGrammarEvaluationState, token: Token): void =>
  samplerOf(llama).acceptGrammarEvaluationStateToken(nativeState(state), token);
