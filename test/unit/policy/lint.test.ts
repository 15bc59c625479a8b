import { describe, expect, it } from "vitest";

import { lintPolicy } from "../../../src/policy/lint.ts";
import { parsePolicy } from "../../../src/policy/parse.ts";
import { agent, edited, editedEverything, shipped } from "./documents.ts";

type Edits = readonly (readonly [string, string])[];
/** Half a year before the documents expire. */
const now = Date.parse("2029-09-17T00:00:00Z") / 1000;
const lint = (text: string, at = now) =>
  lintPolicy(parsePolicy(text), { now: at, agent }).map(
    ({ severity, code, path }) => `${severity} ${code} ${path.join(".")}`,
  );

const key = `0x${"9".repeat(40)}`;
const call = (signature: string, where: string) =>
  [
    'deposit(uint256 assets, address receiver)", counts: ETH, spends: assets, where: { receiver: { self: true } }',
    `${signature}", counts: ETH, where: { ${where} }`,
  ] as const;

describe("lintPolicy", () => {
  it("has little to say about the policies that ship", () => {
    const at = Date.parse("2026-11-22T00:00:00Z") / 1000;
    expect(lint(shipped("treasury"), at)).toEqual([
      "warning expires-late expires",
      "info operations-unlimited limits.0.operations",
      "info no-guardian limits.0.lifetime",
    ]);
    expect(lint(shipped("subscription"), at)).toEqual([]);
    expect(lint(shipped("dca-trader"), at)).toEqual([
      "warning payee-forwards payees.router",
      "info allowance-lasts limits.0.functions",
    ]);
    expect(lint(shipped("watch-only"), at)).toEqual([]);
    expect(lint(shipped("purse-top-up"), at)).toEqual(["info no-guardian limits.0.lifetime"]);
  });

  it("knows what is to be known about a policy with everything in it", () => {
    expect(lint(editedEverything())).toEqual([
      "warning approve-to-key payees.purse",
      "warning payee-forwards payees.router",
      "warning paymaster-allowance paymaster",
      "info allowance-lasts limits.0.functions",
      "info operations-unlimited limits.1.operations",
    ]);
  });

  it.each<readonly [string, Edits]>([
    ["error expired expires", [["2030-03-17", "2029-03-17"]]],
    ["warning expires-late expires", [["2030-03-17", "2031-03-17"]]],
    ["warning heartbeat-after-expiry heartbeat", [["30d", "300d"]]],
    [
      "warning step-coarse limits.0.lifetime",
      [
        ["50 USDC", "100 USDC"],
        ["60 USDC", "300 USDC"],
        ["upTo: 55 USDC", "upTo: 300 USDC"],
        ["1500 USDC", "1600000000 USDC"],
        ["lifetime: 60", "lifetime: 16000000"],
      ],
    ],
    ["warning window-after-expiry limits.0.window", [["24h", "300d"]]],
    [
      "warning payment-is-lifetime limits.1.perPayment",
      [
        ["0.1 ETH", "2 ETH"],
        ["0.2 ETH", "2 ETH"],
      ],
    ],
    ["error approve-without-cap limits.0.functions", [["60 USDC", "1500 USDC"]]],
    [
      "info operations-unlimited limits.0.operations",
      [["    operations: { perWindow: 3, lifetime: 60 }\n", ""]],
    ],
    ["warning cap-below-payment accountCaps.0.perWindow", [["200 USDC", "49 USDC"]]],
    ["info no-guardian limits.0.lifetime", [[`guardians:\n  bob: { address: "0x${"4".repeat(40)}" }\n`, ""]]],
    [
      "error payee-is-token payees.purse",
      [
        ["5".repeat(40), "A0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"],
        ["purse: true", "purse: false"],
      ],
    ],
    ["error payee-is-agent payees.router", [["0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45", agent]]],
    ["error approver-is-agent approvers.alice", [[`0x${"3".repeat(40)}`, agent]]],
    ["error approver-is-agent approvers.alice", [["3".repeat(40), "5".repeat(40)]]],
    [
      "warning approver-is-payee approvers.alice",
      [[`0x${"3".repeat(40)}`, "0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45"]],
    ],
    ["warning approvers-unused approvers", [["    escalation: { upTo: 55 USDC }\n", ""]]],
    ["info contract-unused contracts.spare", [["contracts:", `contracts:\n  spare: { address: "${key}" }`]]],
    ["warning gas-much gas.budget", [["0.05 ETH", "0.5 ETH"]]],
    ["warning gas-cap-over-budget gas.perOperation", [["0.05 ETH", "0.001 ETH"]]],
    [
      "warning mail-unauthenticated mail.unauthenticated",
      [["heartbeat:", "mail: { unauthenticated: allow }\nheartbeat:"]],
    ],
    ["error recipient-free calls.0", [["      params.recipient: { self: true }\n", ""]]],
    ["error recipient-free calls.1", [call("claim((address recipient, bytes data) order)", "")]],
    ["warning call-without-condition calls.1", [call("claim(uint256 id)", "")]],
    [
      "error approve-without-cap calls.1",
      [call("setApprovalForAll(address operator, bool on)", "on: { equals: true }")],
    ],
    [
      "error approve-without-cap calls.1",
      [
        call(
          "approve(address token, address spender, uint160 amount, uint48 until)",
          "spender: { equals: router }, amount: { atLeast: 1 }",
        ),
      ],
    ],
    ["warning call-uncounted calls.0", [["    functions: [approve, permit]\n", ""]]],
    ["warning call-of-token calls.1", [["7".repeat(40), "C02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"]]],
  ])("says %s", (expected, edits) => {
    expect(lint(editedEverything())).not.toContain(expected);
    expect(lint(editedEverything(...edits))).toContain(expected);
  });

  it("does not mind a contract that only a condition names, nor a recipient that is named", () => {
    const named = lint(
      editedEverything(
        ["contracts:", `contracts:\n  spare: { address: "${key}" }`],
        call("claim(address recipient)", "recipient: { equals: spare }"),
      ),
    );
    expect(named.filter((finding) => /contract-unused|recipient-free/.test(finding))).toEqual([]);
  });

  it("survives a limit of nothing, and needs no agent", () => {
    const nothing = editedEverything(["0.1 ETH", "0 ETH"], ["0.2 ETH", "0 ETH"], ["2 ETH }", "0 ETH }"]);
    expect(() => lint(nothing)).not.toThrow();
    expect(lintPolicy(parsePolicy(edited()), { now }).map(({ code }) => code)).toEqual([
      "operations-unlimited",
      "no-guardian",
    ]);
  });
});
