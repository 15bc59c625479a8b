import { isAddressEqual, type Address } from "viem";

import type { CallCount } from "./countCalls.ts";
import { nativeToken, showUnits, type Token } from "./registry.ts";

/** What a simulated operation did, as the chain's own events and value transfers tell. */
export type Effects = {
  /** Coin has the asset zero. */
  readonly transfers: readonly {
    readonly asset: Address;
    readonly from: Address;
    readonly to: Address;
    readonly units: bigint;
  }[];
  /** Allowances that the account gave or lowered, in order; as given, whatever was used of them since. */
  readonly approvals: readonly {
    readonly asset: Address;
    readonly spender: Address;
    readonly units: bigint;
  }[];
  /** What has no units: NFTs that left, operators that were named. One sentence each. */
  readonly others: readonly string[];
  /** Why it reverted, in words; undefined: it went through. */
  readonly failure?: string | undefined;
};

export type AssetChange = {
  readonly asset: Address;
  /** Undefined for a token that the policy does not know. */
  readonly symbol: string | undefined;
  readonly out: bigint;
  readonly in: bigint;
  /** What the policy counts of it. */
  readonly counted: bigint;
  readonly words: string;
};

export type AssetDiff = {
  readonly assets: readonly AssetChange[];
  readonly approvals: readonly {
    readonly asset: Address;
    readonly spender: Address;
    readonly units: bigint;
    readonly words: string;
  }[];
  /** What leaves, or may leave, without being counted. Empty: the policy sees all of it. */
  readonly flags: readonly string[];
};

/** What goes in and out of the account, held against what the policy counts. */
export function assetDiff(
  account: Address,
  effects: Effects,
  count: CallCount,
  tokens: readonly Token[],
): AssetDiff {
  const { limit } = count;
  const tokenAt = (asset: Address): Token | undefined =>
    [...tokens, nativeToken].find(({ address }) => isAddressEqual(address, asset));
  const show = (units: bigint, asset: Address) => {
    const token = tokenAt(asset);
    return token ? showUnits(units, token) : `${units} base units of ${asset}`;
  };
  const flags: string[] = [...effects.others];
  const assets = distinct(effects.transfers.map(({ asset }) => asset)).flatMap((asset): AssetChange[] => {
    const moved = effects.transfers.filter((one) => isAddressEqual(one.asset, asset) && one.from !== one.to);
    const total = (side: "from" | "to") =>
      moved.filter((one) => isAddressEqual(one[side], account)).reduce((sum, { units }) => sum + units, 0n);
    const [out, into] = [total("from"), total("to")];
    if (out === 0n && into === 0n) return [];
    const counted = isAddressEqual(asset, limit.grant.asset) ? count.amountUnits : 0n;
    if (out > counted)
      flags.push(
        `${show(out, asset)} leaves the account and the policy counts ${counted === 0n ? "nothing" : show(counted, asset)} of it.`,
      );
    const words = [
      ...(out > 0n ? [`${show(out, asset)} out`] : []),
      ...(into > 0n ? [`${show(into, asset)} in`] : []),
      ...(counted > 0n ? [`${show(counted, asset)} counted`] : []),
    ].join(", ");
    return [{ asset, symbol: tokenAt(asset)?.symbol, out, in: into, counted, words }];
  });
  const approvals = lastApprovals(effects).map(({ asset, spender, units }) => {
    const counted = count.approved
      .filter((one) => isAddressEqual(asset, limit.grant.asset) && isAddressEqual(one.spender, spender))
      .reduce((sum, one) => sum + one.units, 0n);
    const words = `${spender} is given an allowance of ${show(units, asset)}`;
    if (units > counted) flags.push(`${words}, and the policy counts ${show(counted, asset)} of it.`);
    return { asset, spender, units, words };
  });
  return { assets, approvals, flags };
}

const distinct = (addresses: readonly Address[]): readonly Address[] =>
  addresses.filter((one, index) => addresses.findIndex((other) => isAddressEqual(one, other)) === index);

/** Of each allowance what was given last. Tokens need not say what was used of it since, so less may be left. */
function lastApprovals({ approvals }: Effects): Effects["approvals"] {
  return approvals.filter(
    ({ asset, spender }, index) =>
      approvals.findLastIndex(
        (one) => isAddressEqual(one.asset, asset) && isAddressEqual(one.spender, spender),
      ) === index && approvals[index]!.units > 0n,
  );
}
