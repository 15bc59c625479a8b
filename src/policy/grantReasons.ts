import type { Address, Hex } from "viem";

import { formatUnitsExact } from "../core/amount.ts";
import type { Reason } from "../core/verdict.ts";
import type { SpendGrant } from "./spendGrant.ts";

/** How far a grant is used, at one block. Base units. */
export type GrantBudget = {
  readonly hash: Hex;
  readonly status: "unknown" | "granted" | "revoked";
  /** The payer's epoch. */
  readonly epoch: bigint;
  readonly spent: bigint;
  readonly leftInTotal: bigint;
  readonly leftInWindow: bigint;
  readonly balance: bigint;
  readonly allowance: bigint;
};

/**
 * Why a spend under a grant would be refused, in the contract's order, all of it: what `requireSpendable` of ISpendGrant says, and
 * then what the token would say. Empty: nothing stands in its way.
 *
 * @param at unix seconds of the block that the budget was read at
 */
export function grantReasons(
  grant: SpendGrant,
  budget: GrantBudget,
  token: { readonly symbol: string; readonly decimals: number },
  spend: { readonly payee: Address; readonly amountUnits: bigint; readonly at: number },
): readonly Reason[] {
  const reasons: Reason[] = [];
  const refuse = (holds: boolean, code: string, words: () => string) => {
    if (holds) reasons.push({ code, words: words(), enforcedBy: "chain" });
  };
  const show = (units: bigint) =>
    `${formatUnitsExact(units, token.decimals, Math.min(2, token.decimals))} ${token.symbol}`;
  const { amountUnits, at, payee } = spend;
  refuse(
    grant.epoch !== budget.epoch,
    "delegation-revoked",
    () => "The payer has revoked all his delegations.",
  );
  refuse(budget.status === "revoked", "delegation-revoked", () => "The delegation was revoked.");
  refuse(budget.status === "unknown", "delegation-unknown", () => "The chain does not know the delegation.");
  refuse(at < grant.validAfter, "delegation-early", () => `The delegation begins after ${grant.validAfter}.`);
  refuse(at >= grant.validUntil, "delegation-expired", () => `The delegation ended at ${grant.validUntil}.`);
  refuse(
    !grant.anyPayee && !grant.payees.some((one) => BigInt(one) === BigInt(payee)),
    "delegation-payee",
    () => `The delegation does not name ${payee}.`,
  );
  refuse(
    amountUnits > grant.perCall,
    "delegation-per-payment",
    () => `${show(amountUnits)} is over the ${show(grant.perCall)} that the delegation allows at a time.`,
  );
  refuse(
    amountUnits > budget.leftInTotal,
    "delegation-used-up",
    () => `${show(amountUnits)} is over the ${show(budget.leftInTotal)} that the delegation leaves in all.`,
  );
  refuse(
    amountUnits > budget.leftInWindow,
    "delegation-window",
    () =>
      `${show(amountUnits)} is over the ${show(budget.leftInWindow)} that the delegation leaves at this time.`,
  );
  refuse(
    amountUnits > budget.allowance,
    "delegation-allowance",
    () => `${show(amountUnits)} is over the allowance of ${show(budget.allowance)} that the payer has left.`,
  );
  refuse(
    amountUnits > budget.balance,
    "delegation-balance",
    () => `The payer holds ${show(budget.balance)}, less than ${show(amountUnits)}.`,
  );
  return reasons;
}
