import { formatUnitsExact } from "../core/amount.ts";
import type { Reason, Verdict } from "../core/verdict.ts";
import type { CompiledLimit, CompiledPolicy } from "./compile.ts";
import { candidateAmounts, namesPayee } from "./occurrences.ts";
import type { Payment } from "./resolve.ts";
import {
  charge,
  gasSpent,
  spentInLifetime,
  spentInWindow,
  windowReaches,
  type Claim,
  type Usage,
} from "./usage.ts";

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
};

/**
 * Policy + usage + payment → Verdict. Twin of the Solidity law: the same integers, reasons in the order in which
 * the chain checks (all of them, not only the first). A denial beats a question.
 */
export function judge(input: JudgeInput): Verdict {
  const denials = [...chainReasons(input), ...advisoryDenials(input)];
  if (denials.length > 0) return { kind: "deny", reasons: denials as [Reason, ...Reason[]] };
  const questions = advisoryQuestions(input);
  if (questions.length > 0) return { kind: "ask", reasons: questions as [Reason, ...Reason[]] };
  return { kind: "allow", reasons: [] };
}

const show = (units: bigint, limit: CompiledLimit) =>
  `${formatUnitsExact(units, limit.token.decimals, Math.min(2, limit.token.decimals))} ${limit.token.symbol}`;
const showGas = (wei: bigint) => `${formatUnitsExact(wei, 18)} ETH`;

/** What the contracts would refuse, in their order. */
function chainReasons(input: JudgeInput): readonly Reason[] {
  const { payment, usage, claim } = input;
  const { limit, amountUnits } = payment;
  const { grant } = limit;
  const reasons: Reason[] = [];
  const refuse = (code: string, words: string) => reasons.push({ code, words, enforcedBy: "chain" });

  if (usage.frozen) refuse("frozen", "The account is frozen; only its owner can unfreeze it.");
  if (usage.counters.status !== "granted")
    refuse(
      "not-granted",
      `The ${limit.token.symbol} limit is ${usage.counters.status === "revoked" ? "revoked" : "not installed"} on this account.`,
    );
  else if (usage.counters.epoch !== usage.epoch)
    refuse("not-granted", "The owner has revoked everything granted before.");
  if (claim.validUntil > grant.expiry)
    refuse("expired", `The policy expires at ${grant.expiry} and the claim ends at ${claim.validUntil}.`);
  if (input.expectedFeeWei > grant.feeCap)
    refuse(
      "over-fee-cap",
      `Gas would cost about ${showGas(input.expectedFeeWei)}, over the ${showGas(grant.feeCap)} allowed per operation.`,
    );
  const gasLeft = grant.gasBudget - gasSpent(limit, usage.counters);
  if (input.expectedFeeWei > gasLeft)
    refuse(
      "over-gas-budget",
      `Gas would cost about ${showGas(input.expectedFeeWei)} and ${showGas(gasLeft)} of the gas budget is left.`,
    );
  if (amountUnits > grant.perCall)
    refuse(
      "over-per-payment",
      `${show(amountUnits, limit)} is over the ${show(grant.perCall, limit)} allowed per payment.`,
    );
  const charged = charge(limit, amountUnits);
  const lifetimeLeft = grant.lifetime - spentInLifetime(limit, usage.counters);
  if (charged > lifetimeLeft)
    refuse(
      "over-lifetime",
      `${show(amountUnits, limit)} is over the ${show(lifetimeLeft, limit)} left of the policy's lifetime limit.`,
    );
  const spent = spentInWindow(limit, usage.counters, claim);
  if (!windowReaches(limit, usage.counters, claim))
    refuse(
      "window-too-old",
      "A later claim was charged already, so the chain no longer holds the whole window of this one; wait and claim anew.",
    );
  else if (spent + charged > grant.perWindow)
    refuse(
      "over-window",
      `${show(amountUnits, limit)} on top of ${show(spent, limit)} already spent crosses the window's ${show(grant.perWindow, limit)}.`,
    );
  if (input.expectedFeeWei > input.gasFundsWei)
    refuse(
      "gas-unfunded",
      `Gas would cost about ${showGas(input.expectedFeeWei)} and the account has ${showGas(input.gasFundsWei)} to pay it from.`,
    );
  if (amountUnits > input.balanceUnits)
    refuse(
      "balance",
      `The account holds ${show(input.balanceUnits, limit)}, less than ${show(amountUnits, limit)}.`,
    );
  return reasons;
}

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
    if (payment.reference !== "" && !circumstances.source.includes(payment.reference))
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
