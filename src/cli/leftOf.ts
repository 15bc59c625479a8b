import type { StandingDelegation } from "../runtime/delegate/readDelegations.ts";
import { isOfOldEpoch } from "./standing.ts";

/**
 * What an agent could take under a delegation, by the chain. Base units.
 *
 * @returns `now`: at once, by what the window or period leaves, what the payer allows and what is there; `inAll`: by what the total leaves and what
 * he allows, whatever he has by then, and undefined of a permission, which has no total. Undefined: nothing, for the chain has it not in force
 */
export function leftOf(
  row: Pick<StandingDelegation, "budget" | "delegation" | "permission">,
): { readonly now: bigint; readonly inAll: bigint | undefined } | undefined {
  const { budget, permission } = row;
  if (permission)
    return permission.revoked
      ? undefined
      : { now: least(permission.available, permission.balance), inAll: undefined };
  if (!budget || budget.status === "revoked" || isOfOldEpoch(row)) return undefined;
  const { balance, leftInTotal, leftInWindow } = budget;
  // The limits of an account of the payer's own are signed: the first operation under each brings it. Nothing is pulled out of an allowance there.
  if ("made" in budget) return { now: least(leftInTotal, leftInWindow, balance), inAll: leftInTotal };
  if (budget.status === "unknown") return undefined;
  const inAll = least(leftInTotal, budget.allowance);
  return { now: least(inAll, leftInWindow, balance), inAll };
}

const least = (first: bigint, ...others: readonly bigint[]): bigint =>
  others.reduce((low, each) => (each < low ? each : low), first);
