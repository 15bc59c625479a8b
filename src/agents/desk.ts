import type { Address } from "viem";

import type { Desk } from "../core/agent.ts";
import { parseUnitsExact } from "../core/amount.ts";
import { BaseError } from "../core/errors.ts";
import type { Observation } from "../core/observation.ts";
import type { CompiledPolicy } from "../policy/compile.ts";
import { paymentCall } from "../policy/paymentCall.ts";
import { nativeToken, type Token } from "../policy/registry.ts";

/** A word that stands for nothing in the policy. */
export class DeskError extends BaseError {
  override readonly name = "DeskError";
}

/** The policy's words for an action's code: names in, addresses and base units out. */
export function deskOf(policy: CompiledPolicy, account: Address, observation: Observation): Desk {
  const found = <T>(thing: T | undefined, kind: string, name: string): T => {
    if (thing !== undefined) return thing;
    throw new DeskError(`"${name}" is no ${kind} of the policy.`, {
      remedy: "Use one of the names that the policy gives.",
    });
  };
  const payeeNamed = (name: string): Address =>
    found(
      policy.payees.find((payee) => payee.name === name),
      "payee",
      name,
    ).address;
  const tokenNamed = (symbol: string): Token =>
    found(
      [nativeToken, ...policy.tokens].find((token) => token.symbol === symbol),
      "token",
      symbol,
    );
  return Object.freeze({
    account,
    observation,
    payees: policy.payees.map(({ name }) => name),
    address: (name: string) =>
      policy.tokens.find(({ symbol }) => symbol === name)?.address ??
      found(
        [...policy.payees, ...policy.contracts].find((known) => known.name === name),
        "name",
        name,
      ).address,
    units: (symbol: string, amount: string) => parseUnitsExact(amount, tokenNamed(symbol).decimals),
    pay(symbol: string, payee: string, amount: string) {
      const token = tokenNamed(symbol);
      return paymentCall(token, payeeNamed(payee), parseUnitsExact(amount, token.decimals));
    },
  });
}
