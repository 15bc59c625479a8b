import type { CompiledLimit } from "./compile.ts";
import { gasUnitOf, unitOf, unitsUp } from "./meter.ts";
import { laneBits, lanes, windowAt, type Claim } from "./window.ts";

export type { Claim } from "./window.ts";

/**
 * The packed counters word of one grant, opened. The layout is that of
 * contracts/libraries/Counters.sol. Amounts are in units of 10^exponent (gas: 10^gasExponent).
 */
export type Counters = {
  /** Newest bucket first. */
  readonly ring: readonly number[];
  /** Number of the newest bucket: time / bucket length. */
  readonly newestBucket: number;
  readonly lifetime: number;
  readonly gas: number;
  /** Size of the decision tree last committed under this grant. */
  readonly treeSize: number;
  readonly epoch: number;
  readonly status: "unknown" | "granted" | "revoked";
};

const field = (word: bigint, shift: number, bits: number) =>
  Number((word >> BigInt(shift)) & ((1n << BigInt(bits)) - 1n));

export function decodeCounters(word: bigint): Counters {
  const status = field(word, 248, 8);
  return {
    ring: Array.from({ length: Number(lanes) }, (_, lane) => field(word, lane * 16, 16)),
    newestBucket: field(word, 128, 24),
    lifetime: field(word, 152, 24),
    gas: field(word, 176, 24),
    treeSize: field(word, 200, 32),
    epoch: field(word, 232, 16),
    status: status === 0 ? "unknown" : status === 1 ? "granted" : "revoked",
  };
}

/** The word that `decodeCounters` opens. */
export function encodeCounters(counters: Counters): bigint {
  const { newestBucket, lifetime, gas, treeSize, epoch } = counters;
  const status = ["unknown", "granted", "revoked"].indexOf(counters.status);
  const ring = counters.ring.reduceRight((word, spent) => (word << laneBits) | BigInt(spent), 0n);
  // High to low, each with its bits.
  const fields = [
    [status, 8n],
    [epoch, 16n],
    [treeSize, 32n],
    [gas, 24n],
    [lifetime, 24n],
    [newestBucket, 24n],
  ] as const;
  return (
    (fields.reduce((word, [value, bits]) => (word << bits) | BigInt(value), 0n) << (lanes * laneBits)) | ring
  );
}

/** What one account's chain state says about a limit, frozen at the Observation's block. */
export type Usage = {
  readonly counters: Counters;
  /** Current epoch of the account: grants of an older one are dead. */
  readonly epoch: number;
  readonly frozen: boolean;
};

/** Base units already charged inside the rolling window that a claim falls into. */
export const spentInWindow = (limit: CompiledLimit, counters: Counters, claim: Claim): bigint =>
  windowAt(encodeCounters(counters), claim, limit.grant.bucket).spent * unitOf(limit.units);

/** Does the ring still hold the whole window of a claim? The chain refuses to guess (`WindowTooOld`). */
export const windowReaches = (limit: CompiledLimit, counters: Counters, claim: Claim): boolean =>
  windowAt(encodeCounters(counters), claim, limit.grant.bucket).tooOld === null;

/** Base units charged since the grant began. */
export const spentInLifetime = (limit: CompiledLimit, counters: Counters): bigint =>
  BigInt(counters.lifetime) * unitOf(limit.units);

/** Wei of gas charged since the grant began. */
export const gasSpent = (limit: CompiledLimit, counters: Counters): bigint =>
  BigInt(counters.gas) * gasUnitOf(limit.units);

/** What a payment is charged: rounded up to the counters' unit. */
export const charge = (limit: CompiledLimit, amount: bigint): bigint =>
  unitsUp(amount, unitOf(limit.units)) * unitOf(limit.units);
