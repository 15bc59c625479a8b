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

  it("looks at each allowance by its token and its spender, and says what was not counted of it", () => {
    const given = (asset: Address, spender: Address, amount: bigint) => ({ asset, spender, units: amount });
    const { approvals, flags } = diff(
      {
        approvals: [
          given(token, router, 9n * units),
          given(token, other, 2n * units),
          given(other, router, 7n),
          given(token, router, 3n * units),
        ],
      },
      count(3n * units, [
        { spender: router, units },
        { spender: other, units: 2n * units },
      ]),
    );
    const said = [
      `${other} is given an allowance of 2.00 USDC`,
      `${router} is given an allowance of 7 base units of ${other}`,
      `${router} is given an allowance of 3.00 USDC`,
    ];
    expect(approvals).toEqual([
      { ...given(token, other, 2n * units), words: said[0] },
      { ...given(other, router, 7n), words: said[1] },
      { ...given(token, router, 3n * units), words: said[2] },
    ]);
    expect(flags).toEqual([
      `${said[1]}, and the policy counts 0 base units of ${other} of it.`,
      `${said[2]}, and the policy counts 1.00 USDC of it.`,
    ]);
  });

  it("adds up what moves of one asset, however its address is written", () => {
    const upper = token.toUpperCase().replace("0X", "0x") as Address;
    expect(diff({ transfers: [out(token, units), out(upper, units)] }, count(2n * units))).toEqual({
      assets: [
        {
          asset: token,
          symbol: "USDC",
          out: 2n * units,
          in: 0n,
          counted: 2n * units,
          words: "2.00 USDC out, 2.00 USDC counted",
        },
      ],
      approvals: [],
      flags: [],
    });
  });

  it("passes on what has no units", () => {
    expect(diff({ others: ["An NFT leaves."] }, count(0n)).flags).toEqual(["An NFT leaves."]);
  });
});
