import {
  concatHex,
  encodeFunctionData,
  maxUint256,
  numberToHex,
  parseAbi,
  zeroAddress,
  type Address,
  type Hex,
} from "viem";
import { describe, expect, it } from "vitest";

import type { Call } from "../../../src/core/operation.ts";
import { encodeExecution } from "../../../src/policy/execution.ts";
import { functionBits, plainExtras } from "../../../src/policy/grant.ts";
import { measureCalls, type CallProof } from "../../../src/policy/measureCalls.ts";
import { payeeTree } from "../../../src/policy/payeeTree.ts";
import { isRefusal } from "../../../src/policy/refusal.ts";
import { comparison, ruleTree, type Condition, type Rule } from "../../../src/policy/rule.ts";

const account: Address = "0x00000000000000000000000000000000000000aa";
const token: Address = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48";
const payee: Address = "0x1111111111111111111111111111111111111111";
const vault: Address = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2";
const payees = payeeTree([payee]).root;
const allFunctions = 15n;
const proof: CallProof = { path: [], rule: null };

const tokenAbi = parseAbi([
  "function transfer(address to, uint256 amount)",
  "function transferFrom(address from, address to, uint256 amount)",
  "function approve(address spender, uint256 amount)",
  "function increaseAllowance(address spender, uint256 amount)",
  "function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)",
]);
const word = (value: bigint) => numberToHex(value, { size: 32 });
const permit = encodeFunctionData({
  abi: tokenAbi,
  functionName: "permit",
  args: [account, payee, 5n, 9n, 27, word(1n), word(2n)],
});
const transferFrom = (from: Address) =>
  encodeFunctionData({ abi: tokenAbi, functionName: "transferFrom", args: [from, payee, 5n] });
const pay = (functionName: "transfer" | "approve" | "increaseAllowance", to = payee, amount = 5n) =>
  encodeFunctionData({ abi: tokenAbi, functionName, args: [to, amount] });
const toToken = (data: Hex, valueWei = 0n): Call => ({ to: token, valueWei, data });

/** What calls come to: amount and who is touched, or the error with its arguments. */
function measured(
  calls: readonly Call[],
  {
    asset = token,
    functions = allFunctions,
    rules = plainExtras.rules,
    proofs = calls.map(() => proof),
  } = {},
): readonly unknown[] {
  const grant = { asset, payees, extras: { ...plainExtras, functions, rules } };
  const measure = measureCalls(grant, encodeExecution({ batch: calls.length !== 1, calls }), proofs, account);
  return isRefusal(measure) ? [measure.error, ...measure.args] : [measure.amount, ...measure.touched];
}

describe("calls", () => {
  const call = toToken(pay("transfer"));
  it("are added up, up to sixteen, each with its proof", () => {
    const sixteen = Array.from({ length: 16 }, () => call);
    expect(measured(sixteen)).toEqual([80n, ...sixteen.map(() => payee)]);
    expect(measured([...sixteen, call])).toEqual(["CallCountNotAllowed", 17n]);
    expect(measured([])).toEqual(["CallCountNotAllowed", 0n]);
    expect(measured([call], { proofs: [] })).toEqual(["CallCountNotAllowed", 1n]);
    expect(measured([call, call], { proofs: [proof, proof, proof] })).toEqual(["CallCountNotAllowed", 2n]);
  });
  it("that nobody can read are refused", () => {
    const grant = { asset: token, payees, extras: plainExtras };
    expect(measureCalls(grant, "0x1234", [proof], account)).toMatchObject({ error: "CallNotAllowed" });
  });
  it("are refused by the first that is not allowed, and by a sum beyond 256 bits", () => {
    expect(measured([call, toToken("0x12345678")])).toEqual(["FunctionNotAllowed", "0x12345678"]);
    const most = toToken(pay("transfer", payee, maxUint256));
    expect(measured([most])).toEqual([maxUint256, payee]);
    expect(measured([most, toToken(pay("transfer", payee, 1n))])).toEqual(["Panic", 0x11n]);
  });
});

describe("a call of the asset", () => {
  it.each([
    ["transfer", pay("transfer"), 0n],
    ["transferFrom", transferFrom(account), functionBits.transferFrom],
    ["approve", pay("approve"), functionBits.approve],
    ["increaseAllowance", pay("increaseAllowance"), functionBits.increaseAllowance],
    ["permit", permit, functionBits.permit],
  ])("%s counts its amount for its payee, if the grant has the function", (_, data, bit) => {
    expect(measured([toToken(data)], { functions: bit })).toEqual([5n, payee]);
    const without = bit === 0n ? [5n, payee] : ["FunctionNotAllowed", data.slice(0, 10)];
    expect(measured([toToken(data)], { functions: allFunctions - bit })).toEqual(without);
    expect(measured([toToken(concatHex([data, "0x00"]))])).toEqual(["CallNotAllowed"]);
    expect(measured([toToken(data.slice(0, -2) as Hex)])).toEqual(["CallNotAllowed"]);
  });

  it("sends no coin along", () => {
    expect(measured([toToken(pay("transfer"), 1n)])).toEqual(["CallNotAllowed"]);
  });

  it("takes only the account's own tokens", () => {
    const owner = "0x0000000000000000000000000000000000000000000000000000000000000001";
    expect(measured([toToken(transferFrom("0x0000000000000000000000000000000000000001"))])).toEqual([
      "ArgumentNotAllowed",
      0n,
      owner,
    ]);
  });

  it("has addresses without anything above their 160 bits", () => {
    const high = word((1n << 160n) | BigInt(payee)).slice(2);
    const strange = word((1n << 160n) | BigInt(account)).slice(2);
    const transfer: Hex = `0x${pay("transfer").slice(2, 10)}${high}${word(5n).slice(2)}`;
    const from: Hex = `0x${transferFrom(account).slice(2, 10)}${strange}${transferFrom(account).slice(74)}`;
    expect(measured([toToken(transfer)])).toEqual(["CallNotAllowed"]);
    expect(measured([toToken(from)])).toEqual(["CallNotAllowed"]);
  });

  it("pays only payees, each by its path", () => {
    const stranger: Address = "0x00000000000000000000000000000000000000bb";
    expect(measured([toToken(pay("transfer", stranger))])).toEqual(["PayeeNotAllowed", stranger]);
    const proofs = [{ path: [word(1n)], rule: null }];
    expect(measured([toToken(pay("transfer"))], { proofs })).toEqual(["PayeeNotAllowed", payee]);
  });

  it("is known by four bytes, zeros where there are fewer", () => {
    expect(measured([toToken("0x12")])).toEqual(["FunctionNotAllowed", "0x12000000"]);
    expect(measured([toToken("0x")])).toEqual(["FunctionNotAllowed", "0x00000000"]);
  });
});

describe("a call in the coin", () => {
  const coin = { asset: zeroAddress };
  it("without data pays a payee", () => {
    expect(measured([{ to: payee, valueWei: 7n, data: "0x" }], coin)).toEqual([7n, payee]);
    expect(measured([{ to: vault, valueWei: 7n, data: "0x" }], coin)).toEqual([
      "PayeeNotAllowed",
      vault.toLowerCase(),
    ]);
  });
  it("with data needs a rule", () => {
    expect(measured([{ to: payee, valueWei: 7n, data: "0x12345678" }], coin)).toEqual([
      "RuleNotAllowed",
      payee,
      "0x12345678",
    ]);
  });
});

describe("a call by a rule", () => {
  const selector = "0x6e553f65";
  const rule: Rule = { target: vault, selector, spends: 1n, conditions: [] };
  const conditioned = (...conditions: Condition[]): Rule => ({ ...rule, conditions });
  const data = (...words: bigint[]): Hex => concatHex([selector, ...words.map(word)]);
  const byRule = (
    own: Rule,
    calldata: Hex,
    { valueWei = 0n, to = vault, asset = token, proven = own } = {},
  ) =>
    measured([{ to, valueWei, data: calldata }], {
      asset,
      rules: ruleTree([own]).root,
      proofs: [{ path: [], rule: proven }],
    });
  const target = vault.toLowerCase();

  it("counts the argument that it names, or nothing", () => {
    expect(byRule(rule, data(42n, 43n))).toEqual([42n, target]);
    expect(byRule({ ...rule, spends: 2n }, data(42n, 43n))).toEqual([43n, target]);
    expect(byRule({ ...rule, spends: 0n }, data(42n))).toEqual([0n, target]);
  });

  it("counts the coin sent along, and never beyond 256 bits", () => {
    expect(byRule(rule, data(42n), { valueWei: 8n, asset: zeroAddress })).toEqual([50n, target]);
    expect(byRule(rule, data(42n), { valueWei: 8n })).toEqual(["CallNotAllowed"]);
    expect(byRule(rule, data(maxUint256), { asset: zeroAddress })).toEqual([maxUint256, target]);
    expect(byRule(rule, data(maxUint256), { valueWei: 1n, asset: zeroAddress })).toEqual(["Panic", 0x11n]);
  });

  it("is refused without a rule, with another's, or where the rule does not belong", () => {
    const refused = ["RuleNotAllowed", target, selector];
    expect(measured([{ to: vault, valueWei: 0n, data: data(1n) }], { rules: ruleTree([rule]).root })).toEqual(
      refused,
    );
    expect(byRule(rule, data(1n), { proven: { ...rule, spends: 0n } })).toEqual(refused);
    expect(byRule(rule, data(1n), { to: payee })).toEqual(["RuleNotAllowed", payee, selector]);
    expect(byRule(rule, "0x6e553f66")).toEqual(["RuleNotAllowed", target, "0x6e553f66"]);
    const empty = { ...rule, selector: "0x00000000", spends: 0n } as const;
    expect(byRule(empty, "0x")).toEqual(["RuleNotAllowed", target, "0x00000000"]);
    expect(byRule(empty, "0x000000")).toEqual(["RuleNotAllowed", target, "0x00000000"]);
    expect(byRule(empty, "0x00000000")).toEqual([0n, target]);
  });

  it("never stands for a function that moves tokens", () => {
    const approve = { ...rule, selector: "0x095ea7b3", spends: 0n } as const;
    expect(byRule(approve, pay("approve"))).toEqual(["RuleNotAllowed", target, "0x095ea7b3"]);
  });

  it("has its arguments whole", () => {
    expect(byRule({ ...rule, spends: 2n }, data(42n))).toEqual(["ArgumentNotAllowed", 1n, word(0n)]);
    expect(byRule(rule, concatHex([selector, word(1n)]).slice(0, -2) as Hex)).toEqual([
      "ArgumentNotAllowed",
      0n,
      word(0n),
    ]);
    const second = conditioned({ word: 1n, comparison: comparison.atLeast, operands: [0n] });
    expect(byRule(second, data(42n))).toEqual(["ArgumentNotAllowed", 1n, word(0n)]);
    expect(byRule(second, data(42n, 0n))).toEqual([42n, target]);
  });

  it.each<readonly [string, Condition, readonly bigint[], readonly bigint[]]>([
    ["one of", { word: 0n, comparison: comparison.in, operands: [3n, 5n] }, [3n, 5n], [0n, 4n]],
    ["at most", { word: 0n, comparison: comparison.atMost, operands: [4n] }, [0n, 4n], [5n]],
    ["at least", { word: 0n, comparison: comparison.atLeast, operands: [4n] }, [4n, 5n], [3n]],
    ["the account", { word: 0n, comparison: comparison.self, operands: [] }, [BigInt(account)], [0n]],
    ["at most of nothing", { word: 0n, comparison: comparison.atMost, operands: [] }, [], [0n]],
    ["at most of two", { word: 0n, comparison: comparison.atMost, operands: [4n, 5n] }, [], [0n]],
  ])("holds its arguments to %s", (_, condition, good, bad) => {
    for (const value of good) expect(byRule(conditioned(condition), data(value))).toEqual([value, target]);
    for (const value of bad)
      expect(byRule(conditioned(condition), data(value))).toEqual(["ArgumentNotAllowed", 0n, word(value)]);
  });

  it("has to meet each condition", () => {
    const both = conditioned(
      { word: 0n, comparison: comparison.atLeast, operands: [1n] },
      { word: 1n, comparison: comparison.atMost, operands: [1n] },
    );
    expect(byRule(both, data(1n, 1n))).toEqual([1n, target]);
    expect(byRule(both, data(0n, 2n))).toEqual(["ArgumentNotAllowed", 0n, word(0n)]);
    expect(byRule(both, data(1n, 2n))).toEqual(["ArgumentNotAllowed", 1n, word(2n)]);
  });
});
