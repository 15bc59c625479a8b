import { padHex } from "viem";
import { describe, expect, it } from "vitest";

import { compilePolicy } from "../../../src/policy/compile.ts";
import { parseSignature } from "../../../src/policy/parameters.ts";
import { parsePolicy, PolicyError } from "../../../src/policy/parse.ts";
import { comparison, ruleProof, ruleTree } from "../../../src/policy/rule.ts";
import { agent, editedEverything } from "./documents.ts";

const deposit =
  '"deposit(uint256 assets, address receiver)", counts: ETH, spends: assets, where: { receiver: { self: true } }';
/** The conditions of the vault's call, when it is written like this. */
const conditionsOf = (signature: string, where: string) => {
  const text = editedEverything([deposit, `"${signature}", counts: ETH, where: { ${where} }`]);
  return compilePolicy(parsePolicy(text), agent).limits[1]!.calls[0]!.rule.conditions;
};
const mistakesOf = (...edits: readonly (readonly [string, string])[]): readonly string[] => {
  try {
    parsePolicy(editedEverything(...edits));
  } catch (error) {
    if (error instanceof PolicyError) return error.mistakes.map(({ path, words }) => `${path}: ${words}`);
    throw error;
  }
  return [];
};

describe("parseSignature", () => {
  it("flattens static tuples and arrays into head words, and knows no place inside dynamic ones", () => {
    const { name, selector, payable, parameters } = parseSignature(
      "function f((uint8 a, (bool b, address c) inner) p, bytes data, uint256[2] q, (uint256 x, string s) d, address[] list, bytes32 last) payable",
    );
    expect([name, payable]).toEqual(["f", true]);
    expect(selector).toMatch(/^0x[0-9a-f]{8}$/);
    expect(parameters.map(({ path, type, word }) => `${path} ${type} ${word}`)).toEqual([
      "p.a uint8 0",
      "p.inner.b bool 1",
      "p.inner.c address 2",
      "data bytes null",
      "q.0 uint256 4",
      "q.1 uint256 5",
      "d.x uint256 null",
      "d.s string null",
      "list address[] null",
      "last bytes32 8",
    ]);
  });

  it("finds the places behind and inside of arrays and tuples", () => {
    const places = (signature: string) =>
      parseSignature(signature).parameters.map(({ path, word }) => `${path} ${word}`);
    expect(places("f((uint256 a, uint256 b)[2] x, uint256 y)")).toEqual([
      "x.0.a 0",
      "x.0.b 1",
      "x.1.a 2",
      "x.1.b 3",
      "y 4",
    ]);
    expect(places("f(bytes[2] x, uint256[][2] y, uint256 z)")).toEqual(["x null", "y null", "z 2"]);
    // What follows a string inside of a dynamic tuple has no fixed place either, and nor has an array there.
    expect(places("f((string s, uint256 x, uint256[2] q) d, uint256 y)")).toEqual([
      "d.s null",
      "d.x null",
      "d.q null",
      "y 1",
    ]);
    expect(places("f(uint256[1024] a, bool b)").slice(-2)).toEqual(["a.1023 1023", "b 1024"]);
  });

  it("takes blanks around it, and knows what can be paid", () => {
    expect(parseSignature("  f(uint256 a) ")).toEqual(parseSignature("function f(uint256 a)"));
    expect(parseSignature("\n function f(uint256 a) ").name).toBe("f");
    expect(parseSignature("f(uint256 a)").payable).toBe(false);
    expect(parseSignature("f(uint256 a) view").payable).toBe(false);
  });

  it("knows the selectors that everybody knows, and unnamed parameters by their place", () => {
    expect(parseSignature("transfer(address,uint256)")).toMatchObject({
      selector: "0xa9059cbb",
      parameters: [{ path: "0" }, { path: "1" }],
    });
  });

  it.each([
    ["", '"" is not a function'],
    ["f", '"f" is not a function: unknown signature.'],
    ["f(uint7 a)", "is not a function: unknown type."],
    ["event X()", "is not a function"],
    ["f(uint256 a", "is not a function"],
    ["f(Foo a)", "is not a function: unknown type."],
    ["f(uint256 a, uint256 a)", "Two parameters are called a."],
    ["f(uint256[2000] a)", "a has 2000 words."],
  ])("refuses %j", (text, words) => expect(() => parseSignature(text)).toThrow(words));
});

describe("a call", () => {
  it("compiles to the rule that the chain reads", () => {
    const [usdc, eth] = compilePolicy(parsePolicy(editedEverything()), agent).limits;
    const { rule } = usdc!.calls[0]!;
    expect(rule).toEqual({
      target: "0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45",
      selector: "0x04e45aaf",
      spends: 0n,
      conditions: [
        {
          word: 0n,
          comparison: comparison.in,
          operands: [BigInt("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")],
        },
        { word: 2n, comparison: comparison.in, operands: [500n, 3000n] },
        { word: 3n, comparison: comparison.self, operands: [] },
        { word: 4n, comparison: comparison.atMost, operands: [50_000_000n] },
        { word: 4n, comparison: comparison.atLeast, operands: [1_000_000n] },
      ],
    });
    expect(usdc!.grant.extras).toMatchObject({
      rules: ruleTree([rule]).root,
      functions: 10n,
      ceiling: 55_000_000n,
    });
    expect(ruleProof(ruleTree([rule]), rule)).toEqual([]);
    expect(eth!.calls[0]!.rule).toMatchObject({
      spends: 1n,
      conditions: [{ word: 1n, comparison: comparison.self }],
    });
    expect(eth!.grant.extras).toMatchObject({
      functions: 0n,
      ceiling: 0n,
      operations: 0n,
      heartbeat: 2_592_000n,
    });
  });

  it.each<readonly [string, string, string, readonly bigint[]]>([
    ["an amount", "f(uint128 a)", "a: { equals: 1.5 USDC }", [1_500_000n]],
    ["an amount of the native coin", "f(uint256 a)", "a: { equals: 0.5 ETH }", [5n * 10n ** 17n]],
    [
      "a number of any size",
      "f(uint256 a)",
      'a: { equals: "115792089237316195423570985008687907853269984665640564039457584007913129639935" }',
      [2n ** 256n - 1n],
    ],
    [
      "a name",
      "f(address a)",
      "a: { in: [vault, WETH] }",
      [BigInt(`0x${"7".repeat(40)}`), BigInt("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2")],
    ],
    [
      "an address",
      "f(address a)",
      'a: { equals: "0x1111111111111111111111111111111111111111" }',
      [BigInt(`0x${"1".repeat(40)}`)],
    ],
    ["a truth value", "f(bool a)", "a: { equals: false }", [0n]],
    [
      "bytes, at the left of their word",
      "f(bytes4 a)",
      'a: { equals: "0x12345678" }',
      [BigInt(padHex("0x12345678", { dir: "right", size: 32 }))],
    ],
  ])("compares with %s", (_, signature, where, operands) => {
    expect(conditionsOf(signature, where)).toEqual([{ word: 0n, comparison: comparison.in, operands }]);
  });

  it("bounds a short number from above as well, for old contracts ignore its upper bits", () => {
    expect(conditionsOf("f(uint24 a)", "a: { atLeast: 100 }")).toEqual([
      { word: 0n, comparison: comparison.atMost, operands: [2n ** 24n - 1n] },
      { word: 0n, comparison: comparison.atLeast, operands: [100n] },
    ]);
    expect(conditionsOf("f(uint256 a)", "a: { atLeast: 100 }")).toHaveLength(1);
  });

  it.each<readonly [string, string, string]>([
    [
      "f(bytes a)",
      "a: { equals: 1 }",
      "calls.1.where.a: a (bytes) stands at a place that the caller chooses",
    ],
    ["f(int256 a)", "a: { atMost: 1 }", "the chain compares without sign"],
    ["f(uint8 a)", "a: { equals: 256 }", "256 does not fit into uint8"],
    ["f(int8 a)", "a: { equals: 128 }", "128 does not fit into int8"],
    ["f(uint8 a)", "a: { self: true }", "only an address can be the account"],
    ["f(uint8 a)", "b: { equals: 1 }", "f has no parameter b. Name one of: a."],
    ["f((uint8 a) p)", "p: { equals: 1 }", "p has several words. Name one of: p.a."],
    ["f(address a)", "a: { equals: nobody }", '"nobody" is not a name of the policy'],
    ["f(address a)", "a: { equals: 7 }", '"7" is not an address or a name'],
    ["f(address a)", "a: { equals: 0x12 }", '"18" is not an address or a name'],
    ["f(bool a)", "a: { equals: 1 }", '"1" is not true or false'],
    ["f(bytes4 a)", 'a: { equals: "0x1234" }', '"0x1234" is not 0x and 8 hex digits'],
    ["f(uint256 a)", "a: { equals: 1.0000001 USDC }", "the token has only 6 decimals"],
    ["f(uint256 a)", "a: { equals: 1 DAI }", "names the token DAI"],
    ["f(uint256 a)", "a: { equals: many }", '"many" is not a whole number'],
    ["f(uint256 a)", "a: { atMost: 1, atLeast: 2 }", "at least 2 and at most 1"],
    ["f(uint256 a)", "a: { atMost: 1, equals: 1 }", "has to be one of equals, in, self"],
    ["f(uint256 a)", "a: {}", "has to be one of equals, in, self"],
    ["f(uint256 a)", "a: { equals: 1.5 }", "has to be an amount"],
    ["approve(address s, uint256 a)", "a: { atMost: 1 }", "moves tokens or lets others move them"],
  ])("of %s with %s is refused", (signature, where, words) => {
    const found = mistakesOf([deposit, `"${signature}", counts: ETH, where: { ${where} }`]);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(words);
  });

  it.each<readonly [string, readonly (readonly [string, string])[], string]>([
    ["to nobody", [["to: vault", "to: nowhere"]], 'calls.1.to: "nowhere" is no contract'],
    [
      "to a plain key",
      [["to: vault", "to: purse"]],
      "calls.1.to: purse is a payee that is not marked as a contract",
    ],
    [
      "to the asset itself",
      [
        ["0x7777777777777777777777777777777777777777", "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"],
        ["{ to: vault,", "{ to: router,"],
        ["- to: router", "- to: vault"],
      ],
      "calls.0.to: vault is the USDC contract itself",
    ],
    [
      "to a token that another limit counts",
      [["0x7777777777777777777777777777777777777777", "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"]],
      "calls.1.to: vault is the USDC contract, and what a call does with USDC passes by its limit",
    ],
    [
      "with a sentence in place of a value",
      [["atMost: 50 USDC", 'atMost: "50 USDC, and nobody else may call it"']],
      'calls.0.where.params.amountIn.atMost: has to be an amount ("100.00 USDC") or a whole number',
    ],
    [
      "with a value that turns lines of a terminal",
      [["equals: USDC", 'equals: "USDC\\e[2K"']],
      'calls.0.where.params.tokenIn.equals: has to be an amount ("100.00 USDC"), a name of the policy',
    ],
    [
      "that no limit counts",
      [["counts: ETH", "counts: WETH"]],
      "calls.1.counts: The policy has no limit in WETH",
    ],
    [
      "that spends an address",
      [["spends: assets", "spends: receiver"]],
      "calls.1.spends: receiver is of type address",
    ],
    [
      "that spends nothing known",
      [["spends: assets", "spends: shares"]],
      "calls.1.spends: deposit has no parameter shares",
    ],
  ])("%s is refused", (_, edits, words) => {
    const found = mistakesOf(...edits);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(words);
  });
});

describe("the other clauses", () => {
  it("compile to account settings beside the grants", () => {
    const policy = compilePolicy(parsePolicy(editedEverything()), agent);
    expect(policy.accountCaps).toMatchObject([
      { token: { symbol: "USDC" }, perWindow: 200_000_000n, bucket: 7200n },
    ]);
    expect(policy.guardians).toEqual([
      { name: "bob", address: "0x4444444444444444444444444444444444444444" },
    ]);
    expect(policy.limits.map(({ grant }) => grant.extras.approvers)).toEqual([
      `0x${"0".repeat(24)}${"3".repeat(40)}`,
      `0x${"0".repeat(64)}`,
    ]);
  });

  it.each<readonly [string, readonly (readonly [string, string])[], string]>([
    [
      "a ceiling over the window",
      [["55 USDC", "61 USDC"]],
      "limits.0.escalation.upTo: An approver could lift",
    ],
    [
      "a ceiling that lifts nothing",
      [["55 USDC", "50 USDC"]],
      "limits.0.escalation.upTo: An approver could lift",
    ],
    [
      "an escalation without approvers",
      [["approvers:\n  alice: {", "contracts2:\n  alice: {"]],
      "contracts2: is not a key",
    ],
    [
      "a purse that is a contract",
      [["purse: true", "purse: true, contract: true"]],
      "payees.purse.contract: purse is a purse",
    ],
    [
      "a name with two addresses",
      [
        ["  vault:", "  router:"],
        ["to: vault", "to: router"],
      ],
      "contracts.router: router is a payee as well",
    ],
    ["a token called as the coin", [["  WETH:", "  ETH:"]], "tokens.ETH: ETH is the native coin"],
    [
      "functions of the native coin",
      [["lifetime: 2 ETH }", "lifetime: 2 ETH, functions: [approve] }"]],
      "limits.1.functions: The native coin has no functions",
    ],
    [
      "a heartbeat of nothing",
      [["heartbeat: 30d", "heartbeat: 0m"]],
      "heartbeat: A heartbeat of 0m can't be kept",
    ],
    [
      "a paymaster at zero",
      [[`0x${"8".repeat(40)}`, `0x${"0".repeat(40)}`]],
      "paymaster: The paymaster is the zero address",
    ],
    [
      "a guardian at zero",
      [[`0x${"4".repeat(40)}`, `0x${"0".repeat(40)}`]],
      "guardians.bob.address: bob is the zero address",
    ],
  ])("refuse %s", (_, edits, words) => {
    expect(mistakesOf(...edits).join("\n")).toContain(words);
  });

  it("refuse decimals that the chain does not have", () => {
    const document = parsePolicy(editedEverything());
    const usdc = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48";
    expect(compilePolicy(document, agent, { [usdc]: 6 }).limits).toHaveLength(2);
    expect(() => compilePolicy(document, agent, { [usdc]: 18 })).toThrow(
      "USDC has 18 decimals on chain, and the policy says 6.",
    );
  });
});
