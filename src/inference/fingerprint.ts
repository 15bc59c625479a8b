import type { ControlledEvaluateInputItem, LlamaContextSequence, Token } from "node-llama-cpp";
import type { FingerprintRow, Fingerprints } from "../core/inference.ts";

/** Tokens between two rows, and logits in a row. Part of a record's meaning: it may not choose its own. */
export const FINGERPRINT_EVERY = 32;
export const FINGERPRINT_TOP = 8;

/**
 * Tokens of the prompt that are left for `evaluate` after the fingerprints. Two, not one: kernels for a single row compute
 * other bits than those for several (measured), and a run has to be the same with and without fingerprints.
 */
export const LEFT_OVER = 2;

/** Raw logits: the binding applies the sampling options before it shows them. */
export const RAW = { temperature: 0, topK: 0, topP: 1, minP: 0 } as const;

/**
 * Where the rows are counted from. The end: canonical mode. The start: fast mode, so that prompts which begin alike have the same rows there,
 * and the beginning is read once for all of them.
 */
export type Anchor = "start" | "end";

/** Where the rows of a prompt of this many tokens lie, first to last. The last one is the same for both. */
export function fingerprintPlaces(promptTokens: number, anchor: Anchor): readonly number[] {
  const last = promptTokens - LEFT_OVER - 1;
  const places: number[] = [];
  if (anchor === "end") for (let at = last; at >= 0; at -= FINGERPRINT_EVERY) places.unshift(at);
  else {
    for (let at = FINGERPRINT_EVERY - 1; at < last; at += FINGERPRINT_EVERY) places.push(at);
    if (last >= 0) places.push(last);
  }
  return places;
}

/** What a sequence holds of a prompt before the run: that many tokens, and the rows that lie in them. */
export type HeldPrefix = { readonly tokens: number; readonly rows: readonly FingerprintRow[] };

/** Evaluates all but the last two prompt tokens behind what the sequence holds, and writes down what the model thinks on the way. */
export async function evaluateHead(
  sequence: LlamaContextSequence,
  promptTokens: readonly number[],
  anchor: Anchor,
  held: HeldPrefix,
): Promise<Fingerprints> {
  const places = fingerprintPlaces(promptTokens.length, anchor).filter((at) => at >= held.tokens);
  if (promptTokens.length <= LEFT_OVER) return { every: FINGERPRINT_EVERY, rows: [] };
  const asked = new Set(places);
  const items = promptTokens
    .slice(held.tokens, -LEFT_OVER)
    .map((token, index): ControlledEvaluateInputItem =>
      asked.has(held.tokens + index)
        ? [
            token as Token,
            {
              generateNext: { logits: { filter: { tokens: [], includeTop: FINGERPRINT_TOP } }, options: RAW },
            },
          ]
        : (token as Token),
    );
  const results = await sequence.controlledEvaluate(items);
  const rows = places.map((at) => rowOf(at, results[at - held.tokens]?.next.logits ?? new Map()));
  return { every: FINGERPRINT_EVERY, rows: [...held.rows, ...rows] };
}

function rowOf(at: number, logits: ReadonlyMap<Token, number>): FingerprintRow {
  const top = [...logits].slice(0, FINGERPRINT_TOP);
  return { at, tokens: top.map(([token]) => token), logitsMilli: top.map(([, logit]) => milli(logit)) };
}

/** Thousandths, as records hold no floats. */
export const milli = (logit: number): number => Math.round(logit * 1000) || 0;

/** Largest difference of two fingerprints' logits in thousandths, or null when they are not about the same tokens. */
export function fingerprintDistance(
  recorded: readonly FingerprintRow[],
  actual: readonly (readonly number[])[],
): number | null {
  if (recorded.length !== actual.length) return null;
  let worst = 0;
  for (const [index, row] of recorded.entries()) {
    const logits = actual[index]!;
    if (row.tokens.length !== row.logitsMilli.length || logits.length !== row.tokens.length) return null;
    for (const [place, logit] of row.logitsMilli.entries())
      worst = Math.max(worst, Math.abs(logit - logits[place]!));
  }
  return worst;
}
