import { describe, expect, it } from "vitest";

import { diffPolicies } from "../../../src/policy/diff.ts";
import { parsePolicy } from "../../../src/policy/parse.ts";
import { editedEverything, everything } from "./documents.ts";

const withFee = (condition: string) => parsePolicy(editedEverything(["{ in: [500, 3000] }", condition]));
const effects = (before: string, after: string) =>
  diffPolicies(withFee(before), withFee(after)).map(({ effect }) => effect);

it.each<readonly [string, string, readonly string[]]>([
  ["{ in: [500, 501, 502] }", "{ atLeast: 500, atMost: 502 }", []],
  ["{ equals: 500 }", "{ atLeast: 500, atMost: 500 }", []],
  ["{ in: [500, 501] }", "{ atLeast: 500, atMost: 502 }", ["widens"]],
  ["{ in: [500, 502, 504] }", "{ atLeast: 500, atMost: 504 }", ["widens"]],
  ["{ in: [500, 501, 502] }", "{ atLeast: 501, atMost: 502 }", ["narrows"]],
  ["{ in: [500, 501, 502] }", "{ atLeast: 500, atMost: 501 }", ["narrows"]],
  ["{ in: [499, 501] }", "{ atLeast: 500, atMost: 502 }", ["widens", "narrows"]],
  ["{ in: [501, 503] }", "{ atLeast: 500, atMost: 502 }", ["widens", "narrows"]],
  ["{ in: [100, 600] }", "{ atLeast: 500, atMost: 502 }", ["widens", "narrows"]],
  ["{ in: [500, 3000] }", "{ atMost: 3000 }", ["widens"]],
  ["{ in: [500, 3000] }", "{ atLeast: 500 }", ["widens"]],
  ["{ atLeast: 500 }", "{ atMost: 3000 }", ["widens", "narrows"]],
])("compares a list and a range by what they let through: %s, %s", (list, range, expected) => {
  expect(effects(list, range)).toEqual(expected);
  const opposite: Record<string, string> = { widens: "narrows", narrows: "widens" };
  expect(new Set(effects(range, list))).toEqual(new Set(expected.map((effect) => opposite[effect])));
});

describe("two rules for one function", () => {
  const deposit = (receiver: string) =>
    `  - { to: vault, function: "deposit(uint256 assets, address receiver)", counts: ETH, where: { receiver: { equals: ${receiver} } } }\n`;
  const withDeposits = (...receivers: readonly string[]) => {
    const kept = everything.indexOf("  - { to: vault");
    const calls = everything.slice(kept, everything.indexOf("approvers:"));
    return parsePolicy(editedEverything([calls, receivers.map(deposit).join("")]));
  };
  const told = (before: readonly string[], after: readonly string[]) =>
    diffPolicies(withDeposits(...before), withDeposits(...after)).map(
      ({ effect, words }) => `${effect}: ${words.replaceAll(/ \(0x\w+\)/g, "")}`,
    );

  it("tells the one that changed as changed, and nothing of the other", () => {
    expect(told(["router", "vault"], ["router", "purse"])).toEqual([
      'widens: deposit of vault: "receiver is vault" becomes "receiver is purse".',
      'narrows: deposit of vault: "receiver is vault" becomes "receiver is purse".',
    ]);
  });

  it("tells them one by one where nobody can say which became which", () => {
    expect(told(["router", "vault"], ["purse"])).toEqual([
      "narrows: deposit of vault may no longer be called in this way.",
      "narrows: deposit of vault may no longer be called in this way.",
      "widens: deposit of vault may be called if receiver is purse.",
    ]);
    expect(told(["purse"], ["router", "vault"])).toEqual([
      "narrows: deposit of vault may no longer be called in this way.",
      "widens: deposit of vault may be called if receiver is router.",
      "widens: deposit of vault may be called if receiver is vault.",
    ]);
  });
});
