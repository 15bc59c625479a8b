import { decodeFunctionData, encodeFunctionData, isAddressEqual, type Address } from "viem";

import type { Call } from "../core/operation.ts";
import type { CompiledLimit, CompiledPolicy } from "./compile.ts";
import { functionBits } from "./grant.ts";
import { countedFunctions, holdingRule, payeeOf, wordOf } from "./proveCalls.ts";
import { mostCalls } from "./measureCalls.ts";
import { nativeToken } from "./registry.ts";

/** What one grant counts of some calls, and which of them it does not allow. */
export type CallCount = {
  readonly limit: CompiledLimit;
  /** Base units of the limit's asset, all calls together. */
  readonly amountUnits: bigint;
  /** The part of it that somebody else may take later. */
  readonly approved: readonly { readonly spender: Address; readonly units: bigint }[];
  readonly refusals: readonly string[];
};

/** The grant that allows all of the calls, or the one that refuses the fewest: an operation acts under one grant. */
export function countCalls(policy: CompiledPolicy, calls: readonly Call[], account: Address): CallCount {
  const counts = policy.limits.map((limit) => countUnder(policy, limit, calls, account));
  return counts.reduce((best, one) => (one.refusals.length < best.refusals.length ? one : best));
}

/** What one grant counts of the calls. */
export function countUnder(
  policy: CompiledPolicy,
  limit: CompiledLimit,
  calls: readonly Call[],
  account: Address,
): CallCount {
  const refusals: string[] = [];
  const approved: { spender: Address; units: bigint }[] = [];
  let amountUnits = 0n;
  const { asset, extras } = limit.grant;
  const native = asset === nativeToken.address;
  const rules = limit.calls.map(({ rule }) => rule);
  if (calls.length === 0 || calls.length > mostCalls)
    refusals.push(`${calls.length} calls: one operation makes 1 to ${mostCalls}.`);
  for (const [index, call] of calls.entries()) {
    const at = `Call ${index + 1}`;
    const selector = call.data.slice(0, 10);
    if (call.valueWei > 0n && !native)
      refusals.push(`${at} sends native coin, and the ${limit.token.symbol} limit counts none.`);
    const payee = payeeOf(call, asset);
    if (payee === undefined) {
      const rule = holdingRule(call, rules, account);
      if (!rule) refusals.push(`${at}: no rule allows ${selector} of ${call.to} with these arguments.`);
      else
        amountUnits +=
          call.valueWei + (rule.spends === 0n ? 0n : (wordOf(call.data, rule.spends - 1n) ?? 0n));
      continue;
    }
    if (!policy.payees.some(({ address }) => isAddressEqual(address, payee)))
      refusals.push(`${at}: ${payee} is no payee of the policy.`);
    if (native) {
      amountUnits += call.valueWei;
      continue;
    }
    const { args, functionName } = decodeFunctionData({ abi: countedFunctions, data: call.data });
    const plain = encodeFunctionData({
      abi: countedFunctions,
      functionName,
      args,
    });
    if (plain !== call.data.toLowerCase())
      refusals.push(`${at}: the data of ${functionName} is encoded in another way than the ABI's.`);
    const bit = functionName in functionBits ? functionBits[functionName as keyof typeof functionBits] : 0n;
    if ((extras.functions & bit) !== bit)
      refusals.push(`${at}: the ${limit.token.symbol} limit does not allow ${functionName}.`);
    const owned = functionName === "transferFrom" || functionName === "permit";
    if (owned && !isAddressEqual(args[0], account))
      refusals.push(`${at}: ${functionName} is for the account's own tokens only.`);
    const units = args[owned ? 2 : 1] as bigint;
    amountUnits += units;
    if (functionName !== "transfer" && functionName !== "transferFrom")
      approved.push({ spender: payee, units });
  }
  return { limit, amountUnits, approved, refusals };
}
