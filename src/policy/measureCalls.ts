import { zeroAddress, type Address, type Hex } from "viem";

import type { Call } from "../core/operation.ts";
import { functionBits, type Grant } from "./grant.ts";
import { payeeRoot } from "./payeeTree.ts";
import { isReserved } from "./reserved.ts";
import { executeSelector, readExecution, wordAt } from "./execution.ts";
import { isRefusal, refusal, type Refusal } from "./refusal.ts";
import { comparison, ruleLeaf, type Condition, type Rule } from "./rule.ts";
import { rootFrom } from "./setTree.ts";

/** Why one call is allowed: the path of its payee or spender in the grant's payees, or of this rule in its rules. */
export type CallProof = { readonly path: readonly Hex[]; readonly rule: Rule | null };

/** What an operation's calls come to. */
export type Measure = {
  /** Base units of the grant's asset that they spend or let others spend, together. */
  readonly amount: bigint;
  /** Of each call who is paid, may pull, or is called. */
  readonly touched: readonly Address[];
};

/** Most calls of one operation. */
export const mostCalls = 16;
const maxUint = (1n << 256n) - 1n;
/** Solidity's code for arithmetic that leaves its type. */
const overflow = refusal("Panic", 0x11n);

/** Twin of `Rules.read`: what calls of a kind 4 operation spend, or the first thing that the grant does not allow. */
export function measureCalls(
  grant: Pick<Grant, "asset" | "payees" | "extras">,
  callData: Hex,
  proofs: readonly CallProof[],
  account: Address,
): Measure | Refusal {
  const execution = readExecution(callData);
  if (isRefusal(execution)) return execution;
  const { batch, calls } = execution;
  if (calls.length === 0 || (batch && calls.length > mostCalls) || calls.length !== proofs.length)
    return refusal("CallCountNotAllowed", BigInt(calls.length));
  let amount = 0n;
  const touched: Address[] = [];
  for (const [index, call] of calls.entries()) {
    const one = measureCall(grant, call, proofs[index]!, account);
    if (isRefusal(one)) return one;
    amount += one.amount;
    if (amount > maxUint) return overflow;
    touched.push(...one.touched);
  }
  return { amount, touched };
}

/** A payment of a plain grant as its callData says it. Twin of `SpendPolicy.readPayment`. */
export function readPayment(
  callData: Hex,
): { readonly asset: Address; readonly payee: Address; readonly amount: bigint } | Refusal {
  const hex = callData.slice(2).toLowerCase();
  const denied = refusal("CallNotAllowed");
  const paddedNative = 164;
  const paddedToken = 228;
  if (
    hex.length < paddedNative * 2 ||
    !hex.startsWith(executeSelector) ||
    wordAt(hex, 4) !== 0n ||
    wordAt(hex, 36) !== 64n
  )
    return denied;
  const length = wordAt(hex, 68);
  const target: Address = `0x${hex.slice(200, 240)}`;
  const value = wordAt(hex, 120);
  if (length === 52n && hex.length === paddedNative * 2)
    return /^0*$/.test(hex.slice(304)) ? { asset: zeroAddress, payee: target, amount: value } : denied;
  if (
    length !== 120n ||
    hex.length !== paddedToken * 2 ||
    target === zeroAddress ||
    value !== 0n ||
    hex.slice(304, 336) !== `a9059cbb${"00".repeat(12)}` ||
    !/^0*$/.test(hex.slice((paddedToken - 8) * 2))
  )
    return denied;
  return { asset: target, payee: `0x${hex.slice(336, 376)}`, amount: wordAt(hex, 188) };
}

function measureCall(
  grant: Pick<Grant, "asset" | "payees" | "extras">,
  call: Call,
  proof: CallProof,
  account: Address,
): Measure | Refusal {
  const to = lower(call.to);
  const asset = lower(grant.asset);
  if (asset === zeroAddress) {
    if (call.data === "0x") return provePayee(grant.payees, proof, { amount: call.valueWei, touched: [to] });
  } else {
    if (call.valueWei !== 0n) return refusal("CallNotAllowed");
    if (to === asset) {
      const one = measureTokenCall(grant.extras.functions, call.data, account);
      return isRefusal(one) ? one : provePayee(grant.payees, proof, one);
    }
  }
  const spent = measureRuledCall(grant.extras.rules, call, proof, account);
  if (typeof spent !== "bigint") return spent;
  return { amount: call.valueWei + spent, touched: [to] };
}

function provePayee(payees: Hex, proof: CallProof, measure: Measure): Measure | Refusal {
  const payee = measure.touched[0]!;
  return payeeRoot(payee, proof.path) === payees ? measure : refusal("PayeeNotAllowed", payee);
}

/** Functions of an ERC-20 token: bit of the grant, length of their data, words of owner, payee and amount. */
const tokenFunctions: Readonly<
  Record<string, { bit: bigint; length: number; owner: number | null; payee: number; amount: number }>
> = {
  "0xa9059cbb": { bit: 0n, length: 68, owner: null, payee: 0, amount: 1 },
  "0x23b872dd": { bit: functionBits.transferFrom, length: 100, owner: 0, payee: 1, amount: 2 },
  "0x095ea7b3": { bit: functionBits.approve, length: 68, owner: null, payee: 0, amount: 1 },
  "0x39509351": { bit: functionBits.increaseAllowance, length: 68, owner: null, payee: 0, amount: 1 },
  "0xd505accf": { bit: functionBits.permit, length: 228, owner: 0, payee: 1, amount: 2 },
};

/** Twin of `Rules._tokenCall`, the payee still to be proven. */
function measureTokenCall(functions: bigint, data: Hex, account: Address): Measure | Refusal {
  const selector = selectorOf(data);
  const known = tokenFunctions[selector];
  if (!known || (functions & known.bit) !== known.bit) return refusal("FunctionNotAllowed", selector);
  const hex = data.slice(2);
  if (hex.length !== known.length * 2) return refusal("CallNotAllowed");
  const argument = (index: number) => wordAt(hex, 4 + 32 * index);
  if (known.owner !== null) {
    const owner = argument(known.owner);
    if (owner >> 160n !== 0n) return refusal("CallNotAllowed");
    // Only its own tokens: what others let the account pull is not the grant's to spend.
    if (owner !== BigInt(account)) return refusal("ArgumentNotAllowed", 0n, bytes32(owner));
  }
  const payee = argument(known.payee);
  if (payee >> 160n !== 0n) return refusal("CallNotAllowed");
  return { amount: argument(known.amount), touched: [`0x${payee.toString(16).padStart(40, "0")}`] };
}

/** Twin of `Rules._ruledCall`: what counts beside the native coin sent along. */
function measureRuledCall(
  rules: Hex,
  { to, data }: Call,
  { path, rule }: CallProof,
  account: Address,
): bigint | Refusal {
  const selector = selectorOf(data);
  if (
    data.length < 10 ||
    rule === null ||
    isReserved(selector) ||
    rootFrom(ruleLeaf(rule), path) !== rules ||
    lower(rule.target) !== lower(to) ||
    rule.selector !== selector
  )
    return refusal("RuleNotAllowed", lower(to), selector);
  const hex = data.slice(2);
  const words = BigInt(Math.floor((hex.length / 2 - 4) / 32));
  const argument = (index: bigint) => (index < words ? wordAt(hex, 4 + 32 * Number(index)) : undefined);
  const refuse = (index: bigint) => refusal("ArgumentNotAllowed", index, bytes32(argument(index) ?? 0n));
  for (const condition of rule.conditions) {
    const actual = argument(condition.word);
    if (actual === undefined || !holds(condition, actual, account)) return refuse(condition.word);
  }
  if (rule.spends === 0n) return 0n;
  return argument(rule.spends - 1n) ?? refuse(rule.spends - 1n);
}

function holds({ comparison: how, operands }: Condition, actual: bigint, account: Address): boolean {
  if (how === comparison.self) return actual === BigInt(account);
  if (how === comparison.in) return operands.includes(actual);
  if (operands.length !== 1) return false;
  return how === comparison.atMost ? actual <= operands[0]! : actual >= operands[0]!;
}

/** The first four bytes, zeros where there are fewer, as Solidity reads them. */
const selectorOf = (data: Hex): Hex => `0x${data.slice(2, 10).toLowerCase().padEnd(8, "0")}`;
const bytes32 = (value: bigint): Hex => `0x${value.toString(16).padStart(64, "0")}`;
const lower = (address: Address): Address => address.toLowerCase() as Address;
