import type { RemoteRun, StopReason } from "../../core/inference.ts";
import { RemoteAnswerError } from "./errors.ts";
import type { Claims, Piece } from "./profile.ts";

/** A whole answer, put together of its pieces and held against itself. */
export type Collected = {
  readonly text: string;
  readonly stopReason: StopReason;
  /** undefined: the server tells no ids. */
  readonly tokens: readonly number[] | undefined;
  readonly promptTokens: readonly number[] | undefined;
  readonly logprobsMilli: readonly number[] | null;
  readonly model: string | undefined;
  readonly claims: Claims;
  readonly usage: RemoteRun["usage"];
};

/** More characters than this for each token that was allowed, and the server does not stop where it should. */
const MOST_CHARACTERS = 256;
/** Tokens over the budget that are nothing to complain of: llama-server finishes a character of several. */
const SLACK = 8;
/** Logarithms of probabilities are at most 0, give or take what floats round. */
const MOST_LOGPROB = 0.01;
/** Longest prompt that any server may count; more could not be recorded, or is no number of tokens. */
const MOST_PROMPT = 1 << 20;

/**
 * @throws RemoteAnswerError when the answer is cut off, goes on and on, has numbers that contradict each other, or ended for another
 * reason than that the model was done or the budget used up
 */
export async function collect(
  pieces: AsyncIterable<Piece>,
  limits: {
    readonly maxTokens: number;
    /** What was sent, where ids were sent. */
    readonly promptTokens: readonly number[] | undefined;
    readonly onText: () => void;
  },
): Promise<Collected> {
  let text = "";
  let stop: string | undefined;
  let lastIsEnd = false;
  let model: string | undefined;
  let promptTokens = limits.promptTokens;
  const tokens: number[] = [];
  const logprobs: number[] = [];
  const claims: Record<string, string> = {};
  const usage: { promptTokens?: number; cachedTokens?: number; outputTokens?: number } = {};
  for await (const piece of pieces) {
    if (piece.text !== undefined || (piece.tokens?.length ?? 0) > 0) limits.onText();
    text += piece.text ?? "";
    const { logprobs: more = [], tokens: ids = [] } = piece;
    const most = limits.maxTokens + SLACK;
    // Before they are taken: a single piece may hold millions.
    if (
      text.length > MOST_CHARACTERS * most ||
      tokens.length + ids.length > most ||
      logprobs.length + more.length > most
    )
      throw new RemoteAnswerError("it goes on beyond the tokens that were asked for", {
        maxTokens: limits.maxTokens,
      });
    if (more.some((logprob) => logprob > MOST_LOGPROB))
      throw new RemoteAnswerError("it finds a token more than certain");
    tokens.push(...ids);
    logprobs.push(...more);
    promptTokens ??= piece.promptTokens;
    stop ??= piece.stop;
    lastIsEnd ||= piece.lastIsEnd === true;
    model ??= piece.model;
    Object.assign(claims, piece.claims);
    Object.assign(usage, piece.usage);
  }
  // Told with its probability, where those are told.
  if (lastIsEnd && tokens.length === usage.outputTokens) {
    if (logprobs.length === tokens.length) logprobs.pop();
    tokens.pop();
  }
  if (stop === undefined) throw new RemoteAnswerError("it ends before it is complete");
  if (stop !== "end" && stop !== "maxTokens")
    throw new RemoteAnswerError(
      `it ended for another reason than its own: ${stop.replaceAll(/\p{C}+/gu, " ")}`,
    );
  if (!text.isWellFormed()) throw new RemoteAnswerError("its text holds a lone surrogate");
  const told = usage.outputTokens;
  if (told !== undefined && told > limits.maxTokens + SLACK)
    throw new RemoteAnswerError("it counts more tokens than were asked for", {
      told,
      maxTokens: limits.maxTokens,
    });
  if (told !== undefined && tokens.length > told)
    throw new RemoteAnswerError("it counts fewer tokens than it shows", { told, shown: tokens.length });
  if (Math.max(promptTokens?.length ?? 0, usage.promptTokens ?? 0) > MOST_PROMPT)
    throw new RemoteAnswerError("it counts more tokens in the prompt than a prompt can have");
  if (usage.promptTokens !== undefined && promptTokens && usage.promptTokens !== promptTokens.length)
    throw new RemoteAnswerError("it counts another prompt than was sent", {
      told: usage.promptTokens,
      sent: promptTokens.length,
    });
  if ((usage.cachedTokens ?? 0) > (usage.promptTokens ?? Infinity))
    throw new RemoteAnswerError("it reuses more of the prompt than there is");
  return {
    text,
    stopReason: stop,
    tokens: tokens.length > 0 ? tokens : undefined,
    promptTokens,
    logprobsMilli: logprobs.length > 0 && logprobs.every(Number.isFinite) ? logprobs.map(milli) : null,
    model,
    claims,
    usage: {
      promptTokens: usage.promptTokens ?? null,
      cachedTokens: usage.cachedTokens ?? null,
      outputTokens: usage.outputTokens ?? null,
    },
  };
}

/** Thousandths; a logarithm of nearly nothing is cut at -1000. `+ 0` because records hold no minus zero. */
const milli = (logprob: number): number => Math.round(Math.min(0, Math.max(-1000, logprob)) * 1000) + 0;
