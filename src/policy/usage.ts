import { bucketsPerWindow } from "./grant.ts";
import type { CompiledLimit } from "./compile.ts";

/** Lanes of the ring in the packed counters word. */
const lanes = 8;

/**
 * The packed counters word of one grant, opened. Twin of `contracts/libraries/SpendPolicy.sol`; the layout is that
 * of gas-anchors §8.3. Amounts are in units of 10^exponent (gas: 10^gasExponent).
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
    ring: Array.from({ length: lanes }, (_, lane) => field(word, lane * 16, 16)),
    newestBucket: field(word, 128, 24),
    lifetime: field(word, 152, 24),
    gas: field(word, 176, 24),
    treeSize: field(word, 200, 32),
    epoch: field(word, 232, 16),
    status: status === 0 ? "unknown" : status === 1 ? "granted" : "revoked",
  };
}

/** What one account's chain state says about a limit, frozen at the Observation's block. */
export type Usage = {
  readonly counters: Counters;
  /** Current epoch of the account: grants of an older one are dead. */
  readonly epoch: number;
  readonly frozen: boolean;
};

/** A claim [validAfter, validUntil] in unix seconds, as the agent signs it. */
export type Claim = { readonly validAfter: bigint; readonly validUntil: bigint };

/** Base units already charged inside the rolling window that a claim falls into. */
export function spentInWindow(limit: CompiledLimit, counters: Counters, claim: Claim): bigint {
  const bucket = limit.grant.bucket;
  const newest = BigInt(counters.newestBucket);
  const first = claim.validAfter / bucket - bucketsPerWindow;
  let units = 0n;
  for (const [lane, spent] of counters.ring.entries())
    if (newest - BigInt(lane) >= first) units += BigInt(spent);
  return units * 10n ** BigInt(limit.units.exponent);
}

/** Does the ring still hold the whole window of a claim? The chain refuses to guess (`WindowTooOld`). */
export function windowReaches(limit: CompiledLimit, counters: Counters, claim: Claim): boolean {
  const { bucket } = limit.grant;
  const charged = claim.validUntil / bucket;
  const newest = charged > BigInt(counters.newestBucket) ? charged : BigInt(counters.newestBucket);
  return claim.validAfter / bucket + 1n >= newest;
}

/** Base units charged since the grant began. */
export const spentInLifetime = (limit: CompiledLimit, counters: Counters): bigint =>
  BigInt(counters.lifetime) * 10n ** BigInt(limit.units.exponent);

/** Wei of gas charged since the grant began. */
export const gasSpent = (limit: CompiledLimit, counters: Counters): bigint =>
  BigInt(counters.gas) * 10n ** BigInt(limit.units.gasExponent);

/** What a payment is charged: rounded up to the counters' unit. */
export function charge(limit: CompiledLimit, amount: bigint): bigint {
  const unit = 10n ** BigInt(limit.units.exponent);
  return ((amount + unit - 1n) / unit) * unit;
}
