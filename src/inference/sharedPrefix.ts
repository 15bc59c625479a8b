import type { LlamaContextSequence } from "node-llama-cpp";
import type { FingerprintRow } from "../core/inference.ts";
import { FINGERPRINT_EVERY, LEFT_OVER, type HeldPrefix } from "./fingerprint.ts";

/** Fewer tokens than these are sooner evaluated than copied from another sequence. */
const WORTH_COPYING = 64;

/** A prompt that is being read right now, and when that is done. */
export type Reading = { readonly tokens: readonly number[]; readonly done: Promise<void> };

type Quietly = <T>(work: () => Promise<T>) => Promise<T>;

/** What a sequence knows of the prompts it has read. */
export type Memory = {
  readonly sequence: LlamaContextSequence;
  /** Of the prompt that the sequence begins with. */
  rows: readonly FingerprintRow[];
  reading: Reading | null;
};

export const nothing: HeldPrefix = Object.freeze({ tokens: 0, rows: [] });

/** Tokens of the prompt's beginning that this sequence holds and has rows for: a multiple of the rows' distance. */
export function heldBy({ rows, sequence }: Memory, promptTokens: readonly number[]): number {
  return begunAlike(sequence.contextTokens, promptTokens, rowsFromStart(rows) * FINGERPRINT_EVERY);
}

/**
 * Makes `own` begin with as much of the prompt as any sequence holds, and forgets the rest of what it held. Waits for others that
 * were just reading the same beginning: it is read once, however many ask at the same time.
 *
 * @param earlier what others began to read before; never what was begun later, or two could wait for each other
 * @param quietly runs something while no sequence is evaluating
 */
export async function recall(
  own: Memory,
  all: readonly Memory[],
  earlier: readonly Reading[],
  promptTokens: readonly number[],
  quietly: Quietly,
): Promise<HeldPrefix> {
  const known = () => Math.max(...all.map((memory) => heldBy(memory, promptTokens)));
  for (const { done, tokens } of earlier)
    if (begunAlike(tokens, promptTokens, tokens.length - LEFT_OVER) >= known() + WORTH_COPYING) await done;
  const held = heldBy(own, promptTokens);
  const tokens = known();
  const source = all.find((memory) => memory !== own && heldBy(memory, promptTokens) === tokens);
  if (source === undefined || tokens < held + WORTH_COPYING) {
    await forgetFrom(own.sequence, held, quietly);
    return { tokens: held, rows: own.rows.slice(0, held / FINGERPRINT_EVERY) };
  }
  const rows = source.rows.slice(0, tokens / FINGERPRINT_EVERY);
  const copied = await quietly(() => copy(own.sequence, source.sequence, tokens));
  // The other may have gone on to something else meanwhile.
  if (copied && begunAlike(own.sequence.contextTokens, promptTokens, tokens) === tokens)
    return { tokens, rows };
  await forgetFrom(own.sequence, 0, quietly);
  return nothing;
}

/** Forgets what a sequence holds from this token on. */
export async function forgetFrom(
  sequence: LlamaContextSequence,
  start: number,
  quietly: Quietly,
): Promise<void> {
  const end = sequence.nextTokenIndex;
  if (end > start) await quietly(() => sequence.eraseContextTokenRanges([{ start, end }]));
}

/** How many tokens two lists begin with in common, at most `limit` and short of the prompt's last two, in whole steps of the rows. */
function begunAlike(a: readonly number[], promptTokens: readonly number[], limit: number): number {
  const most = Math.min(a.length, promptTokens.length - LEFT_OVER, limit);
  let common = 0;
  while (common < most && a[common] === promptTokens[common]) common++;
  return Math.floor(common / FINGERPRINT_EVERY) * FINGERPRINT_EVERY;
}

function rowsFromStart(rows: readonly FingerprintRow[]): number {
  const other = rows.findIndex(({ at }, index) => at !== (index + 1) * FINGERPRINT_EVERY - 1);
  return other < 0 ? rows.length : other;
}

/** The binding's own copy, which its types do not show; its version is pinned, and the tests use it. */
type Copying = { _copyStateFromOtherSequence(from: LlamaContextSequence, upTo: number): Promise<boolean> };
const copy = (to: LlamaContextSequence, from: LlamaContextSequence, upTo: number): Promise<boolean> =>
  (to as unknown as Copying)._copyStateFromOtherSequence(from, upTo);
