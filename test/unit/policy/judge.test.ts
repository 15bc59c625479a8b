import { describe, expect, it } from "vitest";

import type { Transfer } from "../../../src/core/action.ts";
import type { Reason } from "../../../src/core/verdict.ts";
import { changeCap } from "../../../src/policy/cap.ts";
import { limitFor } from "../../../src/policy/compile.ts";
import { judge, occursAsAmount, type JudgeInput } from "../../../src/policy/judge.ts";
import { isReason, resolveTransfer, type Payment } from "../../../src/policy/resolve.ts";
import { encodeCounters, type Counters } from "../../../src/policy/usage.ts";
import { compiled } from "./documents.ts";

const policy = compiled();
const limit = limitFor(policy, "USDC")!;
const { bucket, expiry, feeCap, gasBudget } = limit.grant;

/** A moment whose bucket is easy to name: the start of bucket 125,000. */
const now = 125_000n * bucket;
const claim = { validAfter: now, validUntil: now + 300n };
const fresh: Counters = {
  ring: [0, 0, 0, 0, 0, 0, 0, 0],
  newestBucket: 125_000,
  lifetime: 0,
  gas: 0,
  treeSize: 1,
  epoch: 0,
  status: "granted",
};
const counters = (part: Partial<Counters>) => ({ counters: { ...fresh, ...part }, epoch: 0, frozen: false });

const transfer: Transfer = {
  action: "transfer",
  to: "acme",
  amount: "42.50",
  token: "USDC",
  reference: "INV-1",
};
function paymentOf(part: Partial<Transfer> = {}): Payment {
  const payment = resolveTransfer(policy, { ...transfer, ...part });
  if (isReason(payment)) throw new Error(payment.words);
  return payment;
}
const sender = { authenticated: true, domain: "acme.example", detail: "DKIM of acme.example" };
const base: JudgeInput = {
  policy,
  payment: paymentOf(),
  usage: counters({}),
  claim,
  balanceUnits: 1_000_000_000n,
  expectedFeeWei: feeCap,
  gasFundsWei: feeCap,
  circumstances: { sender, source: "Acme and Northwind: invoice INV-1 over 42.50 USDC", earlier: null },
};
const codes = (part: Partial<JudgeInput> = {}) => {
  const verdict = judge({ ...base, ...part });
  return [verdict.kind, ...verdict.reasons.map(({ code }) => code)];
};
const circumstances = (part: Partial<JudgeInput["circumstances"]>) => ({
  circumstances: { ...base.circumstances, ...part },
});

describe("judge", () => {
  it("allows what spends every cap exactly, without a reason", () => {
    const edge = counters({ ring: [20750, 0, 0, 0, 0, 0, 0, 0], lifetime: 495_750, gas: 4_800_000 });
    expect(judge({ ...base, usage: edge, claim: { validAfter: now, validUntil: now + 300n } })).toEqual({
      kind: "allow",
      reasons: [],
    });
    expect(codes({ claim: { validAfter: expiry - 300n, validUntil: expiry } })).toEqual(["allow"]);
    expect(codes({ balanceUnits: 42_500_000n })).toEqual(["allow"]);
  });

  it.each<readonly [string, Partial<JudgeInput>]>([
    ["frozen", { usage: { ...counters({}), frozen: true } }],
    ["not-granted", { usage: counters({ status: "unknown" }) }],
    ["not-granted", { usage: counters({ status: "revoked" }) }],
    ["not-granted", { usage: { ...counters({}), epoch: 1 } }],
    ["expired", { claim: { validAfter: expiry - 299n, validUntil: expiry + 1n } }],
    ["over-fee-cap", { expectedFeeWei: feeCap + 1n, gasFundsWei: gasBudget }],
    ["over-gas-budget", { usage: counters({ gas: 4_800_001 }) }],
    [
      "over-per-payment",
      { payment: { ...base.payment, amountUnits: 42_500_001n }, ...circumstances({ source: null }) },
    ],
    ["over-lifetime", { usage: counters({ lifetime: 495_751 }) }],
    ["over-window", { usage: counters({ ring: [20751, 0, 0, 0, 0, 0, 0, 0] }) }],
    ["window-too-old", { usage: counters({ newestBucket: 125_002 }) }],
    ["gas-unfunded", { gasFundsWei: feeCap - 1n }],
    ["balance", { balanceUnits: 42_499_999n }],
    [
      "payee-not-in-message",
      circumstances({ source: "INV-1: 42.50", sender: { ...sender, authenticated: true, domain: null } }),
    ],
    ["amount-not-in-message", circumstances({ source: "INV-1, 42,50 USDC" })],
    ["reference-not-in-message", circumstances({ source: "inv-1: 42.50" })],
    ["already-paid", circumstances({ earlier: { kind: "same", words: "It was paid." } })],
    [
      "sender-unauthenticated",
      {
        policy: { ...policy, unauthenticatedMail: "deny" },
        ...circumstances({ sender: { ...sender, authenticated: false } }),
      },
    ],
  ])("denies for %s alone", (code, part) => {
    expect(codes(part)).toEqual(["deny", code]);
  });

  it.each<readonly [string, Partial<JudgeInput>]>([
    ["sender-unauthenticated", circumstances({ sender: { ...sender, authenticated: false } })],
    ["sender-not-payee", circumstances({ sender: { ...sender, domain: "acme.example.evil.example" } })],
    ["sender-not-payee", circumstances({ sender: { ...sender, domain: null } })],
    ["looks-already-paid", circumstances({ earlier: { kind: "similar", words: "Maybe." } })],
  ])("asks for %s alone", (code, part) => {
    expect(codes(part)).toEqual(["ask", code]);
  });

  it("tells all reasons, those of the chain first and in the chain's order, and a denial beats a question", () => {
    const spent = { ring: [25_000, 0, 0, 0, 0, 0, 0, 0], lifetime: 500_000, gas: 5_000_000 };
    expect(
      codes({
        usage: { ...counters({ ...spent, status: "revoked" }), frozen: true },
        claim: { validAfter: expiry, validUntil: expiry + 300n },
        payment: { ...base.payment, amountUnits: 250_000_001n },
        expectedFeeWei: feeCap + 1n,
        gasFundsWei: 0n,
        balanceUnits: 0n,
        ...circumstances({
          sender: { ...sender, authenticated: false },
          source: "nothing",
          earlier: { kind: "same", words: "It was paid." },
        }),
      }),
    ).toEqual([
      "deny",
      "frozen",
      "not-granted",
      "expired",
      "over-fee-cap",
      "over-gas-budget",
      "over-per-payment",
      "over-lifetime",
      "over-window",
      "gas-unfunded",
      "balance",
      "payee-not-in-message",
      "amount-not-in-message",
      "reference-not-in-message",
      "already-paid",
    ]);
  });

  it("asks for an approver where one could allow the payment, and denies above the ceiling", () => {
    const { grant } = limit;
    const extras = { ...grant.extras, approvers: `0x${"11".repeat(32)}`, ceiling: 60_000_000n } as const;
    const lifted = { ...limit, grant: { ...grant, extras } };
    const paying = (amountUnits: bigint) => ({
      payment: { ...base.payment, limit: lifted, amountUnits },
      ...circumstances({ source: null }),
    });
    expect(codes(paying(42_500_000n))).toEqual(["allow"]);
    expect(codes(paying(60_000_000n))).toEqual(["ask", "needs-approval"]);
    expect(codes(paying(60_000_001n))).toEqual(["deny", "over-per-payment"]);
    const full = counters({ ring: [20_000, 0, 0, 0, 0, 0, 0, 0] });
    expect(codes({ ...paying(60_000_000n), usage: full })).toEqual(["deny", "over-window"]);
  });

  it("asks no more when somebody agreed to all of it, and lets no yes lift a denial or stand for an approval", () => {
    const agreed = (...said: readonly (readonly [string, string])[]) => ({
      agreed: said.map(([code, words]) => ({ code, words, enforcedBy: "advisory" }) as const),
    });
    const unvouched = ["sender-unauthenticated", sender.detail] as const;
    const like = (day: string) => ["looks-already-paid", `It looks like one of ${day}.`] as const;
    const doubtful = {
      sender: { ...sender, authenticated: false },
      earlier: { kind: "similar", words: like("Monday")[1] },
    } as const;
    const both = ["ask", "sender-unauthenticated", "looks-already-paid"];
    expect(codes(circumstances(doubtful))).toEqual(both);
    expect(codes(circumstances({ ...doubtful, ...agreed(unvouched, like("Monday")) }))).toEqual(["allow"]);
    // All of it: the next yes takes the place of this one, and would lack what it was said to.
    expect(codes(circumstances({ ...doubtful, ...agreed(like("Monday")) }))).toEqual(both);
    expect(codes(circumstances({ ...doubtful, ...agreed(unvouched, like("Tuesday")) }))).toEqual(both);
    const paid = { earlier: { kind: "same", words: "It was paid." } } as const;
    expect(codes(circumstances({ ...paid, ...agreed(["already-paid", "It was paid."]) }))).toEqual([
      "deny",
      "already-paid",
    ]);
    const { grant } = limit;
    const extras = { ...grant.extras, approvers: `0x${"11".repeat(32)}`, ceiling: 60_000_000n } as const;
    const payment = {
      ...base.payment,
      limit: { ...limit, grant: { ...grant, extras } },
      amountUnits: 60_000_000n,
    };
    const asking = { payment, ...circumstances({ source: null }) };
    const [{ code, words }] = judge({ ...base, ...asking }).reasons as readonly [Reason];
    expect(codes({ payment, ...circumstances({ source: null, ...agreed([code, words]) }) })).toEqual([
      "ask",
      "needs-approval",
    ]);
  });

  it("judges by what else the chain keeps, where it is told", () => {
    const { grant } = limit;
    const extras = { ...grant.extras, heartbeat: 60n, operations: 1n };
    const payment = { ...base.payment, limit: { ...limit, grant: { ...grant, extras } } };
    const cap = changeCap(0n, { perWindow: 42_000_000n, bucket: 300n }, now);
    if (typeof cap !== "bigint") throw new Error("The cap can be kept.");
    expect(codes({ payment })).toEqual(["allow"]);
    const used = encodeCounters({ ...fresh, lifetime: 1 });
    expect(codes({ payment, chain: { heartbeat: now, operations: used, cap } })).toEqual([
      "deny",
      "heartbeat-missed",
      "too-many-operations",
      "over-cap",
    ]);
  });

  it("says who enforces each reason", () => {
    const { reasons } = judge({ ...base, balanceUnits: 0n, ...circumstances({ source: "" }) });
    expect(reasons.map(({ code, enforcedBy }) => `${code} ${enforcedBy}`)).toEqual([
      "balance chain",
      "amount-not-in-message advisory",
      "reference-not-in-message advisory",
    ]);
  });

  it("asks about the sender of a payee whose domains nobody wrote down, and about no sender without a message", () => {
    const stranger = { ...sender, domain: "other.example" };
    expect(
      codes({ payment: paymentOf({ to: "northwind" }), ...circumstances({ sender: stranger }) }),
    ).toEqual(["ask", "sender-not-payee"]);
    expect(codes(circumstances({ sender: null, source: null }))).toEqual(["allow"]);
    const careless = { ...policy, unauthenticatedMail: "allow" } as const;
    expect(
      codes({ policy: careless, ...circumstances({ sender: { ...sender, authenticated: false } }) }),
    ).toEqual(["allow"]);
  });

  it("denies nothing to a sender who is who he says, however strict the policy, and needs none", () => {
    const strict = { ...policy, unauthenticatedMail: "deny" } as const;
    expect(codes({ policy: strict })).toEqual(["allow"]);
    expect(codes({ policy: strict, ...circumstances({ sender: null }) })).toEqual(["allow"]);
    expect(codes(circumstances({ sender: null, source: "INV-1: 42.50" }))).toEqual([
      "deny",
      "payee-not-in-message",
    ]);
  });

  it("says in words why it asks about a sender", () => {
    const asked = (to: string, domain: string | null) =>
      judge({
        ...base,
        payment: paymentOf({ to }),
        ...circumstances({ sender: { ...sender, domain } }),
      }).reasons.map(({ enforcedBy, words }) => `${enforcedBy}: ${words}`);
    expect(asked("acme", "other.example")).toEqual([
      "advisory: The mail comes from other.example, which is not a domain acme writes from.",
    ]);
    expect(asked("acme", null)).toEqual([
      "advisory: The mail comes from an unknown domain, which is not a domain acme writes from.",
    ]);
    expect(asked("northwind", "other.example")).toEqual([
      "advisory: The policy names no domain that northwind writes from, so nobody can vouch for the bill.",
    ]);
  });

  it("takes a bill without a reference", () => {
    expect(codes({ payment: paymentOf({ reference: "" }), ...circumstances({ source: "42.50" }) })).toEqual([
      "allow",
    ]);
  });

  it("charges a payment rounded up to the counters' step, so that crumbs can't cross a cap", () => {
    const crumb = { ...base.payment, amountUnits: 1n };
    const unnamed = circumstances({ source: null });
    expect(codes({ payment: crumb, usage: counters({ lifetime: 499_999 }), ...unnamed })).toEqual(["allow"]);
    expect(codes({ payment: crumb, usage: counters({ lifetime: 500_000 }), ...unnamed })).toEqual([
      "deny",
      "over-lifetime",
    ]);
    expect(
      codes({ payment: crumb, usage: counters({ ring: [25_000, 0, 0, 0, 0, 0, 0, 0] }), ...unnamed }),
    ).toEqual(["deny", "over-window"]);
  });

  it("speaks in amounts of the token", () => {
    const { reasons } = judge({
      ...base,
      usage: counters({ ring: [25_000, 0, 0, 0, 0, 0, 0, 0], lifetime: 500_000, gas: 5_000_000 }),
      payment: { ...base.payment, amountUnits: 1_250_500_000n },
      expectedFeeWei: feeCap * 2n,
      ...circumstances({ source: null }),
    });
    expect(reasons.map(({ words }) => words).join("\n")).toMatchInlineSnapshot(`
      "Gas would cost about 0.004 ETH, over the 0.002 ETH allowed per operation.
      Gas would cost about 0.004 ETH and 0 ETH of the gas budget is left.
      1250.50 USDC is over the 42.50 USDC allowed per payment.
      1250.50 USDC is over the 0.00 USDC left of the policy's lifetime limit.
      1250.50 USDC on top of 250.00 USDC already spent crosses the window's 250.00 USDC.
      Gas would cost about 0.004 ETH and the account has 0.002 ETH to pay it from.
      The account holds 1000.00 USDC, less than 1250.50 USDC."
    `);
  });
});

describe("resolveTransfer", () => {
  it("replaces names by what the registry says they mean", () => {
    expect(resolveTransfer(policy, transfer)).toMatchObject({
      to: "0x06C86c00982B50789830b3b6bfA5A985729f55D8",
      amountUnits: 42_500_000n,
      reference: "INV-1",
    });
  });

  it.each<readonly [string, Partial<Transfer>, string]>([
    ["an unknown payee", { to: "globex" }, '"globex" is not a payee of the policy.'],
    ["a payee in capitals", { to: "Acme" }, '"Acme" is not a payee of the policy.'],
    [
      "an address for a payee",
      { to: "0x06C86c00982B50789830b3b6bfA5A985729f55D8" },
      '"0x06C86c00982B50789830b3b6bfA5A985729f55D8" is not a payee of the policy.',
    ],
    ["a name that every object has", { to: "constructor" }, '"constructor" is not a payee of the policy.'],
    ["an unknown token", { token: "DAI" }, "DAI is not a token of the policy."],
    ["a token without a limit", { token: "ETH" }, "The policy has no limit for ETH, so none may be paid."],
    ["too many decimals", { amount: "0.0000001" }, "0.0000001 USDC is not a whole number of base units."],
    ["nothing", { amount: "0.00" }, "The amount is zero."],
  ])("refuses %s in words", (_, part, words) => {
    expect(resolveTransfer(policy, { ...transfer, ...part })).toMatchObject({ words, enforcedBy: "chain" });
  });
});

describe("occursAsAmount", () => {
  it.each([
    ["Total: 1,234.50 USDC", true],
    ["Total: 1234.5", true],
    ["$1234.50", true],
    ["€1234.50", false],
    ["1'234.50 CHF", false],
    ["1 234.50", false],
    ["1\u00a0234.50", true],
    ["1\u202f234.500", true],
    ["USD1,234.50.", true],
    ["Please pay 1,234.50, within 30 days", true],
    ["Invoice 1042, 1,234.50 USDC", true],
    ["Pay 1234.50. 30 days net.", true],
    ["(1,234.50)", true],
    ["1.234,50 €", false],
    ["12,34.50", false],
    ["1,234.51", false],
    ["1,234.5000001", false],
    ["11,234.50", false],
    ["1,234", false],
    ["-", false],
    ["", false],
  ])("in %j, 1234.50 occurs: %s", (text, found) => {
    expect(occursAsAmount(text, 1_234_500_000n, 6)).toBe(found);
  });

  it.each([
    ["$1.5", true],
    ["1.50", true],
    ["1,5", false],
    ["15", false],
    ["1.5.0", false],
  ])("in %j, 1.5 occurs: %s", (text, found) => {
    expect(occursAsAmount(text, 1_500_000n, 6)).toBe(found);
  });

  it.each<readonly [string, bigint, boolean]>([
    ["5 USDC", 5_000_000n, true],
    ["1.05", 1_050_000n, true],
    ["1.50000000", 1_500_000n, true],
    ["1.234567", 1_234_567n, true],
    ["1.2345678", 12_345_678n, false],
  ])("in %j, of %s base units: %s", (text, units, found) => {
    expect(occursAsAmount(text, units, 6)).toBe(found);
  });

  it("reads a long mail of digits in a moment", () => {
    const started = performance.now();
    expect(occursAsAmount("1,".repeat(20_000), 5n, 6)).toBe(false);
    expect(occursAsAmount(`${"1".repeat(20_000)}x`, 5n, 6)).toBe(false);
    expect(occursAsAmount("123 ".repeat(10_000), 5n, 6)).toBe(false);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
