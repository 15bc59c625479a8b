import { describe, expect, it } from "vitest";

import type { Transfer } from "../../../src/core/action.ts";
import { compilePolicy } from "../../../src/policy/compile.ts";
import { parsePolicy } from "../../../src/policy/parse.ts";
import { addressNamed, registryOf, tokenOf } from "../../../src/policy/registry.ts";
import { resolveTransfer } from "../../../src/policy/resolve.ts";
import { agent, editedEverything } from "./documents.ts";

const document = parsePolicy(editedEverything(["  vault:", "  vault-0x1:"], ["to: vault", "to: vault-0x1"]));
const registry = registryOf(document);
const policy = compilePolicy(document, agent);

describe("a registry", () => {
  it("says of a payee what the document leaves out", () => {
    expect(registry.payees).toEqual([
      {
        name: "router",
        address: "0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45",
        senders: [],
        names: [],
        purse: false,
        contract: true,
      },
      {
        name: "purse",
        address: `0x${"5".repeat(40)}`,
        senders: [],
        names: [],
        purse: true,
        contract: false,
      },
    ]);
    expect(registry.limited.map(({ symbol }) => symbol)).toEqual(["USDC"]);
  });

  it("takes a word that begins with 0x for an address, and no other", () => {
    expect(addressNamed("vault-0x1", registry)).toBe(`0x${"7".repeat(40)}`);
    expect(addressNamed("0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", registry)).toBe(
      "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48",
    );
    for (const word of ["0x12", "0X12", "0xa0B86991c6218b36c1d19d4a2e9eb0ce3606eb48"])
      expect(() => addressNamed(word, registry)).toThrow(`"${word}" is not an address.`);
  });
});

describe("a payment's words", () => {
  const resolve = (part: Partial<Transfer>) =>
    resolveTransfer(policy, {
      to: "purse",
      token: "USDC",
      amount: "1.5",
      reference: "r",
      ...part,
    } as Transfer);

  it("stand for what the registry says", () => {
    expect(resolve({})).toEqual({
      payee: registry.payees[1],
      to: `0x${"5".repeat(40)}`,
      limit: policy.limits[0],
      amountUnits: 1_500_000n,
      reference: "r",
    });
  });

  it.each<readonly [Partial<Transfer>, string, string]>([
    [{ to: "nobody" }, "payee-unknown", '"nobody" is not a payee of the policy.'],
    // Known among several tokens, and without a limit.
    [{ token: "WETH" }, "token-not-allowed", "The policy has no limit for WETH, so none may be paid."],
    [{ token: "DAI" }, "token-not-allowed", "DAI is not a token of the policy."],
    [{ amount: "1.0000001" }, "amount-unusable", "1.0000001 USDC is not a whole number of base units."],
    [{ amount: "0.00" }, "amount-unusable", "The amount is zero."],
  ])("%j are refused as %s", (part, code, words) => {
    expect(resolve(part)).toEqual({ code, words, enforcedBy: "chain" });
  });

  it.each(["5", "5 USDC more", ""])("takes %j for no amount: a number and one token", (text) => {
    expect(() => tokenOf(text, registry.tokens)).toThrow(/is not an amount with its token/);
  });
});
