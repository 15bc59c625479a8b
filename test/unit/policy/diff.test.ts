import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { diffPolicies } from "../../../src/policy/diff.ts";
import { parsePolicy } from "../../../src/policy/parse.ts";
import { editedEverything, everything, shipped, treasury } from "./documents.ts";

type Edits = readonly (readonly [string, string])[];
const diff = (before: string, after: string) => diffPolicies(parsePolicy(before), parsePolicy(after));
const effects = (...edits: Edits) =>
  diff(everything, editedEverything(...edits)).map(({ clause, effect }) => `${effect} ${clause}`);
const opposite = { widens: "narrows", narrows: "widens", neutral: "neutral" } as const;

const numbers: readonly (readonly [string, Edits, readonly string[]])[] = [
  ["a payment", [["50 USDC\n    perWindow", "51 USDC\n    perWindow"]], ["widens limits.USDC.perPayment"]],
  ["a window's cap", [["60 USDC", "61 USDC"]], ["widens limits.USDC.perWindow"]],
  ["a lifetime", [["1500 USDC", "1501 USDC"]], ["widens limits.USDC.lifetime"]],
  ["a shorter window", [["24h", "12h"]], ["widens limits.USDC.window"]],
  ["operations in a window", [["perWindow: 3", "perWindow: 4"]], ["widens limits.USDC.operations.perWindow"]],
  ["operations in all", [["lifetime: 60 }", "lifetime: 61 }"]], ["widens limits.USDC.operations.lifetime"]],
  ["no count of operations", [[", lifetime: 60 }", " }"]], ["widens limits.USDC.operations.lifetime"]],
  ["a ceiling", [["55 USDC", "56 USDC"]], ["widens limits.USDC.escalation.upTo"]],
  [
    "a function",
    [["[approve, permit]", "[approve, permit, transferFrom]"]],
    ["widens limits.USDC.functions"],
  ],
  ["gas", [["0.05 ETH", "0.06 ETH"]], ["widens gas.budget"]],
  ["gas of one operation", [["0.002 ETH", "0.003 ETH"]], ["widens gas.perOperation"]],
  ["a later expiry", [["17:46:40Z", "17:46:41Z"]], ["widens expires"]],
  ["a longer heartbeat", [["30d", "31d"]], ["widens heartbeat"]],
  ["no heartbeat", [["heartbeat: 30d\n", ""]], ["widens heartbeat"]],
  ["no paymaster any more", [[`paymaster: "0x${"8".repeat(40)}"\n`, ""]], ["narrows paymaster"]],
  ["a cap over all agents", [["200 USDC", "201 USDC"]], ["widens accountCaps.USDC.perWindow"]],
  ["its window", [["12h", "6h"]], ["widens accountCaps.USDC.window"]],
  [
    "no guardian",
    [[`guardians:\n  bob: { address: "0x${"4".repeat(40)}" }\n`, ""]],
    ["widens guardians.bob"],
  ],
  [
    "one more approver",
    [["approvers:", `approvers:\n  carol: { address: "0x${"9".repeat(40)}" }`]],
    ["widens approvers.carol"],
  ],
  [
    "one more payee",
    [["payees:", `payees:\n  carol: { address: "0x${"9".repeat(40)}" }`]],
    ["widens payees.carol"],
  ],
  [
    "a value of a list",
    [["[500, 3000]", "[500, 3000, 10000]"]],
    ["widens calls.USDC.router.exactInputSingle.where.params.fee"],
  ],
  [
    "a bound of a range",
    [["atLeast: 1 USDC", "atLeast: 0.5 USDC"]],
    ["widens calls.USDC.router.exactInputSingle.where.params.amountIn"],
  ],
  [
    "a condition less",
    [["      params.recipient: { self: true }\n", ""]],
    ["widens calls.USDC.router.exactInputSingle.where.params.recipient"],
  ],
  [
    "a list instead of one of its values",
    [["equals: USDC", "in: [USDC, WETH]"]],
    ["widens calls.USDC.router.exactInputSingle.where.params.tokenIn"],
  ],
  ["a spend that is not counted", [["spends: assets, ", ""]], ["widens calls.ETH.vault.deposit"]],
  ["mail", [["17:46:40Z", "17:46:40Z\nmail: { unauthenticated: allow }"]], ["widens mail.unauthenticated"]],
  [
    "names in mail",
    [["contract: true", "contract: true, senders: [a.example]"]],
    ["widens payees.router.senders"],
  ],
];

describe("diffPolicies", () => {
  it.each(["treasury", "subscription", "dca-trader", "watch-only", "purse-top-up"])(
    "finds nothing between %s and itself",
    (name) => expect(diff(shipped(name), shipped(name))).toEqual([]),
  );

  it.each(numbers)("tells %s as one change, and the way back as its opposite", (_, edits, expected) => {
    expect(effects(...edits)).toEqual(expected);
    const back = diff(editedEverything(...edits), everything).map(
      ({ clause, effect }) => `${opposite[effect]} ${clause}`,
    );
    expect(back).toEqual(expected);
  });

  it.each<readonly [string, Edits, readonly string[]]>([
    [
      "another address for a payee",
      [["0x5555555555555555555555555555555555555555", `0x${"6".repeat(40)}`]],
      ["narrows payees.purse", "widens payees.purse"],
    ],
    ["another chain", [["chain: 1", "chain: 8453"]], ["narrows chain", "widens chain"]],
    ["another paymaster", [["8".repeat(40), "9".repeat(40)]], ["narrows paymaster", "widens paymaster"]],
    [
      "another value for one of a list",
      [["[500, 3000]", "[500, 100]"]],
      [
        "widens calls.USDC.router.exactInputSingle.where.params.fee",
        "narrows calls.USDC.router.exactInputSingle.where.params.fee",
      ],
    ],
    [
      "another target of a call",
      [["7".repeat(40), "6".repeat(40)]],
      ["narrows calls.ETH.vault.deposit", "widens calls.ETH.vault.deposit"],
    ],
    [
      "a bigger cap over a longer window",
      [
        ["60 USDC", "70 USDC"],
        ["24h", "48h"],
      ],
      ["widens limits.USDC.perWindow", "narrows limits.USDC.window"],
    ],
    ["another name for a payee", [["  purse: {", "  wallet: {"]], ["neutral payees.wallet"]],
    [
      "another name and salt for the policy",
      [["policy: everything", "policy: all\nsalt: 3"]],
      ["neutral policy", "neutral salt"],
    ],
    [
      "decimals that were corrected",
      [["decimals: 6", "decimals: 8"]],
      [
        "widens tokens.USDC.decimals",
        "widens calls.USDC.router.exactInputSingle.where.params.amountIn",
        "narrows calls.USDC.router.exactInputSingle.where.params.amountIn",
      ],
    ],
  ])("tells %s", (_, edits, expected) => expect(effects(...edits)).toEqual(expected));

  it("tells one more approver as neutral where there is nothing to approve", () => {
    const none: Edits = [["    escalation: { upTo: 55 USDC }\n", ""]];
    const carol = ["approvers:", `approvers:\n  carol: { address: "0x${"9".repeat(40)}" }`] as const;
    const changes = diff(editedEverything(...none), editedEverything(...none, carol));
    expect(changes.map(({ clause, effect }) => `${effect} ${clause}`)).toEqual(["neutral approvers.carol"]);
  });

  it("says a limit that came, one that went, and the words of a change", () => {
    const dai = '  DAI: { address: "0x6B175474E89094C44Da98b954EedeAC495271d0F", decimals: 18 }\npayees:';
    const more = treasury
      .replace("payees:", dai)
      .replace("gas:", "  - { perPayment: 1 DAI, perWindow: 2 DAI, window: 24h, lifetime: 3 DAI }\ngas:");
    expect(diff(treasury, more)).toEqual([
      {
        clause: "limits.DAI",
        effect: "widens",
        words: "DAI may be paid: up to 3.00 DAI in all, with a gas budget of its own.",
      },
    ]);
    expect(diff(more, treasury)).toEqual([
      { clause: "limits.DAI", effect: "narrows", words: "DAI may no longer be paid." },
    ]);
    expect(diff(treasury, treasury.replace("42.50", "50"))[0]!.words).toBe(
      "USDC at a time: 42.50 USDC becomes 50.00 USDC.",
    );
  });

  it("finds exactly one widening when one amount is raised, and one narrowing on the way back", () => {
    const amount = fc.integer({ min: 1, max: 100 });
    fc.assert(
      fc.property(amount, amount, amount, amount, fc.nat({ max: 2 }), (a, b, c, raise, which) => {
        const three = [a, a + b, a + b + c];
        const write = ([one, two, all]: readonly number[]) =>
          treasury.replace("42.50", `${one}`).replace("250.00", `${two}`).replace("5000", `${all}`);
        const raised = three.map((value, index) => (index === which ? value + raise : value));
        fc.pre(raised[0]! <= raised[1]! && raised[1]! <= raised[2]!);
        expect(diff(write(three), write(raised)).map(({ effect }) => effect)).toEqual(["widens"]);
        expect(diff(write(raised), write(three)).map(({ effect }) => effect)).toEqual(["narrows"]);
      }),
      { numRuns: 50 },
    );
  });
});
