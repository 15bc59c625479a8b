import { describe, expect, it } from "vitest";

import { compilePolicy } from "../../../src/policy/compile.ts";
import { parsePolicy, PolicyError } from "../../../src/policy/parse.ts";
import { comparison } from "../../../src/policy/rule.ts";
import { agent, editedEverything } from "./documents.ts";

type Edits = readonly (readonly [string, string])[];
const deposit =
  'deposit(uint256 assets, address receiver)", counts: ETH, spends: assets, where: { receiver: { self: true } }';
const written = (signature: string, where: string) =>
  [deposit, `${signature}", counts: ETH, where: { ${where} }`] as const;
const callOf = (...edits: Edits) =>
  compilePolicy(parsePolicy(editedEverything(...edits)), agent).limits[1]!.calls[0]!;
const mistakesOf = (...edits: Edits): readonly string[] => {
  try {
    parsePolicy(editedEverything(...edits));
  } catch (error) {
    if (error instanceof PolicyError) return error.mistakes.map(({ path, words }) => `${path}: ${words}`);
    throw error;
  }
  return [];
};

describe("a condition in words", () => {
  it.each<readonly [string, string, string]>([
    ["f(uint256 a)", "a: { atLeast: 100 }", "a is at least 100"],
    ["f(uint256 a)", "a: { atMost: 200 }", "a is at most 200"],
    ["f(uint256 a)", "a: { atLeast: 100, atMost: 200 }", "a is at least 100 and at most 200"],
    ["f(uint256 a)", "a: { atLeast: 7, atMost: 7 }", "a is at least 7 and at most 7"],
    ["f(uint256 a)", "a: { equals: 1.5 ETH }", "a is 1.5 ETH"],
    ["f(uint256 a)", "a: { in: [1, 2] }", "a is one of 1, 2"],
    ["f(address a)", "a: { self: true }", "a is the account itself"],
    ["f(address a)", "a: { equals: vault }", `a is vault (0x${"7".repeat(40)})`],
    ["f(address a)", `a: { equals: "0x${"1".repeat(40)}" }`, `a is 0x${"1".repeat(40)}`],
  ])("%s, %s: %s", (signature, where, words) => {
    expect(callOf(written(signature, where)).conditions.map((one) => one.words)).toEqual([words]);
  });

  it("shows what a name stands for, though the name has 0x in it", () => {
    const named = callOf(
      ["  vault:", "  vault-0x1:"],
      ["to: vault", "to: vault-0x1"],
      written("f(address a)", "a: { equals: vault-0x1 }"),
    );
    expect(named.conditions[0]!.words).toBe(`a is vault-0x1 (0x${"7".repeat(40)})`);
  });
});

describe("the rule of a call", () => {
  it("has its conditions in the order of the words, however they were written", () => {
    const { rule } = callOf(
      written("f(uint256 a, uint256 b, uint256 c)", "c: { equals: 3 }, a: { equals: 1 }, b: { equals: 2 }"),
    );
    expect(rule.conditions).toEqual(
      [0n, 1n, 2n].map((word) => ({ word, comparison: comparison.in, operands: [word + 1n] })),
    );
  });

  it("compares all bytes of a long word", () => {
    const bytes = `0x${"ab".repeat(32)}`;
    expect(callOf(written("f(bytes32 a)", `a: { equals: "${bytes}" }`)).rule.conditions[0]!.operands).toEqual(
      [BigInt(bytes)],
    );
  });
});

describe("a call with a mistake", () => {
  it.each<readonly [string, Edits, string]>([
    ["no function", [written("f(", "")], 'calls.1.function: "f(" is not a function'],
    [
      "a contract at the zero address",
      [["7".repeat(40), "0".repeat(40)]],
      "calls.1.to: vault is the zero address. Write the contract's address.",
    ],
    [
      "several words, of several parameters",
      [written("f((uint8 a) p, uint8 q)", "p: { equals: 1 }")],
      "calls.1.where.p: p has several words. Name one of: p.a, q.",
    ],
    [
      "no parameters at all",
      [written("f()", "a: { equals: 1 }")],
      "calls.1.where.a: f has no parameter a. Name one of: none.",
    ],
    [
      "a word that is no value",
      [written("f(function a)", "a: { equals: 1 }")],
      "calls.1.where.a: A word of type function can't be compared. Name another parameter.",
    ],
    [
      "a number with something before it",
      [written("f(uint256 a)", "a: { equals: x12 }")],
      'calls.1.where.a: "x12" is not a whole number or an amount such as "100.00 USDC", which uint256 needs.',
    ],
    [
      "a number with something behind it",
      [written("f(uint256 a)", "a: { equals: 12-x }")],
      "calls.1.where.a",
    ],
    [
      "a number for bytes",
      [written("f(bytes4 a)", "a: { equals: 12345678 }")],
      'calls.1.where.a: "12345678" is not 0x and 8 hex digits',
    ],
    [
      "the least above the most",
      [written("f(uint256 a)", "a: { atLeast: 8, atMost: 7 }")],
      "calls.1.where.a: a would have to be at least 8 and at most 7. Swap the two.",
    ],
  ])("%s is told", (_, edits, said) => {
    const found = mistakesOf(...edits);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(said);
  });
});
