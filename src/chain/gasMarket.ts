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

export const least = (one: bigint, other: bigint): bigint => (one < other ? one : other);
