import type { Action } from "../../core/action.ts";
import type { Json } from "../../core/json.ts";
import type { Observation } from "../../core/observation.ts";
import type { Operation, Receipt } from "../../core/operation.ts";
import type { Trigger } from "../../core/trigger.ts";
import type { Verdict } from "../../core/verdict.ts";
import { outputOf, type DecisionRow } from "../../journal/decisions.ts";
import { operationOf } from "../../journal/operations.ts";
import { triggerOf } from "../../journal/triggers.ts";
import { resolveTransfer, isReason, type Payment } from "../../policy/resolve.ts";
import type { Outcome } from "../decisionMachine.ts";
import type { House } from "../house.ts";
import type { Thought } from "../steps/parse.ts";
import type { Sealed } from "../steps/seal.ts";

/** What the journal says about one finished decision. All of it is a claim until it was checked. */
export type Evidence = {
  readonly decision: DecisionRow;
  readonly trigger: Trigger;
  readonly observation: Observation;
  readonly thought: Thought;
  readonly action: Action;
  readonly verdict: Verdict;
  readonly sealed: Sealed;
  /** The payment that the action means if its verdict allows it, by the policy at hand. */
  readonly payment: Payment | undefined;
  readonly signed:
    { readonly operation?: Operation; readonly refusal?: Refusal; readonly fromBlock?: string } | undefined;
  readonly sent: { readonly answer: string } | undefined;
  readonly settled: { readonly receipt: Receipt } | undefined;
  readonly outcome: Outcome;
  /** The row that recovery resends. */
  readonly operation: Operation | undefined;
  output(step: string): Json;
};

type Refusal = { readonly error: string; readonly words: string };

/** A decision of which something is missing or can't be read. The message is the failure. */
export class EvidenceMissingError extends Error {
  override readonly name = "EvidenceMissingError";
}

/** @throws EvidenceMissingError, or whatever reading tampered rows throws */
export function readEvidence({ journal, policy }: House, decision: DecisionRow): Evidence {
  const output = (step: string): Json => {
    const value = outputOf(journal, decision.id, step);
    if (value === undefined) throw new EvidenceMissingError(`The journal has no output of the step ${step}.`);
    return value;
  };
  const maybe = (step: string) => outputOf(journal, decision.id, step);
  const action = output("parse") as unknown as Action;
  const verdict = output("judge") as unknown as Verdict;
  const payment =
    action.action === "transfer" && verdict.kind === "allow" ? resolveTransfer(policy, action) : undefined;
  return {
    decision,
    trigger: triggerOf(journal, decision.triggerId),
    observation: output("observe") as unknown as Observation,
    thought: output("infer") as unknown as Thought,
    action,
    verdict,
    sealed: output("seal") as unknown as Sealed,
    payment: payment && !isReason(payment) ? payment : undefined,
    signed: maybe("sign") as unknown as Evidence["signed"],
    sent: maybe("send") as unknown as Evidence["sent"],
    settled: maybe("settle") as unknown as Evidence["settled"],
    outcome: (output("record") as { outcome: Outcome }).outcome,
    operation: operationOf(journal, decision.id),
    output,
  };
}
