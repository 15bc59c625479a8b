import { zeroAddress, type Address } from "viem";
import { describe, expect, it } from "vitest";

import { assetDiff, type Effects } from "../../../src/policy/assetDiff.ts";
import type { CallCount } from "../../../src/policy/countCalls.ts";

const [account, router, token, other] = ["a1", "b2", "c3", "d4"].map(
  (byte): Address => `0x${byte.repeat(20)}`,
) as [Address, Address, Address, Address];
const usdc = { symbol: "USDC", address: token, decimals: 6 };
const units = 1_000_000n;

const count = (amountUnits: bigint, approved: CallCount["approved"] = []): CallCount => ({
  limit: { token: usdc, grant: { asset: token } } as CallCount["limit"],
  amountUnits,
  approved,
  refusals: [],
});
const none: Effects = { transfers: [], approvals: [], others: [] };
const out = (asset: Address, amount: bigint) => ({ asset, from: account, to: router, units: amount });
const diff = (effects: Partial<Effects>, counted: CallCount) =>
  assetDiff(account, { ...none, ...effects }, counted, [usdc]);

describe("assetDiff", () => {
  it("flags nothing that is counted, and shows what comes in", () => {
    const back = { asset: zeroAddress, from: router, to: account, units: 10n ** 18n };
    const { assets, flags } = diff({ transfers: [out(token, 5n * units), back] }, count(5n * units));
    expect(flags).toEqual([]);
    expect(assets.map(({ words }) => words)).toEqual(["5.00 USDC out, 5.00 USDC counted", "1 ETH in"]);
  });

  it("flags what leaves beyond the count, of any asset", () => {
    const { assets, flags } = diff(
      { transfers: [out(token, 5n * units), out(other, 7n), out(zeroAddress, 10n ** 17n)] },
      count(4n * units),
    );
    expect(assets.map(({ symbol }) => symbol)).toEqual(["USDC", undefined, "ETH"]);
    expect(flags).toEqual([
      "5.00 USDC leaves the account and the policy counts 4.00 USDC of it.",
      `7 base units of ${other} leaves the account and the policy counts nothing of it.`,
      "0.1 ETH leaves the account and the policy counts nothing of it.",
    ]);
  });

  it("ignores what the account sends itself, and movements of others", () => {
    const self = { asset: token, from: account, to: account, units };
    const others = { asset: token, from: router, to: other, units };
    expect(diff({ transfers: [self, others] }, count(0n))).toEqual({ assets: [], approvals: [], flags: [] });
  });

  it("looks at the last of an allowance, and flags what was not counted when it was given", () => {
    const approve = (amount: bigint, asset = token) => ({ asset, spender: router, units: amount });
    const counted = count(2n * units, [{ spender: router, units: 2n * units }]);
    expect(diff({ approvals: [approve(2n * units)] }, counted).flags).toEqual([]);
    expect(diff({ approvals: [approve(9n * units), approve(0n)] }, count(0n)).approvals).toEqual([]);
    expect(diff({ approvals: [approve(3n * units)] }, counted).flags).toHaveLength(1);
    expect(diff({ approvals: [approve(1n, other)] }, counted).flags).toHaveLength(1);
  });

  it("passes on what has no units", () => {
    expect(diff({ others: ["An NFT leaves."] }, count(0n)).flags).toEqual(["An NFT leaves."]);
  });
});
