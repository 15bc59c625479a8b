import { aboveRing, field, laneBits, newestAt, sumOfLanes } from "./window.ts";

/** What the counters of a policy are kept in: base units of a unit, wei of a gas unit, seconds of a bucket. */
export type Scale = { readonly unit: bigint; readonly gasUnit: bigint; readonly bucket: bigint };

const spentAt = aboveRing;
const gasAt = spentAt + 24n;
const sizeAt = gasAt + 24n;

/**
 * Twin of `Counters.carry`: the counters of a policy in the scale of the one that takes its place, without epoch and
 * status. Nothing spent is forgotten, and what has to be rounded is rounded up.
 *
 * @param time Block time of the replacement, unix seconds.
 */
export function carryCounters(word: bigint, from: Scale, to: Scale, time: bigint): bigint {
  return (
    carryRing(word, from, to, time) |
    (rescale(field(word, spentAt, 24n), from.unit, to.unit, 24) << spentAt) |
    (rescale(field(word, gasAt, 24n), from.gasUnit, to.gasUnit, 24) << gasAt) |
    (field(word, sizeAt, 32n) << sizeAt)
  );
}

/** Twin of `Counters.carryRing`: with another bucket length everything that the ring holds counts as spent now. */
export function carryRing(word: bigint, from: Scale, to: Scale, time: bigint): bigint {
  if (from.bucket !== to.bucket) {
    const sum = rescale(sumOfLanes(word), from.unit, to.unit, 16);
    return ((time / to.bucket) << newestAt) | sum;
  }
  let carried = field(word, newestAt, 24n) << newestAt;
  for (let at = 0n; at < newestAt; at += laneBits)
    carried |= rescale(field(word, at, laneBits), from.unit, to.unit, 16) << at;
  return carried;
}

/** Another agent has a decision tree of its own. */
export const withoutSize = (word: bigint): bigint => word & ~(0xffffffffn << sizeAt);

/**
 * An amount in other units, rounded up; the largest of `bits` if it is more, which no cap exceeds. What once was the largest
 * may have been more, so it stays.
 */
function rescale(amount: bigint, from: bigint, to: bigint, bits: number): bigint {
  const most = (1n << BigInt(bits)) - 1n;
  if (amount >= most) return most;
  const scaled = (amount * from + to - 1n) / to;
  return scaled > most ? most : scaled;
}
