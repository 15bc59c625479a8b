import {
  concatHex,
  encodeAbiParameters,
  encodeFunctionData,
  erc20Abi,
  numberToHex,
  parseAbi,
  zeroAddress,
  type Address,
  type Hex,
} from "viem";
import { describe, expect, it } from "vitest";

import type { Call } from "../../../src/core/operation.ts";
import { compilePolicy } from "../../../src/policy/compile.ts";
import { parsePolicy } from "../../../src/policy/parse.ts";
import { payeeProof } from "../../../src/policy/payeeTree.ts";
import { holdingRule, payeeOf, proveCalls, wordOf } from "../../../src/policy/proveCalls.ts";
import { comparison, ruleParameter, ruleTree, type Condition, type Rule } from "../../../src/policy/rule.ts";
import { agent, editedEverything } from "./documents.ts";

const account: Address = "0x00000000000000000000000000000000000000aa";
const one: Address = "0x1111111111111111111111111111111111111111";
const two: Address = "0x2222222222222222222222222222222222222222";
const vault: Address = "0x7777777777777777777777777777777777777777";
const word = (value: bigint) => numberToHex(value, { size: 32 });

describe("payeeOf", () => {
  const asset: Address = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48";
  const extended = parseAbi([
    "function increaseAllowance(address spender, uint256 addedValue)",
    "function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)",
  ]);
  it.each<readonly [string, Hex, Address | undefined]>([
    ["transfer", encodeFunctionData({ abi: erc20Abi, functionName: "transfer", args: [one, 1n] }), one],
    [
      "transferFrom",
      encodeFunctionData({ abi: erc20Abi, functionName: "transferFrom", args: [one, two, 1n] }),
      two,
    ],
    ["approve", encodeFunctionData({ abi: erc20Abi, functionName: "approve", args: [one, 1n] }), one],
    [
      "increaseAllowance",
      encodeFunctionData({ abi: extended, args: [one, 1n], functionName: "increaseAllowance" }),
      one,
    ],
    [
      "permit",
      encodeFunctionData({
        abi: extended,
        functionName: "permit",
        args: [one, two, 1n, 2n, 27, word(3n), word(4n)],
      }),
      two,
    ],
    ["balanceOf", encodeFunctionData({ abi: erc20Abi, functionName: "balanceOf", args: [one] }), undefined],
    ["a function that nobody knows", "0x12345678", undefined],
    ["nothing", "0x", undefined],
  ])("of %s of the asset", (_, data, payee) => {
    expect(payeeOf({ to: asset, valueWei: 0n, data }, asset)).toBe(payee);
    expect(payeeOf({ to: asset.toLowerCase() as Address, valueWei: 0n, data }, asset)).toBe(payee);
    expect(payeeOf({ to: vault, valueWei: 0n, data }, asset)).toBeUndefined();
  });

  it("of the coin is whom it is sent to, unless there is data", () => {
    expect(payeeOf({ to: one, valueWei: 1n, data: "0x" }, zeroAddress)).toBe(one);
    expect(payeeOf({ to: one, valueWei: 1n, data: "0x00" }, zeroAddress)).toBeUndefined();
  });
});

describe("holdingRule", () => {
  const selector = "0x6E553F65";
  const rule = (...conditions: Condition[]): Rule => ({ target: vault, selector, spends: 0n, conditions });
  const call = (...words: bigint[]): Call => ({
    to: vault,
    valueWei: 0n,
    data: concatHex([selector, ...words.map(word)]),
  });
  const holds = (condition: Condition, value: bigint) =>
    holdingRule(call(value), [rule(condition)], account) !== undefined;

  it.each<readonly [string, Condition, readonly bigint[], readonly bigint[]]>([
    ["one of", { word: 0n, comparison: comparison.in, operands: [3n, 5n] }, [3n, 5n], [4n]],
    ["at most", { word: 0n, comparison: comparison.atMost, operands: [4n] }, [3n, 4n], [5n]],
    ["at least", { word: 0n, comparison: comparison.atLeast, operands: [4n] }, [4n, 5n], [3n]],
    ["the account", { word: 0n, comparison: comparison.self, operands: [] }, [BigInt(account)], [0n]],
    ["a word that is not there", { word: 1n, comparison: comparison.atLeast, operands: [0n] }, [], [0n]],
  ])("holds where the argument is %s", (_, condition, good, bad) => {
    expect(good.map((value) => holds(condition, value))).toEqual(good.map(() => true));
    expect(bad.map((value) => holds(condition, value))).toEqual(bad.map(() => false));
  });

  it("holds with all its conditions, for its target and its function only, in any case", () => {
    const least: Condition = { word: 0n, comparison: comparison.atLeast, operands: [4n] };
    const both = rule(least, { ...least, comparison: comparison.atMost });
    const found = (one: Call) => holdingRule(one, [rule(least, { ...least, word: 1n }), both], account);
    expect(found(call(4n))).toBe(both);
    expect(found(call(5n))).toBeUndefined();
    expect(found({ ...call(4n), to: one })).toBeUndefined();
    expect(found({ ...call(4n), data: concatHex(["0x6e553f66", word(4n)]) })).toBeUndefined();
    expect(found({ ...call(4n), data: call(4n).data.toLowerCase() as Hex })).toBe(both);
  });
});

describe("wordOf", () => {
  it("is a word that is wholly there", () => {
    const data = concatHex(["0x12345678", word(1n), word(2n), "0x00"]);
    expect([0n, 1n, 2n, 3n].map((index) => wordOf(data, index))).toEqual([1n, 2n, undefined, undefined]);
  });
});

describe("proveCalls", () => {
  const policy = compilePolicy(parsePolicy(editedEverything()), agent);
  const [, eth] = policy.limits;
  const [deposit] = eth!.calls;
  const prove = (call: Call) => proveCalls([call], eth!, policy.payeeTree, account)[0];
  const purse = policy.payees.find(({ name }) => name === "purse")!.address;
  const depositFor = (receiver: Address): Call => ({
    to: vault,
    valueWei: 0n,
    data: concatHex([deposit!.rule.selector, word(7n), word(BigInt(receiver))]),
  });
  const byRule = { path: [], rule: encodeAbiParameters([ruleParameter], [deposit!.rule]) };

  it("shows the path of a payee", () => {
    const path = payeeProof(policy.payeeTree, purse)!;
    expect(path).toHaveLength(1);
    expect(prove({ to: purse, valueWei: 1n, data: "0x" })).toEqual({ path, rule: "0x" });
  });

  it("shows the rule that holds, or one of the same function, so that the chain can say why not", () => {
    expect(prove(depositFor(account))).toEqual(byRule);
    expect(prove(depositFor(one))).toEqual(byRule);
    const strict: Rule = {
      ...deposit!.rule,
      conditions: [{ word: 0n, comparison: comparison.atMost, operands: [7n] }],
    };
    const limit = { ...eth!, calls: [deposit!, { ...deposit!, rule: strict }] };
    const [proof] = proveCalls([depositFor(one)], limit, policy.payeeTree, account);
    expect(proof!.rule).toBe(encodeAbiParameters([ruleParameter], [strict]));
    expect(proof!.path).toEqual([ruleTree([deposit!.rule]).root]);
  });

  it("shows nothing for what nothing allows, and one proof for each call", () => {
    const stranger: Call = { to: one, valueWei: 1n, data: "0x" };
    expect(proveCalls([stranger, depositFor(account)], eth!, policy.payeeTree, account)).toEqual([
      { path: [], rule: "0x" },
      byRule,
    ]);
    expect(prove({ to: one, valueWei: 1n, data: "0x12345678" })).toEqual({ path: [], rule: "0x" });
  });
});
