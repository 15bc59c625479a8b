import { zeroAddress, type Address, type Hex } from "viem";

import { formatUnitsExact, parseUnitsExact } from "../core/amount.ts";
import { canonicalize } from "../core/canonical.ts";
import { BaseError } from "../core/errors.ts";
import { sha256Hex } from "../core/hash.ts";
import type { JsonObject } from "../core/json.ts";
import {
  bucketsPerWindow,
  packTerms,
  plainExtras,
  policyIdOf,
  type Grant,
  type GrantUnits,
} from "./grant.ts";
import { payeeTree, type PayeeTree } from "./payeeTree.ts";
import type { PolicyDocument } from "./schema.ts";

/** A document that is well-formed but can't be put on the chain as it stands. */
export class PolicyCompileError extends BaseError {
  override readonly name = "PolicyCompileError";
  constructor(words: string, remedy: string) {
    super(words, { remedy });
  }
}

/** One payee of the registry: what a model's word stands for. */
export type Payee = {
  readonly name: string;
  readonly address: Address;
  readonly senders: readonly string[];
  /** What else messages call it. */
  readonly names: readonly string[];
};
export type Token = { readonly symbol: string; readonly address: Address; readonly decimals: number };

/** One limit in its exact on-chain form. */
export type CompiledLimit = {
  readonly token: Token;
  readonly grant: Grant;
  readonly units: GrantUnits;
  readonly policyId: Hex;
  /** 24 bytes that travel in the agent's signature. */
  readonly terms: Hex;
};

/** A policy as the chain will enforce it for one agent key. Pure data; the same input gives the same ids everywhere. */
export type CompiledPolicy = {
  readonly name: string;
  readonly chainId: number;
  /** sha256 over the canonical JSON of the parsed document: names the words a person read. */
  readonly documentHash: Hex;
  readonly agent: Address;
  readonly payees: readonly Payee[];
  readonly payeeTree: PayeeTree;
  readonly tokens: readonly Token[];
  readonly limits: readonly CompiledLimit[];
  readonly unauthenticatedMail: "ask" | "deny" | "allow";
};

/** The native coin of an EVM chain in policies: symbol ETH, 18 decimals, asset 0x0. */
export const nativeToken: Token = { symbol: "ETH", address: zeroAddress, decimals: 18 };

const secondsPer = { m: 60n, h: 3600n, d: 86400n } as const;

/**
 * PolicyDocument + agent key → the exact on-chain form and its ids.
 *
 * @throws PolicyCompileError when an amount has more digits than the counters hold, names an unknown token, …
 */
export function compilePolicy(document: PolicyDocument, agent: Address): CompiledPolicy {
  const payees = Object.entries(document.payees).map(([name, entry]) => ({
    name,
    address: entry.address,
    senders: entry.senders ?? [],
    names: entry.names ?? [],
  }));
  if (payees.length === 0)
    throw new PolicyCompileError(
      "The policy names no payee, so nobody could be paid.",
      "Add at least one payee.",
    );
  const twice = payees.find(
    (payee, index) => payees.findIndex((other) => other.address === payee.address) !== index,
  );
  if (twice)
    throw new PolicyCompileError(
      `Two payees share the address ${twice.address}.`,
      "Keep one name per address.",
    );
  const nobody = payees.find((payee) => payee.address === zeroAddress);
  if (nobody)
    throw new PolicyCompileError(
      `The payee ${nobody.name} is the zero address, which the chain refuses to pay.`,
      "Write the address that the payee really has.",
    );
  const tokens = Object.entries(document.tokens).map(([symbol, entry]) => ({ symbol, ...entry }));
  const tree = payeeTree(payees.map((payee) => payee.address));
  const limits = document.limits.map((limit) => compileLimit(document, limit, agent, tree, tokens));
  const ids = new Set(limits.map((limit) => limit.token.symbol));
  if (ids.size !== limits.length)
    throw new PolicyCompileError(
      "Two limits name the same token.",
      "Keep one limit per token: two would add up, and people would read only one.",
    );
  return Object.freeze({
    name: document.policy,
    chainId: document.chain,
    documentHash: sha256Hex(canonicalize(document as unknown as JsonObject)),
    agent,
    payees,
    payeeTree: tree,
    tokens,
    limits,
    unauthenticatedMail: document.mail.unauthenticated,
  });
}

function compileLimit(
  document: PolicyDocument,
  limit: PolicyDocument["limits"][number],
  agent: Address,
  tree: PayeeTree,
  tokens: readonly Token[],
): CompiledLimit {
  const token = tokenOf(limit.perWindow, tokens);
  const perCall = units(limit.perPayment, token);
  const perWindow = units(limit.perWindow, token);
  const lifetime = units(limit.lifetime, token);
  if (perCall > perWindow || perWindow > lifetime)
    throw new PolicyCompileError(
      `For ${token.symbol}, a payment (${limit.perPayment}) may not exceed the window (${limit.perWindow}), nor the window the lifetime (${limit.lifetime}).`,
      "Put the three in ascending order.",
    );
  if (perCall === 0n)
    throw new PolicyCompileError(
      `perPayment of ${token.symbol} is zero.`,
      "Remove the limit if nothing may be paid.",
    );
  const gasBudget = units(document.gas.budget, nativeToken);
  const feeCap = units(document.gas.perOperation, nativeToken);
  const grant: Grant = {
    agent,
    asset: token.address,
    payees: tree.root,
    perCall,
    perWindow,
    lifetime,
    bucket: bucketSeconds(limit.window),
    gasBudget,
    feeCap,
    expiry: expirySeconds(document.expires),
    salt: BigInt(document.salt),
    extras: plainExtras,
  };
  const exponents = {
    // Smallest unit that fits the counters (16-bit window, 24-bit lifetime): the finest the chain can count in.
    exponent: exponentFor(
      [
        [perCall, 16],
        [perWindow, 16],
        [lifetime, 24],
      ],
      token,
    ),
    gasExponent: exponentFor(
      [
        [gasBudget, 24],
        [feeCap, 24],
      ],
      nativeToken,
    ),
  };
  return { token, grant, units: exponents, policyId: policyIdOf(grant), terms: packTerms(grant, exponents) };
}

function tokenOf(text: string, tokens: readonly Token[]): Token {
  const symbol = text.split(" ")[1]!;
  const token =
    tokens.find((known) => known.symbol === symbol) ??
    (symbol === nativeToken.symbol ? nativeToken : undefined);
  if (!token)
    throw new PolicyCompileError(
      `"${text}" names the token ${symbol}, which is not in the policy's tokens.`,
      `Add ${symbol} under tokens, or correct the symbol.`,
    );
  return token;
}

function units(text: string, token: Token): bigint {
  const [number, symbol] = text.split(" ") as [string, string];
  if (symbol !== token.symbol)
    throw new PolicyCompileError(
      `"${text}" is not in ${token.symbol}.`,
      `Write the amount in ${token.symbol}.`,
    );
  return parseUnitsExact(number, token.decimals);
}

function bucketSeconds(window: string): bigint {
  const seconds = BigInt(window.slice(0, -1)) * secondsPer[window.slice(-1) as keyof typeof secondsPer];
  if (
    seconds % bucketsPerWindow !== 0n ||
    seconds / bucketsPerWindow < 300n ||
    seconds / bucketsPerWindow > 0xffffffn
  )
    throw new PolicyCompileError(
      `A window of ${window} can't be kept on chain.`,
      "Use a window of 30 minutes to 1000 days whose sixth part is a whole number of seconds.",
    );
  return seconds / bucketsPerWindow;
}

/** Unix seconds, rounded down; the terms keep them in 32 bits. */
function expirySeconds(expires: string): bigint {
  const seconds = Math.floor(Date.parse(expires) / 1000);
  if (seconds > 0 && seconds <= 0xffffffff) return BigInt(seconds);
  throw new PolicyCompileError(
    `A policy that expires at ${expires} can't be kept on chain.`,
    "Use a moment between 1970 and February 2106.",
  );
}

/** Smallest power of ten that divides every amount and leaves mantissas within their bits. */
function exponentFor(amounts: readonly (readonly [bigint, number])[], token: Token): number {
  for (let exponent = 0; exponent < 64; exponent++) {
    const unit = 10n ** BigInt(exponent);
    if (!amounts.every(([value, bits]) => value / unit < 1n << BigInt(bits))) continue;
    if (amounts.every(([value]) => value % unit === 0n)) return exponent;
    const list = amounts
      .map(([value]) => `${formatUnitsExact(value, token.decimals)} ${token.symbol}`)
      .join(", ");
    throw new PolicyCompileError(
      `The amounts ${list} have too many digits for the chain's counters.`,
      `Round them to whole multiples of ${formatUnitsExact(unit, token.decimals)} ${token.symbol}.`,
    );
  }
  throw new PolicyCompileError(
    `An amount of ${token.symbol} is beyond what the chain's counters hold.`,
    "Lower it.",
  );
}

/** The limit that counts payments in this token, if the policy has one. */
export function limitFor(policy: CompiledPolicy, symbol: string): CompiledLimit | undefined {
  return policy.limits.find((limit) => limit.token.symbol === symbol);
}
