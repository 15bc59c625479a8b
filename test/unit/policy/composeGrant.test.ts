import { zeroHash, type Address } from "viem";
import { describe, expect, it } from "vitest";

import { compilePolicy } from "../../../src/policy/compile.ts";
import { composeGrant, GrantTermsError } from "../../../src/policy/composeGrant.ts";
import { grantReasons, type GrantBudget } from "../../../src/policy/grantReasons.ts";
import { parsePolicy } from "../../../src/policy/parse.ts";
import { spendGrantJson, spendGrantOf } from "../../../src/policy/spendGrantJson.ts";

const agentKey: Address = "0x1111111111111111111111111111111111111111";
const account: Address = "0x00000000000000000000000000000000000a44a0";
const agent: Address = "0x00000000000000000000000000000000000acc0e";
const contract: Address = "0x00000000000000000000000000000000000c0de0";
const [acme, globex]: [Address, Address] = [
  "0x00000000000000000000000000000000000Ac3E0",
  "0x0000000000000000000000000000000000000B00",
];
const units = 1_000_000n;

const policyOf = (limit: string) =>
  compilePolicy(
    parsePolicy(`policy: small
version: 1
chain: 31337
tokens: { USDC: { address: "0x0f4Dc3054a3Eb3e626e383A3f0b683Dd443bBc6C", decimals: 6 } }
payees: { acme: { address: "${acme}" }, globex: { address: "${globex}" } }
approvers: { anna: { address: "0x00000000000000000000000000000000000a44a0" } }
limits:
  - ${limit}
gas: { budget: "0.2 ETH", perOperation: "0.005 ETH" }
expires: "2036-12-31T00:00:00Z"
`),
    agentKey,
  );
const limit = '{ perPayment: "50.00 USDC", perWindow: "200.00 USDC", window: 24h, lifetime: "2000.00 USDC" }';
const policy = policyOf(limit);

const terms = {
  contract,
  account,
  agent,
  agentKey,
  limit: policy.limits[0]!,
  policy,
  days: 30,
  at: 1_800_000_000,
  epoch: 0n,
  salt: zeroHash,
  purpose: "Pay bills.",
};

describe("composeGrant", () => {
  it("leaves out a payee who is the payer: he is not paid out of his own account, and others are", () => {
    expect(composeGrant({ ...terms, account: acme }).payees).toEqual([globex]);
  });

  it("asks for what the policy allows, for one window's worth in all, to its payees in order", () => {
    expect(composeGrant(terms)).toEqual({
      account,
      agent,
      agentKey,
      token: policy.limits[0]!.token.address,
      perCall: 50n * units,
      perWindow: 200n * units,
      window: 86_400,
      total: 200n * units,
      validAfter: 1_799_999_940,
      validUntil: 1_799_999_940 + 30 * 86_400,
      payees: [globex, acme],
      anyPayee: false,
      epoch: 0n,
      salt: 0n,
      purpose: "Pay bills.",
      policyHash: policy.documentHash,
    });
  });

  it("leaves room for what an approver may allow, and ends with the policy", () => {
    const escalated = policyOf(limit.replace(" }", ', escalation: { upTo: "120.00 USDC" } }'));
    expect(composeGrant({ ...terms, limit: escalated.limits[0]! }).perCall).toBe(120n * units);
    const { expiry } = policy.limits[0]!.grant;
    expect(composeGrant({ ...terms, at: Number(expiry) - 100 }).validUntil).toBe(Number(expiry));
  });

  it("lets what nobody named give way to what somebody did", () => {
    expect(composeGrant({ ...terms, total: 30n * units })).toMatchObject({
      perCall: 30n * units,
      perWindow: 30n * units,
      total: 30n * units,
    });
    expect(composeGrant({ ...terms, perWindow: 100n * units })).toMatchObject({
      perCall: 50n * units,
      perWindow: 100n * units,
      total: 100n * units,
    });
  });

  it.each([
    ["a window above the total", { total: 100n * units, perWindow: 150n * units }, /out of order/],
    ["a payment above a window", { perCall: 201n * units }, /out of order/],
    ["nothing at a time", { perCall: 0n }, /out of order/],
    ["too many digits", { perCall: 1n, total: 20_000_000n * units }, /too many digits/],
    ["no day", { days: 0 }, /0 is no number of days/],
    ["more than 90 days", { days: 91 }, /91 is no number of days/],
    ["half a day", { days: 1.5 }, /1\.5 is no number of days/],
    ["a purpose with a line break", { purpose: "Pay\nbills" }, /can't be shown/],
    ["a purpose that turns text around", { purpose: "Pay \u202ebills" }, /can't be shown/],
    ["a purpose with an invisible sign", { purpose: "Pay\u200bbills" }, /can't be shown/],
    ["a purpose of nothing", { purpose: "" }, /can't be shown/],
    ["a purpose that nobody reads to the end", { purpose: "a".repeat(201) }, /too long/],
    ["nobody to pay", { policy: { ...policy, payees: [] } }, /lets nobody be paid/],
  ])("refuses %s", (_, over, why) => {
    expect(() => composeGrant({ ...terms, ...over })).toThrow(GrantTermsError);
    expect(() => composeGrant({ ...terms, ...over })).toThrow(why);
  });
});

describe("a grant", () => {
  const grant = composeGrant(terms);

  it("is the same after it was written down", () => {
    expect(spendGrantJson(spendGrantOf(spendGrantJson(grant)))).toEqual(spendGrantJson(grant));
    expect(spendGrantOf(spendGrantJson(grant)).total).toBe(grant.total);
    expect(() => spendGrantOf({ ...spendGrantJson(grant), perCall: "1e9" })).toThrow(/perCall/);
    expect(() => spendGrantOf({ ...spendGrantJson(grant), more: 1 })).toThrow(/more/);
  });

  const budget: GrantBudget = {
    hash: zeroHash,
    status: "granted",
    epoch: 0n,
    spent: 0n,
    leftInTotal: 200n * units,
    leftInWindow: 200n * units,
    balance: 1000n * units,
    allowance: 1000n * units,
  };
  const spend = { payee: acme, amountUnits: 50n * units, at: 1_800_000_000 };
  const token = { symbol: "USDC", decimals: 6 };

  it("stands in nobody's way within its limits, at each of them", () => {
    expect(grantReasons(grant, budget, token, spend)).toEqual([]);
    const exact = { ...budget, leftInTotal: 50n * units, leftInWindow: 50n * units, balance: 50n * units };
    expect(grantReasons(grant, { ...exact, allowance: 50n * units }, token, spend)).toEqual([]);
  });

  it.each([
    ["delegation-revoked", { epoch: 1n }, {}],
    ["delegation-revoked", { status: "revoked" as const }, {}],
    ["delegation-unknown", { status: "unknown" as const }, {}],
    ["delegation-early", {}, { at: grant.validAfter - 1 }],
    ["delegation-expired", {}, { at: grant.validUntil }],
    ["delegation-payee", {}, { payee: account }],
    ["delegation-per-payment", {}, { amountUnits: 50n * units + 1n }],
    ["delegation-used-up", { leftInTotal: 50n * units - 1n }, {}],
    ["delegation-window", { leftInWindow: 50n * units - 1n }, {}],
    ["delegation-allowance", { allowance: 50n * units - 1n }, {}],
    ["delegation-balance", { balance: 50n * units - 1n }, {}],
  ])("refuses beyond: %s", (code, budgetOver, spendOver) => {
    const reasons = grantReasons(grant, { ...budget, ...budgetOver }, token, { ...spend, ...spendOver });
    expect(reasons.map((reason) => [reason.code, reason.enforcedBy])).toEqual([[code, "chain"]]);
  });
});
