import { describe, expect, test } from "vitest";

import { explainSpendGrant, mostTaken } from "../../../src/policy/explainSpendGrant.ts";
import { aGrant, addressOf } from "./spendGrants.ts";

const token = { symbol: "USDC", address: aGrant.token, decimals: 6 };
const words = (grant = aGrant) =>
  explainSpendGrant(grant, { token, known: [{ name: "acme", address: addressOf("acme") }] }).map(
    (sentence) => sentence.words,
  );

describe("a spend grant in words", () => {
  test("says everything that was signed", () => {
    const text = words().join("\n");
    expect(text).toContain(
      `The agent ${aGrant.agentKey} of the account ${aGrant.agent} may take at most 5.00 USDC at a time, 50.00 USDC in any 24 hours and 1000.00 USDC in all, out of ${aGrant.account}.`,
    );
    expect(text).toContain(`USDC is the token at ${aGrant.token}, 6 decimals`);
    expect(text).toContain(`acme (${addressOf("acme")})`);
    expect(text).toContain(addressOf("bolt"));
    expect(text).toContain("after 2027-01-15T08:00:00Z, up to and including 2027-02-14T08:00:00Z");
    expect(text).toContain("The most that this can ever cost is 1000.00 USDC.");
  });

  test("marks what nobody enforces", () => {
    const sentences = explainSpendGrant(aGrant, { token });
    expect(sentences.filter(({ enforcedBy }) => enforcedBy === "advisory")).toEqual([
      {
        enforcedBy: "advisory",
        words: `It is said to be for: "Pay the studio's invoices". Nothing on the chain holds the agent to that.`,
      },
    ]);
  });

  test("warns where anybody may be paid", () => {
    const text = words({ ...aGrant, payees: [], anyPayee: true }).join("\n");
    expect(text).toContain("WARNING: anybody may be paid");
    expect(text).not.toContain("Only these");
    expect(words().join("\n")).not.toContain("WARNING");
  });

  test("warns where the agent's own account is a payee", () => {
    expect(words({ ...aGrant, payees: [aGrant.agent] }).join("\n")).toContain(
      "WARNING: the agent's own account is among them",
    );
  });

  test("an agent that is only a key is called one", () => {
    expect(words({ ...aGrant, agent: aGrant.agentKey })[0]).toMatch(/^The key 0x/);
  });

  test("windows of odd lengths are told to the second", () => {
    expect(words({ ...aGrant, window: 1806 })[0]).toContain("in any 1806 seconds");
    expect(words({ ...aGrant, window: 1800 })[0]).toContain("in any 30 minutes");
  });
});

describe("the most that a grant can take", () => {
  const grant = { ...aGrant, window: 3600, perWindow: 10n, perCall: 10n, total: 25n };
  const over = (seconds: number) => mostTaken({ ...grant, validUntil: grant.validAfter + seconds });

  test("is its total", () => {
    expect(over(86_400)).toBe(25n);
  });

  test("is less where fewer windows fit: two spends are apart by more than a window", () => {
    expect(over(1)).toBe(10n);
    // The first second is validAfter + 1, the last validUntil.
    expect(over(3601)).toBe(10n);
    expect(over(3602)).toBe(20n);
    expect(over(3602 + 3601)).toBe(25n);
  });
});
