import { concatHex, numberToHex, zeroAddress, type Address } from "viem";
import { describe, expect, it } from "vitest";

import { compilePolicy } from "../../../src/policy/compile.ts";
import { judge, wordsAfter, type JudgeInput } from "../../../src/policy/judge.ts";
import { parsePolicy } from "../../../src/policy/parse.ts";
import { payeeTree } from "../../../src/policy/payeeTree.ts";
import {
  account,
  acme,
  base,
  extended,
  fresh,
  grant,
  limit,
  now,
  oneCall,
  policy,
  stranger,
  transfer,
} from "./operations.ts";
import { editedEverything } from "./documents.ts";

const word = (value: bigint) => numberToHex(value, { size: 32 });

/** What the chain looks at beside the counters, in a payment that spends the cap per call to its end. */
const payment = {
  payee: policy.payees[0]!,
  to: acme,
  limit,
  amountUnits: 42_500_000n,
  reference: "",
};
const input: JudgeInput = {
  policy,
  payment,
  usage: { counters: fresh, epoch: fresh.epoch, frozen: false },
  claim: { validAfter: now, validUntil: now + 300n },
  balanceUnits: 60_000_000n,
  expectedFeeWei: grant.feeCap,
  gasFundsWei: grant.feeCap,
  circumstances: { sender: null, source: null, earlier: null },
};
const codes = (part: Partial<JudgeInput> = {}) => {
  const verdict = judge({ ...input, ...part });
  return [verdict.kind, ...verdict.reasons.map(({ code }) => code)];
};
const words = (part: Partial<JudgeInput>) =>
  judge({ ...input, ...part }).reasons.map((reason) => reason.words);
const under = (part: Parameters<typeof extended>[0]) => ({
  ...payment,
  limit: { ...limit, ...extended(part) },
});

describe("a paymaster", () => {
  const paymaster = policy.payees[1]!.address;
  it("pays the gas if it is the policy's, and nobody else does", () => {
    const sponsored = {
      payment: under({ paymaster }),
      expectedFeeWei: grant.gasBudget + 1n,
      gasFundsWei: 0n,
    };
    expect(codes({ ...sponsored, chain: { paymaster: paymaster.toLowerCase() as Address } })).toEqual([
      "allow",
    ]);
    expect(codes(sponsored)).toEqual(["deny", "over-fee-cap", "over-gas-budget", "gas-unfunded"]);
    expect(codes({ ...sponsored, chain: { paymaster: stranger } })).toEqual([
      "deny",
      "paymaster-not-allowed",
    ]);
    expect(words({ chain: { paymaster } })).toEqual([
      `The policy does not let ${paymaster.toLowerCase()} pay the gas.`,
    ]);
  });
});

describe("an approval at hand", () => {
  const lifted = under({ approvers: payeeTree([stranger]).root, ceiling: 60_000_000n });
  const sent = { approver: stranger, path: [], nonce: 1n, deadline: now + 300n, signatureLength: 64n };
  const paying = { payment: { ...lifted, amountUnits: 60_000_000n } };
  const withState = (state: "none" | "recorded" | "used", part: Partial<typeof sent> = {}) => ({
    ...paying,
    chain: { approval: { sent: { ...sent, ...part }, state } },
  });

  it("lifts the payment, and is asked for only while there is none", () => {
    expect(codes(withState("none"))).toEqual(["allow"]);
    expect(codes(paying)).toEqual(["ask", "needs-approval"]);
    const beyond = { ...lifted, amountUnits: 60_000_001n };
    expect(codes({ ...withState("none"), payment: beyond, balanceUnits: 60_000_001n })).toEqual([
      "deny",
      "over-per-payment",
    ]);
    expect(
      codes({
        ...withState("none"),
        payment: { ...under({ ceiling: 60_000_000n }), amountUnits: 60_000_000n },
      }),
    ).toEqual(["deny", "approver-not-allowed"]);
  });

  it("is not asked for where there are no approvers", () => {
    expect(codes({ payment: { ...under({ ceiling: 60_000_000n }), amountUnits: 60_000_000n } })).toEqual([
      "deny",
      "over-per-payment",
    ]);
  });

  it("is judged by what the chain has on record of it", () => {
    expect(codes(withState("used"))).toEqual(["deny", "approval-used"]);
    expect(codes(withState("recorded", { signatureLength: 0n }))).toEqual(["allow"]);
    expect(codes(withState("none", { signatureLength: 0n }))).toEqual(["deny", "approval-not-recorded"]);
    expect(codes(withState("none", { deadline: now }))).toEqual(["deny", "approval-expired"]);
  });
});

describe("calls as they will be encoded", () => {
  const proofs = [{ path: base.payeePath, rule: null }];
  it("take the place of the payment: who is paid, and how much", () => {
    const calls = (amount: bigint) => ({ chain: { calls: { callData: transfer(acme, amount), proofs } } });
    const free = { payment: { ...payment, amountUnits: 0n, to: account } };
    expect(codes({ ...free, ...calls(42_500_000n) })).toEqual(["allow"]);
    expect(codes({ ...free, ...calls(42_500_001n) })).toEqual(["deny", "over-per-payment"]);
    expect(words({ ...free, ...calls(42_600_000n) })).toEqual([
      "42.60 USDC is over the 42.50 USDC allowed per payment.",
    ]);
    const full = { ...fresh, ring: [25_000, 0, 0, 0, 0, 0, 0, 0] };
    const usage = { ...input.usage, counters: full };
    expect(words({ ...free, ...calls(1_500_000n), usage })).toEqual([
      "1.50 USDC on top of 250.00 USDC already spent crosses the window's 250.00 USDC.",
    ]);
    expect(codes({ ...free, ...calls(42_500_000n), balanceUnits: 42_499_999n })).toEqual(["deny", "balance"]);
  });

  it("are refused as the chain refuses them, and for nothing else", () => {
    const chain = { calls: { callData: transfer(stranger, 1n), proofs } };
    expect(codes({ chain, gasFundsWei: 0n, balanceUnits: 0n })).toEqual(["deny", "payee-not-allowed"]);
    expect(words({ chain })).toEqual([`${stranger} may not be paid or called under this policy.`]);
    expect(codes({ chain: { calls: { callData: base.callData, proofs: [] } } })).toEqual([
      "deny",
      "call-count-not-allowed",
    ]);
  });

  it("are proved before anything is counted, and a plain payment is counted first", () => {
    const own = payeeTree([account]).root;
    const itself = { ...limit, grant: { ...grant, payees: own } };
    const late = { validAfter: grant.expiry, validUntil: grant.expiry + 300n };
    const plain = { payment: { ...payment, limit: itself, to: account }, claim: late };
    const calls = { callData: transfer(account, 1n), proofs: [{ path: [], rule: null }] };
    expect(codes({ ...plain, chain: { account } })).toEqual(["deny", "expired", "payee-not-allowed"]);
    expect(codes({ ...plain, chain: { account, calls } })).toEqual(["deny", "payee-not-allowed", "expired"]);
  });

  it("may name the account where a rule says so, and nobody else in its place", () => {
    const rules = compilePolicy(parsePolicy(editedEverything()), grant.agent);
    const coin = rules.limits[1]!;
    const { rule } = coin.calls[0]!;
    const chainOf = (receiver: Address) => {
      const data = concatHex([rule.selector, word(1n), word(BigInt(receiver))]);
      const calls = { callData: oneCall(rule.target, data), proofs: [{ path: [], rule }] };
      return { chain: { account, calls } };
    };
    const own = {
      policy: rules,
      payment: { ...payment, limit: coin, amountUnits: 0n },
      gasFundsWei: grant.feeCap + input.balanceUnits,
    };
    expect(codes({ ...own, ...chainOf(account) })).toEqual(["allow"]);
    for (const receiver of [zeroAddress, stranger])
      expect(codes({ ...own, ...chainOf(receiver) })).toEqual(["deny", "argument-not-allowed"]);
  });

  it("that are refused leave nothing on record", () => {
    const chain = (to: Address) => ({ chain: { calls: { callData: transfer(to, 1n), proofs } } });
    expect(wordsAfter({ ...input, ...chain(acme) })).toBeDefined();
    expect(wordsAfter({ ...input, ...chain(stranger) })).toBeUndefined();
  });

  it("are what an approval was given for", () => {
    const callData = transfer(acme, 60_000_000n);
    const lifted = under({ approvers: payeeTree([stranger]).root, ceiling: 60_000_000n });
    const sent = { approver: stranger, path: [], nonce: 1n, deadline: now + 300n, signatureLength: 64n };
    expect(
      codes({ payment: lifted, chain: { calls: { callData, proofs }, approval: { sent, state: "none" } } }),
    ).toEqual(["allow"]);
  });

  it("never pay the account itself", () => {
    const own = payeeTree([account]).root;
    const itself = { ...payment, limit: { ...limit, grant: { ...grant, payees: own } } };
    const calls = { callData: transfer(account, 1n), proofs: [{ path: [], rule: null }] };
    expect(codes({ payment: itself, chain: { calls, account } })).toEqual(["deny", "payee-not-allowed"]);
    expect(codes({ payment: itself, chain: { calls } })).toEqual(["allow"]);
    expect(codes({ payment: { ...payment, to: account }, chain: { account } })).toEqual([
      "deny",
      "payee-not-allowed",
    ]);
  });
});
