import {
  decodeFunctionData,
  encodeAbiParameters,
  erc20Abi,
  isAddressEqual,
  parseAbi,
  type Address,
  type Hex,
} from "viem";

import type { Call } from "../core/operation.ts";
import type { CompiledLimit } from "./compile.ts";
import { nativeToken } from "./registry.ts";
import { payeeProof, type PayeeTree } from "./payeeTree.ts";
import { comparison, ruleParameter, ruleProof, ruleTree, type Condition, type Rule } from "./rule.ts";

/** Why one call of an operation is allowed: twin of `CallProof` in contracts/interfaces/ISpendPolicy.sol. */
export type CallProof = {
  /** Sibling hashes from the payee (or spender) to the grant's payees, or from the rule to its rules. */
  readonly path: readonly Hex[];
  /** abi.encode(Rule); empty for what the grant's own asset does. */
  readonly rule: Hex;
};

/** The functions of the asset that the chain counts by itself. Twin of `_tokenCall` in contracts/libraries/Rules.sol. */
export const countedFunctions = [
  ...erc20Abi,
  ...parseAbi([
    "function increaseAllowance(address spender, uint256 addedValue) returns (bool)",
    "function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)",
  ]),
] as const;

/**
 * The proofs that a kind 4 signature carries, one for each call. A call that nothing allows gets an empty proof, which
 * the chain refuses in its own words: this only proves, it does not judge.
 */
export function proveCalls(
  calls: readonly Call[],
  limit: CompiledLimit,
  payees: PayeeTree,
  account: Address,
): readonly CallProof[] {
  return witnessesOf(calls, limit, payees, account).map(({ path, rule }) => ({
    path,
    rule: rule === null ? "0x" : encodeAbiParameters([ruleParameter], [rule]),
  }));
}

/** The same with the rules themselves, as the law's twin takes them (`measureCalls`). */
export function witnessesOf(
  calls: readonly Call[],
  limit: CompiledLimit,
  payees: PayeeTree,
  account: Address,
): readonly { readonly path: readonly Hex[]; readonly rule: Rule | null }[] {
  const rules = limit.calls.map(({ rule }) => rule);
  return calls.map((call) => {
    const payee = payeeOf(call, limit.grant.asset);
    if (payee !== undefined) return { path: payeeProof(payees, payee) ?? [], rule: null };
    const rule = ruleFor(call, rules, account);
    return rule ? { path: ruleProof(ruleTree(rules), rule)!, rule } : { path: [], rule: null };
  });
}

/** Who is paid, or may pull, by a call that needs no rule; undefined: the call needs one. */
export function payeeOf(call: Call, asset: Address): Address | undefined {
  if (asset === nativeToken.address) return call.data === "0x" ? call.to : undefined;
  if (!isAddressEqual(call.to, asset)) return undefined;
  try {
    const { functionName, args } = decodeFunctionData({ abi: countedFunctions, data: call.data });
    if (functionName === "transferFrom" || functionName === "permit") return args[1];
    if (functionName === "transfer" || functionName === "approve" || functionName === "increaseAllowance")
      return args[0];
  } catch {
    // No function that the chain knows of its asset: it will say so.
  }
  return undefined;
}

/** The rule that holds for a call, or else one of the same function, so that the chain names the argument it refuses. */
const ruleFor = (call: Call, rules: readonly Rule[], account: Address): Rule | undefined =>
  holdingRule(call, rules, account) ?? rulesOfFunction(call, rules)[0];

/** The rule that allows a call, all its conditions held. */
export const holdingRule = (call: Call, rules: readonly Rule[], account: Address): Rule | undefined =>
  rulesOfFunction(call, rules).find((rule) =>
    rule.conditions.every((condition) => conditionHolds(condition, call.data, account)),
  );

const rulesOfFunction = (call: Call, rules: readonly Rule[]): readonly Rule[] =>
  rules.filter(
    ({ target, selector }) =>
      isAddressEqual(target, call.to) && call.data.toLowerCase().startsWith(selector.toLowerCase()),
  );

/** Twin of `_holds` in contracts/libraries/Rules.sol. */
function conditionHolds(condition: Condition, data: Hex, account: Address): boolean {
  const actual = wordOf(data, condition.word);
  if (actual === undefined) return false;
  const [operand = 0n] = condition.operands;
  switch (condition.comparison) {
    case comparison.self:
      return actual === BigInt(account);
    case comparison.in:
      return condition.operands.includes(actual);
    case comparison.atMost:
      return actual <= operand;
    case comparison.atLeast:
      return actual >= operand;
  }
}

/** The 32-byte word behind the selector; undefined when it is not wholly there. */
export function wordOf(data: Hex, word: bigint): bigint | undefined {
  const from = 10 + 64 * Number(word);
  const text = data.slice(from, from + 64);
  return text.length === 64 ? BigInt(`0x${text}`) : undefined;
}
