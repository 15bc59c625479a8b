import type { Action } from "../core/action.ts";
import type { Observation } from "../core/observation.ts";
import type { Verdict } from "../core/verdict.ts";
import { delegationOf } from "../journal/delegations.ts";
import { allowedDeed } from "./deed.ts";
import type { StepContext } from "./house.ts";
import { leftAloneFacts } from "./leftAlone.ts";
import { payerFor } from "./payer.ts";

/**
 * Has whoever pays for a decision parted since it was observed, however long its model thought or the machine was off: his wallet's session is
 * over, or he ended what he gave? Asked right before it is signed and sent. Only an honest runtime asks; the chain knows its own words alone.
 */
export function hasParted({ house, output }: Pick<StepContext, "house" | "output">): boolean {
  const observation = output("observe") as unknown as Observation;
  const verdict = output("judge") as unknown as Verdict;
  const limit = allowedDeed(house, output("parse") as unknown as Action, verdict, observation)?.limit;
  if (limit === undefined) return false;
  // A limit of the payer's own account: its deed would have been refused, had this been so when it was observed.
  if (leftAloneFacts({ ...house, policy: { ...house.policy, limits: [limit] } }).length > 0) return true;
  const payer = payerFor(limit, observation);
  if (payer === undefined || "code" in payer) return false;
  return delegationOf(house.journal, payer.budget.hash)?.state !== "inForce";
}
