import { describe, expect, it } from "vitest";

import { lintPolicy } from "../../../src/policy/lint.ts";
import { parsePolicy } from "../../../src/policy/parse.ts";
import { agent, editedEverything } from "./documents.ts";

type Edits = readonly (readonly [string, string])[];
const expiry = Date.parse("2030-03-17T17:46:40Z") / 1000;
const days = 86_400;
const codes = (edits: Edits, left = 180 * days, asker: { agent?: typeof agent } = { agent }) =>
  lintPolicy(parsePolicy(editedEverything(...edits)), { now: expiry - left, ...asker }).map(
    ({ code, path }) => `${code} ${path.join(".")}`,
  );
const noGuardian = [`guardians:\n  bob: { address: "0x${"4".repeat(40)}" }\n`, ""] as const;

/** What is said on one side of an edge, and not on the other. */
describe("the edge of", () => {
  it.each<readonly [string, number, number]>([
    ["expired expires", 0, 1],
    ["expires-late expires", 366 * days + 1, 366 * days],
    ["heartbeat-after-expiry heartbeat", 30 * days - 1, 30 * days],
    ["window-after-expiry limits.0.window", days - 1, days],
    ["window-after-expiry limits.1.window", days / 4 - 1, days / 4],
  ])("%s is where %d seconds are left, and not %d", (code, said, silent) => {
    expect(codes([], said)).toContain(code);
    expect(codes([], silent)).not.toContain(code);
  });

  it.each<readonly [string, Edits, Edits]>([
    ["cap-below-payment accountCaps.0.perWindow", [["200 USDC", "49.99 USDC"]], [["200 USDC", "50 USDC"]]],
    // Two limits, each with a budget of its own: half a coin each is a whole one.
    ["gas-much gas.budget", [["0.05 ETH", "0.5 ETH"]], [["0.05 ETH", "0.4999 ETH"]]],
    ["gas-cap-over-budget gas.perOperation", [["0.002 ETH", "0.051 ETH"]], [["0.002 ETH", "0.05 ETH"]]],
    [
      "no-guardian limits.1.lifetime",
      [noGuardian],
      [noGuardian, ["lifetime: 2 ETH }", "lifetime: 1.9999 ETH }"]],
    ],
    [
      "no-guardian limits.1.lifetime",
      [noGuardian],
      [noGuardian, ["0.1 ETH", "0 ETH"], ["0.2 ETH", "0 ETH"], ["lifetime: 2 ETH }", "lifetime: 0 ETH }"]],
    ],
    [
      "operations-unlimited limits.0.operations",
      [["    operations: { perWindow: 3, lifetime: 60 }\n", ""]],
      [["{ perWindow: 3, lifetime: 60 }", "{ perWindow: 3 }"]],
    ],
    [
      "operations-unlimited limits.0.operations",
      [["    operations: { perWindow: 3, lifetime: 60 }\n", ""]],
      [["{ perWindow: 3, lifetime: 60 }", "{ lifetime: 60 }"]],
    ],
    [
      "payment-is-lifetime limits.1.perPayment",
      [
        ["0.1 ETH", "2 ETH"],
        ["0.2 ETH", "2 ETH"],
      ],
      [
        ["0.1 ETH", "0 ETH"],
        ["0.2 ETH", "0 ETH"],
        ["lifetime: 2 ETH }", "lifetime: 0 ETH }"],
      ],
    ],
    ["approve-without-cap limits.0.functions", [["60 USDC", "1500 USDC"]], [["60 USDC", "1499 USDC"]]],
    // Nothing may be approved, and all of it in one window.
    [
      "approve-without-cap limits.0.functions",
      [["60 USDC", "1500 USDC"]],
      [
        ["perPayment: 50 USDC", "perPayment: 0 USDC"],
        ["60 USDC", "0 USDC"],
        ["1500 USDC", "0 USDC"],
        ["    escalation: { upTo: 55 USDC }\n", ""],
      ],
    ],
    ["allowance-lasts limits.0.functions", [], [["    functions: [approve, permit]\n", ""]]],
    ["allowance-lasts limits.0.functions", [], [["[approve, permit]", "[transferFrom]"]]],
    ["approve-to-key payees.purse", [], [["    functions: [approve, permit]\n", ""]]],
    ["approve-to-key payees.purse", [], [["purse: true", "contract: true"]]],
    [
      "payee-forwards payees.router",
      [],
      [
        ["contract: true }", "contract: false }"],
        ["to: router", "to: vault"],
      ],
    ],
    [
      "payee-forwards payees.purse",
      [
        [
          'purse: { address: "0x5555555555555555555555555555555555555555"',
          `purse: { address: "0x${"7".repeat(40)}"`,
        ],
      ],
      [],
    ],
    [
      "payee-is-agent payees.purse",
      [
        ["5".repeat(40), agent.slice(2)],
        ["purse: true", "purse: false"],
      ],
      [["5".repeat(40), agent.slice(2)]],
    ],
    ["paymaster-allowance paymaster", [], [[`paymaster: "0x${"8".repeat(40)}"\n`, ""]]],
    ["approvers-unused approvers", [["    escalation: { upTo: 55 USDC }\n", ""]], []],
    [
      "approvers-unused approvers",
      [["    escalation: { upTo: 55 USDC }\n", ""]],
      [
        ["    escalation: { upTo: 55 USDC }\n", ""],
        [`approvers:\n  alice: { address: "0x${"3".repeat(40)}" }\n`, ""],
      ],
    ],
    // A window of which a thousandth is just one step: 100 USDC in steps of 0.1.
    [
      "step-coarse limits.0.lifetime",
      [
        ["60 USDC", "99.9 USDC"],
        ["1500 USDC", "1000000 USDC"],
      ],
      [
        ["60 USDC", "100 USDC"],
        ["1500 USDC", "1000000 USDC"],
      ],
    ],
  ])("%s lies between what is said and what is not", (code, said, silent) => {
    expect(codes(said)).toContain(code);
    expect(codes(silent)).not.toContain(code);
  });
});

describe("lintPolicy", () => {
  it("says nothing but that of a policy that has expired, as to time", () => {
    const found = codes([["24h", "300d"]], -1).filter((code) => /expire|expiry|late/.test(code));
    expect(found).toEqual(["expired expires"]);
  });

  it("takes nobody for the agent that it does not know", () => {
    const same: Edits = [
      ["5".repeat(40), agent.slice(2)],
      ["purse: true", "purse: false"],
      ["3".repeat(40), "9".repeat(40)],
    ];
    expect(codes(same).join()).toContain("payee-is-agent payees.purse");
    expect(codes(same, 180 * days, {}).join()).not.toContain("is-agent");
  });

  it("does not look at the limit of a policy that only watches", () => {
    const text = `{ policy: watch, version: 1, chain: 1, tokens: {}, payees: {}, limits: [],
      gas: { budget: 0.05 ETH, perOperation: 0.002 ETH }, expires: "2030-03-17T17:46:40Z" }`;
    expect(lintPolicy(parsePolicy(text), { now: expiry - 10 })).toEqual([]);
  });

  it("says the worst first, and in words what to do", () => {
    const found = lintPolicy(parsePolicy(editedEverything(["60 USDC", "1500 USDC"])), {
      now: expiry - 180 * days,
      agent,
    });
    const order = ["error", "warning", "info"];
    expect(found.map(({ severity }) => order.indexOf(severity))).toEqual(
      found.map(({ severity }) => order.indexOf(severity)).toSorted((a, b) => a - b),
    );
    expect(found[0]).toEqual({
      code: "approve-without-cap",
      severity: "error",
      path: ["limits", 0, "functions"],
      words: "All USDC of the lifetime may be approved in one window: nothing caps an approval.",
      remedy: "Lower perPayment and perWindow below the lifetime.",
    });
    const [all] = lintPolicy(
      parsePolicy(
        editedEverything(
          ["perPayment: 50 USDC", "perPayment: 1500 USDC"],
          ["60 USDC", "1500 USDC"],
          ["    escalation: { upTo: 55 USDC }\n", ""],
        ),
      ),
      { now: expiry - 180 * days, agent },
    );
    expect(all!.words).toBe("All USDC of the lifetime may be approved at once: nothing caps an approval.");
  });

  it("says in its words how much, how long and how often", () => {
    const words = (left: number, ...edits: Edits) =>
      lintPolicy(parsePolicy(editedEverything(...edits)), { now: expiry - left, agent }).map(
        (finding) => finding.words,
      );
    expect(words(days / 2)).toEqual(
      expect.arrayContaining([
        "A heartbeat is good for 30 days, longer than the policy.",
        "The window of 24 hours is longer than the policy lasts, so perWindow is what holds over its lifetime.",
      ]),
    );
    expect(
      words(
        180 * days,
        ["200 USDC", "49 USDC"],
        noGuardian,
        ["60 USDC", "99.9 USDC"],
        ["1500 USDC", "1000000 USDC"],
        ["0.05 ETH", "0.6 ETH"],
      ),
    ).toEqual(
      expect.arrayContaining([
        "What is approved may be taken at any later time, so up to 3300.00 USDC in one instant, also after revocation.",
        "Amounts count in steps of 0.10 USDC, rounded up: small payments use up the window of 99.90 USDC early.",
        "The account's cap of 49.00 USDC is below perPayment, so a payment of that size always fails.",
        "The lifetime is 10010 windows long, and only the owner can stop the agent.",
        "Up to 1.2 ETH may go for gas, over 2 limits.",
      ]),
    );
    const alone = editedEverything(
      ["  - { perPayment: 0.1 ETH, perWindow: 0.2 ETH, window: 6h, lifetime: 2 ETH }\n", ""],
      ["counts: ETH, spends: assets", "counts: USDC, spends: assets"],
      ["0.05 ETH", "1 ETH"],
    );
    expect(
      lintPolicy(parsePolicy(alone), { now: expiry - 180 * days, agent }).map((finding) => finding.words),
    ).toContain("Up to 1 ETH may go for gas, over one limit.");
  });

  it("says nothing of the steps of a window of nothing", () => {
    const nothing: Edits = [
      ["0.1 ETH", "0 ETH"],
      ["0.2 ETH", "0 ETH"],
    ];
    expect(codes([...nothing, ["lifetime: 2 ETH }", "lifetime: 0 ETH }"]]).join()).not.toContain(
      "step-coarse",
    );
    expect(codes(nothing).join()).not.toContain("step-coarse");
  });
});
