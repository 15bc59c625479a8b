import type { Address } from "viem";

import { parseUnitsExact } from "../core/amount.ts";
import type { Transfer } from "../core/action.ts";
import type { Reason } from "../core/verdict.ts";
import { limitFor, type CompiledLimit, type CompiledPolicy } from "./compile.ts";
import { nativeToken, type Payee } from "./registry.ts";

/** A Transfer whose words were replaced by what the registry says they mean. */
export type Payment = {
  readonly payee: Payee;
  readonly to: Address;
  readonly limit: CompiledLimit;
  readonly amountUnits: bigint;
  readonly reference: string;
};

/** Words → registry. The model names; only this code knows addresses and decimals. */
export function resolveTransfer(policy: CompiledPolicy, transfer: Transfer): Payment | Reason {
  const refuse = (code: string, words: string): Reason => ({ code, words, enforcedBy: "chain" });
  const payee = policy.payees.find((known) => known.name === transfer.to);
  if (!payee) return refuse("payee-unknown", `"${transfer.to}" is not a payee of the policy.`);
  const limit = limitFor(policy, transfer.token);
  if (!limit) {
    const known =
      policy.tokens.some((token) => token.symbol === transfer.token) || transfer.token === nativeToken.symbol;
    return refuse(
      "token-not-allowed",
      known
        ? `The policy has no limit for ${transfer.token}, so none may be paid.`
        : `${transfer.token} is not a token of the policy.`,
    );
  }
  let amountUnits: bigint;
  try {
    amountUnits = parseUnitsExact(transfer.amount, limit.token.decimals);
  } catch {
    return refuse(
      "amount-unusable",
      `${transfer.amount} ${transfer.token} is not a whole number of base units.`,
    );
  }
  if (amountUnits === 0n) return refuse("amount-unusable", "The amount is zero.");
  return { payee, to: payee.address, limit, amountUnits, reference: transfer.reference };
}

export const isReason = (value: Payment | Reason): value is Reason => "code" in value;
