import { carryRing } from "./carry.ts";
import type { Refusal } from "./refusal.ts";
import { aboveRing, field } from "./window.ts";

/** A cap over all agents of an account for one asset: amounts in base units, `bucket` in seconds; its unit is 10^exponent. */
export type Cap = { readonly perWindow: bigint; readonly bucket: bigint; readonly unit: bigint };

const capAt = aboveRing;
const exponentAt = capAt + 16n;
const bucketAt = exponentAt + 6n;

/** The cap in a word of `capCounters`; undefined when the word is zero: there is none. */
export function decodeCap(word: bigint): Cap | undefined {
  if (word === 0n) return undefined;
  const unit = 10n ** field(word, exponentAt, 6n);
  return { perWindow: field(word, capAt, 16n) * unit, bucket: field(word, bucketAt, 24n), unit };
}

/**
 * Twin of what `setCap` does to the word: what was spent since the cap was set still counts; zeros remove it.
 *
 * @param time Block time of the change, unix seconds.
 */
export function changeCap(
  word: bigint,
  change: { readonly perWindow: bigint; readonly bucket: bigint },
  time: bigint,
): bigint | Refusal {
  const { perWindow, bucket } = change;
  if (perWindow === 0n && bucket === 0n) return 0n;
  let exponent = 0n;
  while (perWindow / 10n ** exponent > 0xffffn) exponent++;
  const unit = 10n ** exponent;
  if (exponent > 63n || perWindow % unit !== 0n || bucket < 300n || bucket > 0xffffffn)
    return { error: "CapNotRepresentable", args: [perWindow, bucket] };
  const before = decodeCap(word);
  const ring = before ? carryRing(word, { ...before, gasUnit: 1n }, { unit, gasUnit: 1n, bucket }, time) : 0n;
  return (bucket << bucketAt) | (exponent << exponentAt) | ((perWindow / unit) << capAt) | ring;
}
