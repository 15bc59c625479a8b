import { bucketsPerWindow } from "./grant.ts";

/** A claim [validAfter, validUntil] in unix seconds, as the agent signs it. */
export type Claim = { readonly validAfter: bigint; readonly validUntil: bigint };

/** The ring in the low bits of every counters word: 8 lanes of 16 bits, then 24 bits for the number of the newest bucket. */
export const lanes = 8n;
export const laneBits = 16n;
export const newestAt = lanes * laneBits;
/** Where the fields above the ring begin. */
export const aboveRing = newestAt + 24n;

/** The window that a claim falls into. */
export type Window = {
  /** Number of the newest bucket, the claim's included. */
  readonly newest: bigint;
  /** The lanes, the newest bucket in the lowest. */
  readonly ring: bigint;
  /** Units charged to buckets from that of (start - window) on. */
  readonly spent: bigint;
  /** Position, in bits, of the lane to charge. */
  readonly lane: bigint;
  /** The ring no longer holds the whole window: bucket of the claim's start, and the oldest that is served. */
  readonly tooOld: { readonly actual: bigint; readonly allowed: bigint } | null;
};

export const field = (word: bigint, at: bigint, bits: bigint): bigint =>
  BigInt.asUintN(Number(bits), word >> at);

/** Twin of `Counters._window`; a claim that is too old gets what the ring still knows. */
export function windowAt(word: bigint, claim: Claim, bucket: bigint): Window {
  let newest = field(word, newestAt, 24n);
  let ring = field(word, 0n, newestAt);
  const start = claim.validAfter / bucket;
  const charged = claim.validUntil / bucket;
  if (charged > newest) {
    const shift = charged - newest;
    ring = shift >= lanes ? 0n : field(ring << (shift * laneBits), 0n, newestAt);
    newest = charged;
  }
  const tooOld = start + 1n < newest ? { actual: start, allowed: newest - 1n } : null;
  const needed = newest - start + bucketsPerWindow + 1n;
  const spent = sumOfLanes(field(ring, 0n, needed * laneBits));
  return { newest, ring, spent, lane: (newest - charged) * laneBits, tooOld };
}

/** The word with more units in the lane of the window's claim. Whoever calls checked the cap, so no lane overflows. */
export const chargeWindow = (word: bigint, { newest, ring, lane }: Window, units: bigint): bigint =>
  ((word >> aboveRing) << aboveRing) | (newest << newestAt) | (ring + (units << lane));

export function sumOfLanes(ring: bigint): bigint {
  let sum = 0n;
  for (let at = 0n; at < newestAt; at += laneBits) sum += field(ring, at, laneBits);
  return sum;
}
