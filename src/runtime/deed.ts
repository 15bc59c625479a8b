import { isActing, intentOf } from "../agents/answers.ts";
import { deskOf } from "../agents/desk.ts";
import { formatUnitsExact } from "../core/amount.ts";
import type { Action } from "../core/action.ts";
import type { Observation } from "../core/observation.ts";
import type { Call } from "../core/operation.ts";
import type { Reason, Verdict } from "../core/verdict.ts";
import { limitFor, type CompiledLimit } from "../policy/compile.ts";
import { countUnder } from "../policy/countCalls.ts";
import type { Bill } from "../policy/duplicates.ts";
import { paymentCall } from "../policy/paymentCall.ts";
import { payeeOf } from "../policy/proveCalls.ts";
import { paymentOfCalls } from "../policy/replay.ts";
import { isReason, resolveTransfer, type Payment } from "../policy/resolve.ts";
import type { House } from "./house.ts";
import { leftAlone } from "./leftAlone.ts";
import { payerCall, payerFor, type Payer } from "./payer.ts";

/** What an Action comes to on the chain: calls under one limit of the policy. */
export type Deed = {
  readonly limit: CompiledLimit;
  readonly calls: readonly Call[];
  /** Out of whose account, if not the agent's own. */
  readonly payer?: Payer;
  /** For a transfer: who is paid what. For other calls, what the limit counts of them. */
  readonly payment: Payment;
  readonly transfer: boolean;
  /** What must not happen twice, as the duplicate check compares it; undefined: it may. */
  readonly bill: Bill | undefined;
  /** What it is, for people. */
  readonly words: string;
};

type Where = Pick<House, "agent" | "policy" | "account">;

/**
 * Action → Deed, or why the policy has none for it; undefined where there is nothing to do. Pure: a verifier comes to the same.
 *
 * @throws whatever the agent's own code throws, which `readAnswer` has asked before
 */
export function deedOf(house: Where, action: Action, observation: Observation): Deed | Reason | undefined {
  if (action.action === "hold") return undefined;
  if (action.action === "act") return deedOfAct(house, action, observation);
  const payment = resolveTransfer(house.policy, action);
  if (isReason(payment)) return payment;
  const { limit, to, amountUnits } = payment;
  const alone = leftAlone(limit, observation);
  if (alone) return alone;
  const payer = payerFor(limit, observation);
  if (payer !== undefined && isRefused(payer)) return payer;
  return {
    limit,
    calls: [payer ? payerCall(payer, to, amountUnits) : paymentCall(limit.token, to, amountUnits)],
    ...(payer ? { payer } : {}),
    payment,
    transfer: true,
    bill: {
      payee: payment.payee.name,
      address: to.toLowerCase(),
      reference: payment.reference,
      references: (observation.facts["mail.references"]?.value ?? []) as readonly string[],
      amountUnits: amountUnits.toString(),
      asset: limit.grant.asset,
      at: observation.blockTimestamp,
    },
    words: show(amountUnits, limit),
  };
}

function deedOfAct(
  { account, agent, policy }: Where,
  act: Extract<Action, { action: "act" }>,
  observation: Observation,
): Deed | Reason | undefined {
  if (!isActing(agent)) throw new Error("An agent without actions of its own has acted.");
  const { calls, once, spends } = intentOf(agent, act, deskOf(policy, account, observation));
  if (spends === undefined) return undefined;
  const limit = limitFor(policy, spends);
  if (!limit)
    return {
      code: "token-not-allowed",
      words: `The policy has no limit for ${spends}, which ${act.name} would be counted in.`,
      enforcedBy: "chain",
    };
  const alone = leftAlone(limit, observation);
  if (alone) return alone;
  const count = countUnder(policy, limit, calls, account);
  if (count.refusals.length > 0)
    return { code: "call-not-allowed", words: count.refusals.join(" "), enforcedBy: "chain" };
  const { amountUnits } = count;
  return {
    limit,
    calls,
    payment: paymentOfCalls(count, payeeOf(calls[0]!, limit.grant.asset) ?? calls[0]!.to),
    transfer: false,
    bill:
      once === undefined
        ? undefined
        : {
            payee: `act:${act.name}`,
            address: "",
            reference: once,
            references: [],
            amountUnits: amountUnits.toString(),
            asset: limit.grant.asset,
            at: observation.blockTimestamp,
          },
    words: `${act.name} (${show(amountUnits, limit)})`,
  };
}

const show = (units: bigint, { token }: CompiledLimit): string =>
  `${formatUnitsExact(units, token.decimals, 2)} ${token.symbol}`;

/** The deed that a decision does: one that its verdict allows. */
export function allowedDeed(
  house: Where,
  action: Action,
  verdict: Verdict,
  observation: Observation,
): Deed | undefined {
  if (verdict.kind !== "allow") return undefined;
  const deed = deedOf(house, action, observation);
  return deed === undefined || isRefused(deed) ? undefined : deed;
}

export const isRefused = (value: Deed | Payer | Reason): value is Reason => "code" in value;
