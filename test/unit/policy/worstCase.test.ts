import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { compilePolicy } from "../../../src/policy/compile.ts";
import { parsePolicy } from "../../../src/policy/parse.ts";
import { worstCase } from "../../../src/policy/worstCase.ts";
import { agent, compiled, editedEverything } from "./documents.ts";

const worstOf = (...edits: readonly (readonly [string, string])[]) =>
  worstCase(compilePolicy(parsePolicy(editedEverything(...edits)), agent));
const noAllowances = ["    functions: [approve, permit]\n", ""] as const;

describe("worstCase", () => {
  it("is what the limits say, for payments alone", () => {
    expect(worstCase(compiled())).toMatchObject({
      assets: [
        {
          asset: "USDC",
          decimals: 6,
          perCall: 42_500_000n,
          window: { length: 86_400, amount: 250_000_000n },
          perDay: 250_000_000n,
          lifetime: 5_000_000_000n,
          words: { perCall: "42.50 USDC", window: "250.00 USDC in any 24 hours" },
          why: [],
        },
      ],
      gas: { perOperation: 2n * 10n ** 15n, perDay: 5n * 10n ** 16n, lifetime: 5n * 10n ** 16n },
      coin: { lifetime: 5n * 10n ** 16n, words: "0.05 ETH in all, for gas" },
      purses: [],
    });
  });

  it("of a limit for calls alone speaks of no approver", () => {
    const [, coin] = worstOf(["perPayment: 0.1 ETH", "perPayment: 0 ETH"]).assets;
    expect(coin).toMatchObject({ asset: "ETH", perCall: 0n, lifetime: 2n * 10n ** 18n, why: [] });
  });

  it.each([
    ["30m", (12_000_000_000n / 1000n) * 250n, 48n],
    ["90m", 16n * 250_000_000n, 16n],
    ["5h", 5n * 250_000_000n, 5n],
    ["23h", 500_000_000n, 2n],
    ["24h", 250_000_000n, 1n],
    ["7d", 250_000_000n, 1n],
  ] as const)(
    "covers a day with whole windows of %s, but never beyond the lifetime",
    (window, _, windows) => {
      const [asset] = worstCase(compiled(["window: 24h", `window: ${window}`])).assets;
      const cap = 250_000_000n * windows;
      expect(asset!.perDay).toBe(cap < 5_000_000_000n ? cap : 5_000_000_000n);
    },
  );

  it("lets all that was approved over the lifetime go in one instant", () => {
    const [usdc] = worstOf().assets;
    expect(usdc).toMatchObject({
      perCall: 1_500_000_000n,
      window: { length: 86_400, amount: 1_500_000_000n },
      perDay: 1_500_000_000n,
      lifetime: 1_500_000_000n,
    });
    expect(usdc!.why).toEqual([
      "Without an approver's co-signature an operation pays at most 50.00 USDC.",
      "At most 55.00 USDC is spent or approved in one operation and 60.00 USDC in any 24 hours, but what was approved over the whole lifetime may be taken in one instant.",
    ]);
    const [counted] = worstOf(noAllowances).assets;
    expect(counted).toMatchObject({
      perCall: 55_000_000n,
      window: { amount: 60_000_000n },
      perDay: 60_000_000n,
    });
    for (const lasting of ["approve", "increaseAllowance", "permit"])
      expect(worstOf(["[approve, permit]", `[${lasting}]`]).assets[0]!.window.amount).toBe(1_500_000_000n);
    // transferFrom moves at once what it counts, so it leaves no allowance behind.
    expect(worstOf(["[approve, permit]", "[transferFrom]"]).assets[0]!.window.amount).toBe(60_000_000n);
  });

  it("takes the number of operations for a bound where that is lower", () => {
    const few = worstOf(noAllowances, ["perWindow: 3, lifetime: 60", "perWindow: 1, lifetime: 4"]).assets[0]!;
    expect(few).toMatchObject({
      perCall: 55_000_000n,
      window: { amount: 55_000_000n },
      lifetime: 220_000_000n,
    });
    expect(few.why).toEqual([
      "Without an approver's co-signature an operation pays at most 50.00 USDC.",
      "The number of operations (4) holds the lifetime below 1500.00 USDC.",
      "The number of operations (1) holds the window below 60.00 USDC.",
    ]);
    // One operation ever: that its window holds no more goes without saying.
    const [one] = worstOf(noAllowances, ["perWindow: 3, lifetime: 60", "perWindow: 3, lifetime: 1"]).assets;
    expect(one).toMatchObject({ window: { amount: 55_000_000n }, lifetime: 55_000_000n });
    expect(one!.why.slice(1)).toEqual([
      "The number of operations (1) holds the lifetime below 1500.00 USDC.",
    ]);
  });

  it("adds the gas of every limit, and gas to payments in the coin", () => {
    const { gas, coin, assets } = worstOf();
    expect(gas).toMatchObject({ perOperation: 2n * 10n ** 15n, lifetime: 10n ** 17n });
    expect(gas.words.lifetime).toBe("0.1 ETH (2 limits with a budget each)");
    expect(assets[1]).toMatchObject({ asset: "ETH", window: { length: 21_600 }, perDay: 8n * 10n ** 17n });
    expect(coin).toEqual({
      perDay: 9n * 10n ** 17n,
      lifetime: 21n * 10n ** 17n,
      words: "2.1 ETH in all, payments and gas",
    });
  });

  it("says what is not counted, and what lies in a purse", () => {
    const { notes, purses } = worstOf();
    expect(purses.map(({ words }) => words)).toEqual([
      "1500.00 USDC and 2 ETH may lie in purse at once, where nothing limits it; it is lost with the agent's key.",
    ]);
    expect(notes).toEqual([
      "Grants that are live at the same time add up: a policy that was neither revoked nor replaced adds its own figures. A revoked one has spent what it spent: a new policy, or the same with another salt, begins at zero.",
      "An allowance outlives the policy: a spender may take what was approved after revocation, freeze and expiry, until the owner sets the allowance to zero.",
      "Parameters have the names that this document gives them: compare its declarations with the contracts' own.",
      "Of exactInputSingle of router nothing is counted: what it does with an older allowance, a deposit, a position, or, if it is a token, with the whole balance that the account has there is not in these figures.",
      "Of deposit of vault only assets of ETH and the coin sent along is counted: what it does with an older allowance, a deposit, a position, or, if it is a token, with the whole balance that the account has there is not in these figures.",
      "Operations that 0x8888888888888888888888888888888888888888 sponsors cost the account no gas. Whatever token allowance it has is not in these figures: it may take all of that with any operation, and no limit, budget or fee cap holds it.",
      "The caps over all agents of the account are not taken off these figures: the owner may lift them.",
    ]);
  });

  it("never promises less than a hostile agent that spends window after window gets in a day", () => {
    const minutes = fc.integer({ min: 1, max: 200 }).map((tens) => tens * 30);
    fc.assert(
      fc.property(
        minutes,
        fc.integer({ min: 1, max: 600 }),
        fc.integer({ min: 1, max: 90 }),
        (window, cap, more) => {
          const edits = [
            ["42.50 USDC", `${cap} USDC`],
            ["250.00 USDC", `${cap} USDC`],
            ["5000 USDC", `${cap * more} USDC`],
            ["window: 24h", `window: ${window}m`],
          ] as const;
          const { perDay, lifetime, window: worst } = worstCase(compiled(...edits)).assets[0]!;
          // Greedy: the whole cap at 0, then as soon as the window has passed; both ends of the day count.
          const spends = Math.min(more, Math.floor((1440 - 1 / 60) / window) + 1);
          expect(perDay).toBeGreaterThanOrEqual(BigInt(spends * cap) * 1_000_000n);
          expect(perDay).toBeLessThanOrEqual(lifetime);
          expect(worst.amount).toBeLessThanOrEqual(perDay);
        },
      ),
    );
  });
});
