import type { Action } from "../../core/action.ts";
import type { Json } from "../../core/json.ts";
import type { Observation } from "../../core/observation.ts";
import type { Operation, Receipt } from "../../core/operation.ts";
import type { Trigger } from "../../core/trigger.ts";
import type { Verdict } from "../../core/verdict.ts";
import { outputOf, type DecisionRow } from "../../journal/decisions.ts";
import { operationsFor } from "../../journal/operations.ts";
import { triggerOf } from "../../journal/triggers.ts";
import type { Outcome } from "../decisionMachine.ts";
import { allowedDeed, type Deed } from "../deed.ts";
import type { Thought } from "../deliberation.ts";
import type { House } from "../house.ts";
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
  /** What the action comes to if its verdict allows it, by the policy and the agent at hand. */
  readonly deed: Deed | undefined;
  readonly signed:
    { readonly operation?: Operation; readonly refusal?: Refusal; readonly fromBlock?: string } | undefined;
  readonly sent: { readonly answer: string } | undefined;
  readonly settled: { readonly receipt: Receipt } | undefined;
  readonly outcome: Outcome;
  /** What recovery resends: the operation and its fee bumps, oldest first. None: nothing was signed. */
  readonly operations: readonly Operation[];
  output(step: string): Json;
};

type Refusal = { readonly error: string; readonly words: string; readonly by?: string };

/** A decision of which something is missing or can't be read. The message is the failure. */
export class EvidenceMissingError extends Error {
  override readonly name = "EvidenceMissingError";
}

/** @throws EvidenceMissingError, or whatever reading tampered rows throws */
export function readEvidence(house: House, decision: DecisionRow): Evidence {
  const { journal } = house;
  const output = (step: string): Json => {
    const value = outputOf(journal, decision.id, step);
    if (value === undefined) throw new EvidenceMissingError(`The journal has no output of the step ${step}.`);
    return value;
  };
  const maybe = (step: string) => outputOf(journal, decision.id, step);
  const action = output("parse") as unknown as Action;
  const verdict = output("judge") as unknown as Verdict;
  const observation = output("observe") as unknown as Observation;
  return {
    decision,
    trigger: triggerOf(journal, decision.agent, decision.triggerId),
    observation,
    thought: output("infer") as unknown as Thought,
    action,
    verdict,
    sealed: output("seal") as unknown as Sealed,
    deed: allowedDeed(house, action, verdict, observation),
    signed: maybe("sign") as unknown as Evidence["signed"],
    sent: maybe("send") as unknown as Evidence["sent"],
    settled: maybe("settle") as unknown as Evidence["settled"],
    outcome: (output("record") as { outcome: Outcome }).outcome,
    operations: operationsFor(journal, decision.id),
    output,
  };
}
