import { compilePolicy, type CompiledLimit, type CompiledPolicy } from "./compile.ts";
import type { Finding, LintFacts, Severity } from "./finding.ts";
import { bucketsPerWindow } from "./grant.ts";
import { lintCalls } from "./lintCalls.ts";
import type { ClausePath } from "./mistakes.ts";
import { nativeToken, showUnits } from "./registry.ts";
import type { PolicyDocument } from "./schema.ts";
import { lengthInWords } from "./time.ts";
import { leavesAllowances, worstCase } from "./worstCase.ts";

const yearSeconds = 366n * 86_400n;
/** Gas over all grants from which on a policy looks like a slip of the decimal point, in wei: one coin. */
const muchGasWei = 10n ** 18n;
/** A lifetime of this many windows makes a way to stop the agent matter. */
const manyWindows = 10n;

type Find = (code: string, severity: Severity, path: ClausePath, words: string, remedy: string) => void;

/** Combinations that the language allows and that a careful owner asks twice about. The worst first. */
export function lintPolicy(document: PolicyDocument, facts: LintFacts): readonly Finding[] {
  const policy = compilePolicy(document, facts.agent ?? nativeToken.address);
  const findings: Finding[] = [...lintCalls(policy)];
  const find: Find = (code, severity, path, words, remedy) =>
    findings.push({ code, severity, path, words, remedy });
  lintTime(policy, BigInt(facts.now), find);
  if (!policy.watchOnly)
    for (const [index, limit] of policy.limits.entries()) lintLimit(policy, limit, index, find);
  lintPeople(policy, facts, find);
  lintGas(policy, find);
  if (policy.unauthenticatedMail === "allow")
    find(
      "mail-unauthenticated",
      "warning",
      ["mail", "unauthenticated"],
      "Advisory: a bill is paid though nobody knows who sent it.",
      "Use ask or deny.",
    );
  const order: readonly Severity[] = ["error", "warning", "info"];
  return findings.toSorted((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
}

function lintTime(policy: CompiledPolicy, now: bigint, find: Find): void {
  const { expiry, extras } = policy.limits[0]!.grant;
  const left = expiry - now;
  if (left <= 0n)
    return find(
      "expired",
      "error",
      ["expires"],
      "The policy has expired: the chain refuses all of it.",
      "Write a later moment.",
    );
  if (left > yearSeconds)
    find(
      "expires-late",
      "warning",
      ["expires"],
      "The policy is good for more than a year.",
      "Let it expire sooner; granting again takes a minute.",
    );
  if (extras.heartbeat > left)
    find(
      "heartbeat-after-expiry",
      "warning",
      ["heartbeat"],
      `A heartbeat is good for ${lengthInWords(extras.heartbeat)}, longer than the policy.`,
      "Shorten it, or it will never stop the agent.",
    );
  for (const [index, { grant }] of policy.watchOnly ? [] : policy.limits.entries()) {
    const window = grant.bucket * bucketsPerWindow;
    if (window > left)
      find(
        "window-after-expiry",
        "warning",
        ["limits", index, "window"],
        `The window of ${lengthInWords(window)} is longer than the policy lasts, so perWindow is what holds over its lifetime.`,
        "Shorten the window, or write the lifetime that is meant.",
      );
  }
}

function lintLimit(policy: CompiledPolicy, limit: CompiledLimit, index: number, find: Find): void {
  const { token, grant } = limit;
  const at = (...path: readonly string[]): ClausePath => ["limits", index, ...path];
  const all = grant.perCall === grant.lifetime && grant.perCall > 0n;
  if (all)
    find(
      "payment-is-lifetime",
      "warning",
      at("perPayment"),
      `One operation may pay all ${token.symbol} that may ever be paid.`,
      "Lower perPayment, so that a mistake costs a part.",
    );
  if (leavesAllowances(limit)) {
    if (grant.lifetime > 0n && grant.perWindow === grant.lifetime)
      find(
        "approve-without-cap",
        "error",
        at("functions"),
        `All ${token.symbol} of the lifetime may be approved ${all ? "at once" : "in one window"}: nothing caps an approval.`,
        "Lower perPayment and perWindow below the lifetime.",
      );
    find(
      "allowance-lasts",
      "info",
      at("functions"),
      `What is approved may be taken at any later time, so up to ${showUnits(worstCase(policy).assets[index]!.lifetime, token)} in one instant, also after revocation.`,
      "Let the agent approve just before it is used; after revoking, set allowances to zero.",
    );
    for (const payee of policy.payees.filter(({ contract }) => !contract))
      find(
        "approve-to-key",
        "warning",
        ["payees", payee.name],
        `${payee.name} is not marked as a contract, and may be approved ${token.symbol}.`,
        "A person needs no allowance: use a policy of its own for payments, or mark it `contract: true`.",
      );
  }
  const step = 10n ** BigInt(limit.units.exponent);
  if (grant.perWindow > 0n && step * 1000n > grant.perWindow)
    find(
      "step-coarse",
      "warning",
      at("lifetime"),
      `Amounts count in steps of ${showUnits(step, token)}, rounded up: small payments use up the window of ${showUnits(grant.perWindow, token)} early.`,
      "Lower the lifetime: the steps follow from it.",
    );
  if (grant.extras.operations === 0n && grant.extras.operationsPerWindow === 0n)
    find(
      "operations-unlimited",
      "info",
      at("operations"),
      `Nothing limits how often ${token.symbol} is paid.`,
      "Add `operations` with perWindow or lifetime.",
    );
  const cap = policy.accountCaps.findIndex((one) => one.token.address === token.address);
  if (cap >= 0 && policy.accountCaps[cap]!.perWindow < grant.perCall)
    find(
      "cap-below-payment",
      "warning",
      ["accountCaps", cap, "perWindow"],
      `The account's cap of ${showUnits(policy.accountCaps[cap]!.perWindow, token)} is below perPayment, so a payment of that size always fails.`,
      "Raise the cap, or lower perPayment.",
    );
  if (
    policy.guardians.length === 0 &&
    grant.perWindow > 0n &&
    grant.lifetime >= manyWindows * grant.perWindow
  )
    find(
      "no-guardian",
      "info",
      at("lifetime"),
      `The lifetime is ${grant.lifetime / grant.perWindow} windows long, and only the owner can stop the agent.`,
      "Name somebody under guardians.",
    );
}

function lintPeople(policy: CompiledPolicy, { agent }: LintFacts, find: Find): void {
  const same = (a: string, b: string | undefined) => a.toLowerCase() === b?.toLowerCase();
  for (const payee of policy.payees) {
    const path = ["payees", payee.name];
    if (policy.tokens.some(({ address }) => address === payee.address))
      find(
        "payee-is-token",
        "error",
        path,
        `${payee.name} is a token's contract: what is paid to it is lost.`,
        "Write the payee's own address.",
      );
    else if (payee.contract || policy.contracts.some(({ address }) => address === payee.address))
      find(
        "payee-forwards",
        "warning",
        path,
        `${payee.name} is a contract: it may forward what it is paid to anybody.`,
        "Make sure what its code does with money that is sent to it, or pay a plain address.",
      );
    if (same(payee.address, agent) && !payee.purse)
      find(
        "payee-is-agent",
        "error",
        path,
        `${payee.name} is the agent's own key.`,
        "Mark it `purse: true` if that is meant, or write the right address.",
      );
  }
  for (const approver of policy.approvers) {
    const path = ["approvers", approver.name];
    const payee = policy.payees.find(({ address }) => address === approver.address);
    if (same(approver.address, agent) || payee?.purse)
      find(
        "approver-is-agent",
        "error",
        path,
        `${approver.name} is a key that the agent holds, so it approves for itself.`,
        "Name a key that only a person holds.",
      );
    else if (payee)
      find(
        "approver-is-payee",
        "warning",
        path,
        `${approver.name} approves payments and is the payee ${payee.name}.`,
        "Name somebody who is not paid.",
      );
  }
  if (policy.approvers.length > 0 && policy.limits.every(({ grant }) => grant.extras.ceiling === 0n))
    find(
      "approvers-unused",
      "warning",
      ["approvers"],
      "No limit has an escalation, so nobody is asked.",
      "Add `escalation: { upTo: … }` to a limit.",
    );
  const calls = policy.limits.flatMap((limit) => limit.calls);
  const called = new Set(calls.map(({ to }) => to));
  const compared = new Set(calls.flatMap(({ rule }) => rule.conditions.flatMap(({ operands }) => operands)));
  for (const { name, address } of policy.contracts.filter((one) => !called.has(one.name)))
    if (!compared.has(BigInt(address)))
      find(
        "contract-unused",
        "info",
        ["contracts", name],
        `No call goes to ${name}, and no condition names it.`,
        "Remove it.",
      );
}

function lintGas(policy: CompiledPolicy, find: Find): void {
  const { gasBudget, feeCap } = policy.limits[0]!.grant;
  const { paymaster } = policy.limits[0]!.grant.extras;
  if (BigInt(paymaster) !== 0n)
    find(
      "paymaster-allowance",
      "warning",
      ["paymaster"],
      `${paymaster} may take all of any token allowance that it has, with every operation that it sponsors.`,
      "Give it no allowance, or a small one; nothing in the policy holds it.",
    );
  const total = worstCase(policy).gas.lifetime;
  if (total >= muchGasWei)
    find(
      "gas-much",
      "warning",
      ["gas", "budget"],
      `Up to ${showUnits(total, nativeToken)} may go for gas, over ${policy.limits.length === 1 ? "one limit" : `${policy.limits.length} limits`}.`,
      "Lower the budget to what the operations you expect cost.",
    );
  if (feeCap > gasBudget)
    find(
      "gas-cap-over-budget",
      "warning",
      ["gas", "perOperation"],
      "One operation may cost more gas than the whole budget.",
      "Lower perOperation.",
    );
}
