import { keccak256, zeroAddress, zeroHash, type Address, type Hex } from "viem";

import type { Reason, Verdict } from "../core/verdict.ts";
import type { CompiledPolicy } from "./compile.ts";
import { isPlain } from "./grant.ts";
import { measureCalls, type CallProof } from "./measureCalls.ts";
import { meterOperation, perCallOf, type Words } from "./meter.ts";
import { candidateAmounts, namesPayee } from "./occurrences.ts";
import { approvalReason, balanceReason, coinReason, reasonOf, unfundedReason } from "./reason.ts";
import { isRefusal, refusal, type Refusal } from "./refusal.ts";
import type { LawState, Request, SentApproval } from "./request.ts";
import type { Payment } from "./resolve.ts";
import { encodeCounters, type Usage } from "./usage.ts";
import type { Claim } from "./window.ts";

/** What the runtime knows beside the chain: all of it advisory, a stolen key is not stopped by it. */
export type Circumstances = {
  /** The mail a bill came in, if it came in one. */
  readonly sender: {
    readonly authenticated: boolean;
    readonly domain: string | null;
    readonly detail: string;
  } | null;
  /** Text the model read: amount and reference have to occur in it. null: not applicable. */
  readonly source: string | null;
  /** An earlier payment that looks like this one. */
  readonly earlier: { readonly kind: "same" | "similar"; readonly words: string } | null;
  /** Questions that somebody who may has answered with yes, for exactly this. */
  readonly agreed?: readonly Reason[];
};

export type JudgeInput = {
  readonly policy: CompiledPolicy;
  readonly payment: Payment;
  readonly usage: Usage;
  readonly claim: Claim;
  /** What the account holds of the payment's asset. */
  readonly balanceUnits: bigint;
  /** Upper guess of what the operation will be charged for gas, in wei. The chain charges the real one. */
  readonly expectedFeeWei: bigint;
  /** What the account can pay gas from: its deposit in the EntryPoint and its own native coin, in wei. */
  readonly gasFundsWei: bigint;
  readonly circumstances: Circumstances;
  /** What else the chain looks at. Whatever is missing is taken to stand in nobody's way. */
  readonly chain?: {
    readonly account?: Address;
    /** When the owner was last heard of, unix seconds. */
    readonly heartbeat?: bigint;
    /** Word of `operationCounters` of the policy. */
    readonly operations?: bigint;
    /** Word of `capCounters` of the payment's asset. */
    readonly cap?: bigint;
    /** Who pays the gas, if not the account. */
    readonly paymaster?: Address;
    /** A co-signature at hand, and what the chain has on record of it. */
    readonly approval?: { readonly sent: SentApproval; readonly state: "none" | "recorded" | "used" };
    /** The calls as they will be encoded; what they spend takes the place of the payment's amount. */
    readonly calls?: { readonly callData: Hex; readonly proofs: readonly CallProof[] };
  };
};

/**
 * Policy + usage + payment → Verdict. Through the twin of the Solidity law: the same integers, reasons in the order in which
 * the chain checks (all of them, not only the first). A denial beats a question.
 */
export function judge(input: JudgeInput): Verdict {
  const chain = chainReasons(input);
  const denials = [...chain.denials, ...advisoryDenials(input)];
  if (denials.length > 0) return { kind: "deny", reasons: denials as [Reason, ...Reason[]] };
  const advisory = advisoryQuestions(input);
  const isAgreed = chain.questions.length === 0 && advisory.every((question) => wasAgreed(question, input));
  if (isAgreed) return { kind: "allow", reasons: [] };
  // All of them, also those with a yes: the next yes takes the place of that one.
  return { kind: "ask", reasons: [...chain.questions, ...advisory] as [Reason, ...Reason[]] };
}

/**
 * Only what this runtime asks for itself: what the chain asks for, it is shown. Word for word: who said that this is not Monday's bill
 * has not said that it is not Tuesday's.
 */
const wasAgreed = ({ code, words }: Reason, { circumstances: { agreed = [] } }: JudgeInput): boolean =>
  agreed.some((one) => one.code === code && one.words === words);

/** What the contracts would refuse, in their order, and what an approver could still allow. */
function chainReasons(input: JudgeInput): ChainReasons {
  const { payment, usage } = input;
  const { limit } = payment;
  const request = requestOf(input);
  if (isRefusal(request)) return { denials: [reasonOf(request, input)], questions: [] };
  const { amountUnits } = request;
  // What the calls spend is what people are told about, too.
  const subject = { ...input, payment: { ...payment, amountUnits } };
  const denials: Reason[] = [];
  const questions: Reason[] = [];
  for (const refused of meterOperation(request, stateOf(input, usage)))
    if (refused.error === "OverPerCall" && isApprovable(request))
      questions.push(approvalReason(amountUnits, limit));
    else denials.push(reasonOf(refused, subject));
  if (request.feeWei > input.gasFundsWei) denials.push(unfundedReason(request.feeWei, input.gasFundsWei));
  if (amountUnits > input.balanceUnits) denials.push(balanceReason(amountUnits, input.balanceUnits, limit));
  else if (request.grant.asset === zeroAddress) denials.push(...coinReasons(request, input));
  return { denials, questions };
}

/** Gas comes first: what the deposit does not cover is taken out of the coin that is to be paid, and the payment would revert. */
function coinReasons({ amountUnits, feeWei }: Request, { balanceUnits, gasFundsWei, payment }: JudgeInput) {
  const depositWei = gasFundsWei > balanceUnits ? gasFundsWei - balanceUnits : 0n;
  const forGasWei = feeWei > depositWei ? feeWei - depositWei : 0n;
  return amountUnits > 0n && forGasWei > 0n && amountUnits + forGasWei > balanceUnits
    ? [coinReason(amountUnits, balanceUnits, forGasWei, payment.limit)]
    : [];
}

/** What the account has on record after a payment that it allows; undefined: it does not allow it. */
export function wordsAfter(input: JudgeInput): Words | undefined {
  const request = requestOf(input);
  if (isRefusal(request)) return undefined;
  const { done, value } = meterOperation(request, stateOf(input, input.usage)).next();
  return done ? value : undefined;
}

type ChainReasons = { readonly denials: readonly Reason[]; readonly questions: readonly Reason[] };

/** Whether an approval would lift the cap per call far enough. Where one is at hand, it did not. */
const isApprovable = ({ grant, amountUnits }: Request): boolean =>
  BigInt(grant.extras.approvers) !== 0n && amountUnits <= perCallOf(grant, true);

/** The operation that the payment would become. */
function requestOf({ payment, usage, claim, expectedFeeWei, chain = {} }: JudgeInput): Request | Refusal {
  const { limit, to, amountUnits } = payment;
  const { grant, units, policyId } = limit;
  const { calls } = chain;
  const measure = calls
    ? measureCalls(grant, calls.callData, calls.proofs, chain.account ?? zeroAddress)
    : { amount: amountUnits, touched: [to] };
  if (isRefusal(measure)) return measure;
  const paymaster = chain.paymaster ?? null;
  if (paymaster !== null && BigInt(paymaster) !== BigInt(grant.extras.paymaster))
    return refusal("PaymasterNotAllowed", paymaster.toLowerCase() as Address);
  return {
    grant,
    units,
    policyId,
    claim,
    treeSize: BigInt(usage.counters.treeSize) + 1n,
    feeWei: paymaster === null ? expectedFeeWei : 0n,
    amountUnits: measure.amount,
    touched: measure.touched,
    ruled: !isPlain(grant) || calls !== undefined,
    installs: null,
    approval: chain.approval?.sent ?? null,
    callHash: calls ? keccak256(calls.callData) : zeroHash,
    lane: grant.agent,
  };
}

/** Later than any heartbeat: the chain keeps 40 bits. */
const alwaysHeard = (1n << 40n) - 1n;

const stateOf = ({ chain = {} }: JudgeInput, usage: Usage): LawState => ({
  account: chain.account ?? zeroAddress,
  ownParts: [],
  epoch: BigInt(usage.epoch),
  frozen: usage.frozen,
  heartbeat: chain.heartbeat ?? alwaysHeard,
  counters: () => encodeCounters(usage.counters),
  operations: () => chain.operations ?? 0n,
  cap: () => chain.cap ?? 0n,
  approval: () => chain.approval?.state ?? "none",
  noted: () => null,
});

function advisoryDenials(input: JudgeInput): readonly Reason[] {
  const { circumstances, payment, policy } = input;
  const reasons: Reason[] = [];
  const refuse = (code: string, words: string) => reasons.push({ code, words, enforcedBy: "advisory" });
  if (circumstances.source !== null) {
    // A sender whose domain is the payee's speaks for the payee without naming it.
    const bySender =
      circumstances.sender?.authenticated === true &&
      payment.payee.senders.includes(circumstances.sender.domain ?? "");
    if (!bySender && !namesPayee(circumstances.source, payment.payee))
      refuse("payee-not-in-message", `The message does not speak of ${payment.payee.name}.`);
    if (!occursAsAmount(circumstances.source, payment.amountUnits, payment.limit.token.decimals))
      refuse("amount-not-in-message", "The amount does not occur in the message.");
    if (!circumstances.source.includes(payment.reference))
      refuse(
        "reference-not-in-message",
        `The reference "${payment.reference}" does not occur in the message.`,
      );
  }
  if (circumstances.earlier?.kind === "same") refuse("already-paid", circumstances.earlier.words);
  if (circumstances.sender && !circumstances.sender.authenticated && policy.unauthenticatedMail === "deny")
    refuse("sender-unauthenticated", circumstances.sender.detail);
  return reasons;
}

function advisoryQuestions(input: JudgeInput): readonly Reason[] {
  const { circumstances, payment, policy } = input;
  const reasons: Reason[] = [];
  const ask = (code: string, words: string) => reasons.push({ code, words, enforcedBy: "advisory" });
  const sender = circumstances.sender;
  if (sender && !sender.authenticated && policy.unauthenticatedMail === "ask")
    ask("sender-unauthenticated", sender.detail);
  if (sender?.authenticated && !payment.payee.senders.includes(sender.domain ?? ""))
    ask(
      "sender-not-payee",
      payment.payee.senders.length === 0
        ? `The policy names no domain that ${payment.payee.name} writes from, so nobody can vouch for the bill.`
        : `The mail comes from ${sender.domain ?? "an unknown domain"}, which is not a domain ${payment.payee.name} writes from.`,
    );
  if (circumstances.earlier?.kind === "similar") ask("looks-already-paid", circumstances.earlier.words);
  return reasons;
}

/** Does some number in the text, thousands separators aside, equal the amount exactly? */
export function occursAsAmount(text: string, amountUnits: bigint, decimals: number): boolean {
  return candidateAmounts(text).some((amount) => {
    const [whole = "", fraction = ""] = amount.split(".");
    const digits = fraction.replace(/0+$/, "");
    return digits.length <= decimals && BigInt(whole + digits.padEnd(decimals, "0")) === amountUnits;
  });
}
