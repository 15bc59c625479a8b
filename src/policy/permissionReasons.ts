import type { Address, Hex } from "viem";

import { formatUnitsExact } from "../core/amount.ts";
import type { Reason } from "../core/verdict.ts";
import type { Permission } from "./permission.ts";

/** How far a permission is used, at one block. Base units. */
export type PermissionBudget = {
  /** The permission's name: the hash by which its manager knows it. */
  readonly hash: Hex;
  /** Ended at the agent's contract, or at the manager. */
  readonly revoked: boolean;
  /** What the period leaves. */
  readonly available: bigint;
  readonly balance: bigint;
  /** Why the chain would not let what seems to be left be taken now, in words; null: it would, or nothing is left. */
  readonly refusal: string | null;
};

/**
 * Why a spend under a permission would be refused, all of it, in the order of the contracts; empty: nothing stands in its way.
 *
 * @param at unix seconds of the block that the budget was read at
 */
export function permissionReasons(
  { account, expiry, start }: Permission,
  { available, balance, refusal, revoked }: PermissionBudget,
  token: { readonly symbol: string; readonly decimals: number },
  { amountUnits, at, payee }: { readonly payee: Address; readonly amountUnits: bigint; readonly at: number },
): readonly Reason[] {
  const show = (units: bigint) =>
    `${formatUnitsExact(units, token.decimals, Math.min(2, token.decimals))} ${token.symbol}`;
  const found: readonly (readonly [boolean, string, string])[] = [
    [revoked, "delegation-revoked", "The permission was revoked."],
    [at < start, "delegation-early", `The permission begins at ${start}.`],
    [at >= expiry, "delegation-expired", `The permission ended at ${expiry}.`],
    [
      BigInt(payee) === BigInt(account),
      "delegation-payee",
      "The payee is the payer: nobody is paid out of his own account.",
    ],
    [
      amountUnits > available,
      "delegation-window",
      `${show(amountUnits)} is over the ${show(available)} that the permission leaves in this period.`,
    ],
    [
      amountUnits > balance,
      "delegation-balance",
      `The payer holds ${show(balance)}, less than ${show(amountUnits)}.`,
    ],
  ];
  const isTimely = !revoked && at >= start && at < expiry;
  const works: readonly (readonly [boolean, string, string])[] = [
    [
      isTimely && refusal !== null,
      "delegation-refused",
      `The chain does not take the permission now: ${refusal}.`,
    ],
  ];
  return [...found, ...works].flatMap(([holds, code, words]): Reason[] =>
    holds ? [{ code, words, enforcedBy: "chain" }] : [],
  );
}
