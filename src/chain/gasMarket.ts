import type { GasPrice } from "./bundler/bundler.ts";
import { ask, type Chain } from "./connectChain.ts";

/** What the chain asks for now, by our own RPC. */
export type GasMarket = { readonly baseFeeWei: bigint; readonly tipWei: bigint };

export async function readGasMarket(chain: Chain): Promise<GasMarket> {
  const block = await ask(chain, () => chain.client.getBlock({ blockTag: "latest" }));
  const tipWei = await ask(chain, () => chain.client.estimateMaxPriorityFeePerGas());
  return { baseFeeWei: block.baseFeePerGas ?? 0n, tipWei };
}

/** Twice the base fee outlasts six full blocks of rising fees (EIP-1559). */
export const feesIn = ({ baseFeeWei, tipWei }: GasMarket): GasPrice => ({
  maxFeePerGasWei: baseFeeWei * 2n + tipWei,
  maxPriorityFeePerGasWei: tipWei,
});

/** How many times our own price a bundler may ask for. Whoever wants more has to do without. */
const mostTimes = 2n;

/**
 * The price that a bundler asks for, as far as our own RPC bears it out: whatever is paid above the base fee goes to the
 * bundler, so it names no price of its own. A tip may be a tenth of the price where the chain knows no tips.
 */
export function boundFees(asked: GasPrice, market: GasMarket): GasPrice {
  const own = feesIn(market);
  const maxFeePerGasWei = least(asked.maxFeePerGasWei, own.maxFeePerGasWei * mostTimes);
  const tips = own.maxPriorityFeePerGasWei * mostTimes;
  const tenth = own.maxFeePerGasWei / 10n;
  return {
    maxFeePerGasWei,
    maxPriorityFeePerGasWei: least(
      asked.maxPriorityFeePerGasWei,
      least(maxFeePerGasWei, tips > tenth ? tips : tenth),
    ),
  };
}

/** Below the base fee, or what is left above it is less than half of what others tip. */
export function isOutbid(fees: GasPrice, { baseFeeWei, tipWei }: GasMarket): boolean {
  return least(fees.maxFeePerGasWei - baseFeeWei, fees.maxPriorityFeePerGasWei) * 2n < tipWei;
}

/** Both fees a tenth higher: what bundlers and nodes take as a replacement at the least. */
const tenthMore = (fee: bigint): bigint => (fee * 11n + 9n) / 10n;

/**
 * Fees that replace an operation whose own do not do any more: today's, at least a tenth more than the old ones, and at most
 * `mostFeePerGasWei`. A bundler's word that they are too low is taken as far as twice our own price.
 *
 * @returns undefined when no fees within that would be taken, or would help
 */
export function bumpedFees(
  old: GasPrice,
  market: GasMarket,
  mostFeePerGasWei: bigint | undefined,
): GasPrice | undefined {
  const today = feesIn(market);
  const bound = today.maxFeePerGasWei * mostTimes;
  const highest = least(mostFeePerGasWei ?? bound, bound);
  const atLeast = { fee: tenthMore(old.maxFeePerGasWei), tip: tenthMore(old.maxPriorityFeePerGasWei) };
  const maxFeePerGasWei = least(most(atLeast.fee, today.maxFeePerGasWei), highest);
  const fees = {
    maxFeePerGasWei,
    maxPriorityFeePerGasWei: least(most(atLeast.tip, today.maxPriorityFeePerGasWei), maxFeePerGasWei),
  };
  const taken = fees.maxFeePerGasWei >= atLeast.fee && fees.maxPriorityFeePerGasWei >= atLeast.tip;
  return taken && !isOutbid(fees, market) ? fees : undefined;
}

const most = (one: bigint, other: bigint): bigint => (one > other ? one : other);
export const least = (one: bigint, other: bigint): bigint => (one < other ? one : other);
