import type { Address, Hex } from "viem";

import { permissionSpendCall, permissionSpendSelector } from "../chain/permissionCall.ts";
import { grantSpendCall, spendSelector } from "../chain/spendGrantCall.ts";
import type { AllowanceSource } from "../core/delegation.ts";
import type { JsonObject } from "../core/json.ts";
import type { Observation } from "../core/observation.ts";
import type { Call } from "../core/operation.ts";
import type { Reason } from "../core/verdict.ts";
import type { CompiledLimit } from "../policy/compile.ts";
import { grantReasons, type GrantBudget } from "../policy/grantReasons.ts";
import { permissionOf, type Permission } from "../policy/permission.ts";
import { permissionReasons, type PermissionBudget } from "../policy/permissionReasons.ts";
import type { SpendGrant } from "../policy/spendGrant.ts";
import { spendGrantOf } from "../policy/spendGrantJson.ts";

/** Somebody who delegated, out of whose account an agent pays, and how far that is used. */
export type Payer =
  | {
      readonly rung: "spendGrant";
      readonly contract: Address;
      readonly grant: SpendGrant;
      readonly source: AllowanceSource;
      readonly budget: GrantBudget;
    }
  | {
      readonly rung: "erc7715";
      readonly contract: Address;
      readonly permission: Permission;
      readonly budget: PermissionBudget;
    };

/** The fact that says who pays in a token. */
export const payerFact = (symbol: string): string => `delegation.${symbol}`;

const targetOf = ({ calls }: CompiledLimit, selector: Hex): Address | undefined =>
  calls.find(({ rule }) => rule.selector === selector)?.rule.target;

/** The SpendGrant contract that a limit pays through, if its policy has a rule for that. */
export const grantContractOf = (limit: CompiledLimit): Address | undefined => targetOf(limit, spendSelector);

/** The agent's PermissionSpender that a limit pays through, if its policy has a rule for that. */
export const spenderOf = (limit: CompiledLimit): Address | undefined =>
  targetOf(limit, permissionSpendSelector);

/** Does a limit pay out of accounts of people who delegated? Then it pays in no other way. */
export const paysForOthers = (limit: CompiledLimit): boolean =>
  grantContractOf(limit) !== undefined || spenderOf(limit) !== undefined;

const amounts = ["epoch", "spent", "leftInTotal", "leftInWindow", "balance", "allowance"] as const;

type PayerFact = {
  readonly contract: Address;
  readonly grant: JsonObject;
} & (
  | {
      /** Observations from before there were permissions do not say it. */
      readonly rung?: "spendGrant";
      readonly source: AllowanceSource;
      readonly budget: Readonly<Record<string, string>>;
    }
  | {
      readonly rung: "erc7715";
      readonly budget: {
        readonly hash: Hex;
        readonly revoked: boolean;
        readonly available: string;
        readonly balance: string;
        readonly refusal: string | null;
      };
    }
);

/** Who pays under a limit: undefined where the agent's own account does; a reason where nobody does who should. Pure. */
export function payerFor(limit: CompiledLimit, { facts }: Observation): Payer | Reason | undefined {
  if (!paysForOthers(limit)) return undefined;
  const { symbol } = limit.token;
  const fact = facts[payerFact(symbol)]?.value as PayerFact | undefined;
  if (fact === undefined)
    return {
      code: "no-delegation",
      words: `Nobody delegates ${symbol} to the agent now, and it has none of its own to spend.`,
      enforcedBy: "chain",
    };
  const { contract, grant } = fact;
  if (fact.rung === "erc7715") {
    const { available, balance, hash, refusal, revoked } = fact.budget;
    const budget = { hash, refusal, revoked, available: BigInt(available), balance: BigInt(balance) };
    return { rung: "erc7715", contract, permission: permissionOf(grant), budget };
  }
  const { budget, source } = fact;
  const [epoch, spent, leftInTotal, leftInWindow, balance, allowance] = amounts.map((name) =>
    BigInt(budget[name] ?? 0),
  ) as [bigint, bigint, bigint, bigint, bigint, bigint];
  return {
    rung: "spendGrant",
    contract,
    grant: spendGrantOf(grant),
    source,
    budget: {
      hash: budget["hash"] as Hex,
      status: budget["status"] as GrantBudget["status"],
      epoch,
      spent,
      leftInTotal,
      leftInWindow,
      balance,
      allowance,
    },
  };
}

/** The call that pays out of a payer's account. */
export const payerCall = (payer: Payer, to: Address, amountUnits: bigint): Call =>
  payer.rung === "erc7715"
    ? permissionSpendCall(payer.contract, payer.permission, to, amountUnits)
    : grantSpendCall(payer.contract, payer.grant, to, amountUnits, payer.source);

/** What a payer has, and lets be taken, in base units. */
export function payerHas(payer: Payer): bigint {
  if (payer.rung === "erc7715") return payer.budget.balance;
  const { allowance, balance } = payer.budget;
  return balance < allowance ? balance : allowance;
}

/** Why a payer's own law would refuse a payment, beside the agent's. */
export const payerReasons = (
  payer: Payer,
  token: { readonly symbol: string; readonly decimals: number },
  spend: { readonly payee: Address; readonly amountUnits: bigint; readonly at: number },
): readonly Reason[] =>
  payer.rung === "erc7715"
    ? permissionReasons(payer.permission, payer.budget, token, spend)
    : grantReasons(payer.grant, payer.budget, token, spend);
