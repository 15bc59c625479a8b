import { formatUnitsExact } from "../core/amount.ts";
import type { Reason } from "../core/verdict.ts";
import type { CompiledLimit } from "./compile.ts";
import { decodeCap } from "./cap.ts";
import type { Payment } from "./resolve.ts";
import type { LawError, Refusal } from "./refusal.ts";
import { gasSpent, spentInLifetime, spentInWindow, type Usage } from "./usage.ts";
import { windowAt, type Claim } from "./window.ts";

/** What a refusal is told about. */
type Subject = {
  readonly payment: Payment;
  readonly usage: Usage;
  readonly claim: Claim;
  readonly expectedFeeWei: bigint;
  readonly chain?: { readonly cap?: bigint; readonly operations?: bigint };
};

/** Codes that machines know already; every other error has its own name in lower case, with hyphens. */
const codes: Partial<Readonly<Record<LawError, string>>> = {
  OverPerCall: "over-per-payment",
};

const codeOf = (error: LawError): string =>
  codes[error] ?? error.replaceAll(/([a-z0-9])([A-Z])/g, "$1-$2").toLowerCase();

const show = (units: bigint, limit: CompiledLimit) =>
  `${formatUnitsExact(units, limit.token.decimals, Math.min(2, limit.token.decimals))} ${limit.token.symbol}`;
const showGas = (wei: bigint) => `${formatUnitsExact(wei, 18)} ETH`;

/** A refusal of the law as people read it. */
export const reasonOf = (refused: Refusal, subject: Subject): Reason => ({
  code: codeOf(refused.error),
  words: wordsOf(refused, subject),
  enforcedBy: "chain",
});

export const approvalReason = (amountUnits: bigint, limit: CompiledLimit): Reason => ({
  code: "needs-approval",
  words: `${show(amountUnits, limit)} is over the ${show(limit.grant.perCall, limit)} allowed per payment, so an approver has to co-sign.`,
  enforcedBy: "chain",
});

export const unfundedReason = (feeWei: bigint, fundsWei: bigint): Reason => ({
  code: "gas-unfunded",
  words: `Gas would cost about ${showGas(feeWei)} and the account has ${showGas(fundsWei)} to pay it from.`,
  enforcedBy: "chain",
});

export const balanceReason = (amountUnits: bigint, balanceUnits: bigint, limit: CompiledLimit): Reason => ({
  code: "balance",
  words: `The account holds ${show(balanceUnits, limit)}, less than ${show(amountUnits, limit)}.`,
  enforcedBy: "chain",
});

/** The same where the coin that is to be paid has to pay for gas, too. */
export const coinReason = (
  amountUnits: bigint,
  balanceUnits: bigint,
  forGasWei: bigint,
  limit: CompiledLimit,
): Reason => ({
  code: "balance",
  words: `The account holds ${show(balanceUnits, limit)}, which is less than ${show(amountUnits, limit)} and about ${showGas(forGasWei)} for gas.`,
  enforcedBy: "chain",
});

function wordsOf({ error, args }: Refusal, subject: Subject): string {
  const { payment, usage, claim, expectedFeeWei } = subject;
  const { limit, amountUnits } = payment;
  const { grant } = limit;
  const [actual = 0n, allowed = 0n] = args;
  switch (error) {
    case "Frozen":
      return "The account is frozen; only its owner can unfreeze it.";
    case "NotGranted":
      return notGrantedWords(usage, limit);
    case "HeartbeatMissed":
      return `The owner was last heard of too long ago: the agent may act until ${allowed}, and the claim ends at ${actual}.`;
    case "Expired":
      return `The policy expires at ${grant.expiry} and the claim ends at ${claim.validUntil}.`;
    case "OverFeeCap":
      return `Gas would cost about ${showGas(expectedFeeWei)}, over the ${showGas(grant.feeCap)} allowed per operation.`;
    case "OverGasBudget":
      return `Gas would cost about ${showGas(expectedFeeWei)} and ${showGas(grant.gasBudget - gasSpent(limit, usage.counters))} of the gas budget is left.`;
    case "OverPerCall":
      return `${show(amountUnits, limit)} is over the ${show(BigInt(allowed), limit)} allowed per payment.`;
    case "OverLifetime":
      return `${show(amountUnits, limit)} is over the ${show(grant.lifetime - spentInLifetime(limit, usage.counters), limit)} left of the policy's lifetime limit.`;
    case "WindowTooOld":
      return "A later claim was charged already, so the chain no longer holds the whole window of this one; wait and claim anew.";
    case "OverWindow":
      return `${show(amountUnits, limit)} on top of ${show(spentInWindow(limit, usage.counters, claim), limit)} already spent crosses the window's ${show(grant.perWindow, limit)}.`;
    case "TooManyOperations":
      return `It would be operation ${actual}, and the policy allows ${allowed} in all.`;
    case "TooManyOperationsInWindow":
      return `It would be operation ${actual} in the window, which has room for ${allowed}.`;
    case "OverCap":
      return overCapWords(subject);
    case "PayeeNotAllowed":
      return `${actual} may not be paid or called under this policy.`;
    case "PaymasterNotAllowed":
      return `The policy does not let ${actual} pay the gas.`;
    case "ApproverNotAllowed":
      return `${actual} is no approver of the policy.`;
    case "ApprovalExpired":
      return `The approval holds until ${allowed} and the claim ends at ${actual}.`;
    case "ApprovalUsed":
      return "The approval has served an operation already.";
    case "ApprovalNotRecorded":
      return "The approver has neither signed nor recorded the approval.";
    case "CallCountNotAllowed":
      return `One operation makes 1 to 16 calls, each with its proof; these are ${actual}.`;
    case "FunctionNotAllowed":
      return `The policy does not allow the function ${actual} of ${limit.token.symbol}.`;
    case "RuleNotAllowed":
      return `No rule of the policy allows to call ${allowed} of ${actual}.`;
    case "ArgumentNotAllowed":
      return `Word ${actual} of a call's arguments breaks a condition of its rule, or is not there.`;
    default:
      return `The chain refuses it: ${error}${args.length > 0 ? ` (${args.join(", ")})` : ""}.`;
  }
}

function notGrantedWords({ counters }: Usage, limit: CompiledLimit): string {
  // What was granted and is not live is of an earlier epoch.
  if (counters.status === "granted") return "The owner has revoked everything granted before.";
  return `The ${limit.token.symbol} limit is ${counters.status === "revoked" ? "revoked" : "not installed"} on this account.`;
}

function overCapWords({ payment, claim, chain }: Subject): string {
  const { limit, amountUnits } = payment;
  const word = chain?.cap ?? 0n;
  const cap = decodeCap(word);
  if (!cap) return "The account's cap over all agents would be crossed.";
  const spent = windowAt(word, claim, cap.bucket).spent * cap.unit;
  return `${show(amountUnits, limit)} on top of ${show(spent, limit)} that all agents spent crosses the account's cap of ${show(cap.perWindow, limit)}.`;
}
