import { describe, expect, it } from "vitest";

import type { JsonObject } from "../../../src/core/json.ts";
import { decisionOf, putOutput, startDecision } from "../../../src/journal/decisions.ts";
import { addTrigger } from "../../../src/journal/triggers.ts";
import { reportOf } from "../../../src/runtime/report.ts";
import { temporaryJournal } from "../journal/temporary.ts";

const leaf = `0x${"1e".repeat(32)}`;
const transfer = { action: "transfer", to: "acme", amount: "42.50", token: "USDC", reference: "INV-1" };
const inference = {
  promptTokens: [1, 2, 3],
  outputTokens: [4, 5],
  timing: { prefillMs: 30, generationMs: 12 },
};
const outputs: Readonly<Record<string, JsonObject>> = {
  observe: {
    chainId: 31337,
    facts: {
      "mail.from": { value: "billing@acme.example", provenance: "untrusted" },
      "mail.authenticated": { value: true, provenance: "operator" },
    },
  },
  infer: { inference },
  parse: transfer,
  judge: { kind: "allow", reasons: [] },
  seal: { leaf, treeSize: 5, fields: { "execution.calls": [] } },
  record: { outcome: "paid" },
};

function report(part: Readonly<Record<string, JsonObject>>) {
  const journal = temporaryJournal();
  addTrigger(journal, "clerk", { kind: "mail", dedupeId: "mail:1", label: "01.eml", payload: {} });
  const decision = { id: "one", agent: "clerk", triggerId: "mail:1", machine: "decision@1", snapshot: {} };
  startDecision(journal, decision);
  for (const [step, value] of Object.entries({ ...outputs, ...part })) putOutput(journal, "one", step, value);
  return reportOf(journal, decisionOf(journal, "one"));
}

describe("reportOf", () => {
  it("tells a paid decision from the journal alone", () => {
    const receipt = { outcome: "success", transaction: `0x${"7a".repeat(32)}`, gasUsed: "100000" };
    expect(report({ sign: {}, settle: { receipt } })).toEqual({
      id: "one",
      sequence: 1,
      trigger: { kind: "mail", label: "01.eml", id: "mail:1" },
      from: "billing@acme.example",
      fromName: null,
      subject: null,
      authentication: null,
      authenticated: true,
      excerptRule: null,
      action: transfer,
      verdict: "allow",
      reasons: [],
      outcome: "paid",
      leaf,
      index: 4,
      askedUntil: null,
      approved: null,
      calls: [],
      turns: [],
      options: [],
      thought: null,
      thinkingMs: 42,
      tokens: { prompt: 3, output: 2 },
      unverifiable: false,
      broken: [],
      economics: {
        inferences: 1,
        promptTokens: 3,
        outputTokens: 2,
        cachedTokens: 0,
        ms: { queue: 0, prefill: 30, generation: 12, broken: 0 },
        energyMillijoules: null,
        cost: null,
        unknown: [],
      },
      receipt,
    });
  });

  it("tells what the model chose from, and what it thought before", () => {
    const options = [{ text: '{"action":"hold"', logMilli: -10, probabilityPermille: 1000 }];
    const thought = { text: "hm", tokens: 2, forced: 1, end: "model" };
    const told = report({ infer: { inference: { ...inference, options, thought } } });
    expect(told).toMatchObject({ options, thought: "hm" });
  });

  it("tells a mail that was too long for the model, which did not think", () => {
    const told = report({
      infer: { tooLong: "The prompt is too long." },
      parse: { action: "hold", reason: "too-long" },
      record: { outcome: "held" },
    });
    expect(told).toMatchObject({ thinkingMs: null, tokens: null, receipt: null, outcome: "held" });
  });

  it.each<readonly [string, Readonly<Record<string, JsonObject>>, string]>([
    [
      "the chain's refusal",
      {
        sign: { refusal: { code: "AA23", error: "OverWindow(2, 1)", words: "over the window" } },
        record: { outcome: "refused" },
      },
      "refused-by-chain: over the window (OverWindow(2, 1))",
    ],
    [
      "a payment that reverted",
      {
        settle: { receipt: { outcome: "reverted", revertReason: "no balance" } },
        record: { outcome: "reverted" },
      },
      "reverted: The payment reverted on chain: no balance",
    ],
    [
      "an operation that expired",
      {
        settle: { receipt: { outcome: "expired", userOpHash: leaf, blockNumber: "9" } },
        record: { outcome: "expired" },
      },
      "expired: The operation's time passed before it was included; the bill is open again.",
    ],
  ])("adds %s to the judge's reasons", (_, part, words) => {
    const told = report({
      ...part,
      judge: { kind: "allow", reasons: [{ code: "first", words: "w", enforcedBy: "advisory" }] },
    });
    expect(told.reasons.map(({ code, words: text }) => `${code}: ${text}`)).toEqual(["first: w", words]);
  });

  it("shows no receipt of an operation that never reached a block", () => {
    expect(
      report({ settle: { receipt: { outcome: "expired", userOpHash: leaf, blockNumber: "9" } } }).receipt,
    ).toBeNull();
  });
});
