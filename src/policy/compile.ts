import { zeroAddress, zeroHash, type Address, type Hex } from "viem";

import { formatUnitsExact } from "../core/amount.ts";
import { canonicalize } from "../core/canonical.ts";
import { sha256Hex } from "../core/hash.ts";
import type { JsonObject } from "../core/json.ts";
import { changeCap } from "./cap.ts";
import { compileCall, type CompiledCall } from "./call.ts";
import { functionBits, leastExponent, packTerms, policyIdOf, type Grant, type GrantUnits } from "./grant.ts";
import { collecting, mistake, type Attempt, type ClausePath } from "./mistakes.ts";
import { payeeTree, type PayeeTree } from "./payeeTree.ts";
import { isRefusal } from "./refusal.ts";
import { nativeToken, registryOf, tokenOf, unitsOf, type Registry, type Token } from "./registry.ts";
import { ruleTree } from "./rule.ts";
import type { LimitClause, PolicyDocument } from "./schema.ts";
import { bucketSeconds, expirySeconds, heartbeatSeconds } from "./time.ts";

/** One limit in its exact on-chain form. */
export type CompiledLimit = {
  readonly token: Token;
  readonly grant: Grant;
  readonly units: GrantUnits;
  readonly policyId: Hex;
  /** 24 bytes that travel in the agent's signature. */
  readonly terms: Hex;
  readonly functions: readonly (keyof typeof functionBits)[];
  /** Calls that this grant counts; their rules are the leaves under `grant.extras.rules`. */
  readonly calls: readonly CompiledCall[];
};

/** A cap over all agents of the account, as `setCap` takes it. */
export type AccountCap = { readonly token: Token; readonly perWindow: bigint; readonly bucket: bigint };

/** A policy as the chain will enforce it for one agent key. Pure data; the same input gives the same ids everywhere. */
export type CompiledPolicy = Registry & {
  readonly name: string;
  readonly chainId: number;
  /** sha256 over the canonical JSON of the parsed document: names the words a person read. */
  readonly documentHash: Hex;
  readonly agent: Address;
  readonly payeeTree: PayeeTree;
  readonly limits: readonly CompiledLimit[];
  /** No limit at all: the one grant lets the agent log decisions and pay gas. */
  readonly watchOnly: boolean;
  /** Seconds; the owner's to make with transactions of its own, beside the grants. */
  readonly accountCaps: readonly AccountCap[];
  readonly unauthenticatedMail: "ask" | "deny" | "allow";
};

/** What every grant of a policy has in the same way. */
type SharedTerms = Pick<Grant, "agent" | "payees" | "gasBudget" | "feeCap" | "expiry" | "salt"> & {
  readonly gasExponent: number;
  readonly heartbeat: bigint;
  readonly paymaster: Address;
  readonly approvers: Hex;
};

/**
 * PolicyDocument + agent key → the exact on-chain form and its ids.
 *
 * @param decimals What the chain's token contracts say, by address; a difference to the registry is a mistake.
 * @throws PolicyCompileError with every mistake: an amount with more digits than the counters hold, an unknown token, …
 */
export function compilePolicy(
  document: PolicyDocument,
  agent: Address,
  decimals: Readonly<Record<Address, number>> = {},
): CompiledPolicy {
  return collecting((attempt) => {
    const registry = registryOf(document);
    checkRegistry(registry, decimals, attempt);
    const tree =
      registry.payees.length === 0 ? noPayees : payeeTree(registry.payees.map(({ address }) => address));
    const shared = sharedTerms(document, agent, tree, registry, attempt);
    const limits = compileLimits(document, shared, registry, attempt);
    const accountCaps = (document.accountCaps ?? []).map((cap, index) =>
      attempt(["accountCaps", index], () => {
        const token = tokenOf(cap.perWindow, registry.tokens);
        const first = document.accountCaps!.findIndex(
          (other) => other.perWindow.split(" ")[1] === token.symbol,
        );
        if (first !== index)
          throw mistake(
            `An account has one cap for each token, and ${token.symbol} has one already.`,
            "Keep one of the two.",
          );
        const perWindow = unitsOf(cap.perWindow, token);
        const bucket = bucketSeconds(cap.window);
        if (isRefusal(changeCap(0n, { perWindow, bucket }, 0n)))
          throw mistake(
            `A cap of ${cap.perWindow} has more digits than the chain keeps.`,
            "Round it to four digits, e.g. 123400.00.",
          );
        return { token, perWindow, bucket };
      }),
    );
    return Object.freeze({
      ...registry,
      name: document.policy,
      chainId: document.chain,
      documentHash: sha256Hex(canonicalize(document as unknown as JsonObject)),
      agent,
      payeeTree: tree,
      limits,
      watchOnly: document.limits.length === 0,
      accountCaps: accountCaps.filter((cap) => cap !== undefined),
      unauthenticatedMail: document.mail.unauthenticated,
    });
  });
}

/** Nobody can be paid: the only address whose leaf is this root is the zero address, and no payee is. */
const noPayees: PayeeTree = { root: zeroHash, payees: [] };

function checkRegistry(
  registry: Registry,
  decimals: Readonly<Record<Address, number>>,
  attempt: Attempt,
): void {
  for (const section of ["payees", "approvers", "guardians"] as const)
    for (const [index, entry] of registry[section].entries())
      attempt([section, entry.name], () => {
        if (registry[section].findIndex(({ address }) => address === entry.address) !== index)
          throw mistake(`Two ${section} share the address ${entry.address}.`, "Keep one name per address.", [
            "address",
          ]);
        if (entry.address === zeroAddress)
          throw mistake(
            section === "payees"
              ? `The payee ${entry.name} is the zero address, which the chain refuses to pay.`
              : `${entry.name} is the zero address, which can't sign.`,
            "Write the address that it really has.",
            ["address"],
          );
      });
  for (const payee of registry.payees.filter((one) => one.purse && one.contract))
    attempt(["payees", payee.name, "contract"], () => {
      throw mistake(
        `${payee.name} is a purse, a plain key, and can't be a contract.`,
        "Keep one of the two.",
      );
    });
  for (const { name } of registry.contracts.filter((one) =>
    registry.payees.some((payee) => payee.name === one.name),
  ))
    attempt(["contracts", name], () => {
      throw mistake(
        `${name} is a payee as well.`,
        "A name stands for one address: mark the payee `contract: true` and remove this entry, or rename it.",
      );
    });
  for (const { symbol, address, decimals: written } of registry.tokens)
    attempt(["tokens", symbol], () => {
      if (symbol === nativeToken.symbol)
        throw mistake(`${symbol} is the native coin.`, "Give the token another symbol, e.g. WETH.");
      if (address === zeroAddress)
        throw mistake(`The token ${symbol} is the zero address.`, "Write the address of its contract.", [
          "address",
        ]);
      if ((decimals[address] ?? written) !== written)
        throw mistake(
          `${symbol} has ${decimals[address]} decimals on chain, and the policy says ${written}.`,
          "Check the address first; then write the decimals that the chain says.",
          ["decimals"],
        );
    });
}

function sharedTerms(
  document: PolicyDocument,
  agent: Address,
  tree: PayeeTree,
  registry: Registry,
  attempt: Attempt,
): SharedTerms {
  // What can't be read is told already; the rest is compiled with nothing in its place, to tell what is wrong there.
  const gasBudget = attempt(["gas", "budget"], () => unitsOf(document.gas.budget, nativeToken)) ?? 0n;
  const feeCap =
    attempt(["gas", "perOperation"], () => unitsOf(document.gas.perOperation, nativeToken)) ?? 0n;
  const gasExponent = attempt(["gas"], () =>
    exponentFor(
      [
        [gasBudget, 24],
        [feeCap, 24],
      ],
      nativeToken,
    ),
  );
  const gas =
    gasExponent === undefined
      ? { gasBudget: 0n, feeCap: 0n, gasExponent: 0 }
      : { gasBudget, feeCap, gasExponent };
  const expiry = attempt(["expires"], () => expirySeconds(document.expires)) ?? 0n;
  const heartbeat =
    attempt(["heartbeat"], () =>
      document.heartbeat === undefined ? 0n : heartbeatSeconds(document.heartbeat),
    ) ?? 0n;
  const { paymaster = zeroAddress } = document;
  if (document.paymaster === zeroAddress)
    attempt(["paymaster"], () => {
      throw mistake("The paymaster is the zero address.", "Write its address, or remove the key.");
    });
  const approvers =
    registry.approvers.length === 0
      ? zeroHash
      : payeeTree(registry.approvers.map(({ address }) => address)).root;
  const salt = BigInt(document.salt);
  return { agent, payees: tree.root, ...gas, expiry, salt, heartbeat, paymaster, approvers };
}

function compileLimits(
  document: PolicyDocument,
  shared: SharedTerms,
  registry: Registry,
  attempt: Attempt,
): readonly CompiledLimit[] {
  const assets = document.limits.map((limit, index) =>
    attempt(["limits", index, "perWindow"], () => tokenOf(limit.perWindow, registry.tokens)),
  );
  const calls = (document.calls ?? []).map((clause, index) => {
    const asset = assets.find((one) => one?.symbol === clause.counts);
    // A limit in a token that nobody knows is told already, and is there all the same.
    if (!document.limits.some(({ perWindow }) => perWindow.split(" ")[1] === clause.counts))
      attempt(["calls", index, "counts"], () => {
        throw mistake(
          `The policy has no limit in ${clause.counts} that could count the call.`,
          "Name the symbol of one of the limits, or add one; its amounts may be zero.",
        );
      });
    return { asset, call: compileCall(clause, index, asset ?? nativeToken, registry, attempt) };
  });
  // The chain knows an agent by its grants, so even one that only watches needs one: of nothing, in the native coin.
  if (document.limits.length === 0) {
    const nothing = { perPayment: "0 ETH", perWindow: "0 ETH", window: "24h", lifetime: "0 ETH" };
    return [compileLimit(nothing, nativeToken, [], shared, attempt)!];
  }
  const limits = document.limits.map((limit, index) =>
    attempt(["limits", index], () => {
      const asset = assets[index];
      if (!asset) return undefined;
      if (assets.findIndex((one) => one?.address === asset.address) !== index)
        throw mistake(
          `Two limits name the same token.`,
          "Keep one limit per token: two would add up, and people would read only one.",
        );
      const counted = calls.filter((one) => one.asset === asset);
      const mine: Attempt = (path, part) => attempt(["limits", index, ...path], part);
      requireUse(limit, counted.length > 0, registry, mine);
      return compileLimit(
        limit,
        asset,
        counted.flatMap(({ call }) => call ?? []),
        shared,
        mine,
      );
    }),
  );
  return limits.filter((limit) => limit !== undefined);
}

/** A limit by which nothing could ever be paid or called, or nobody could approve, is a slip. */
function requireUse(limit: LimitClause, countsCalls: boolean, registry: Registry, attempt: Attempt): void {
  const requires = (holds: boolean, path: ClausePath, words: string, remedy: string) =>
    holds ||
    attempt(path, () => {
      throw mistake(words, remedy);
    });
  requires(
    registry.payees.length > 0 || countsCalls,
    [],
    "The policy names no payee, so nobody could be paid.",
    "Add at least one payee.",
  );
  requires(
    countsCalls || !/^[0.]+ /.test(limit.perPayment),
    ["perPayment"],
    `perPayment of ${limit.perPayment.split(" ")[1]} is zero.`,
    "Remove the limit if nothing may be paid: without any, the agent only watches.",
  );
  requires(
    !limit.escalation || registry.approvers.length > 0,
    ["escalation"],
    "There is an escalation and nobody to approve.",
    "Add at least one entry under approvers.",
  );
}

function compileLimit(
  limit: LimitClause,
  token: Token,
  calls: readonly CompiledCall[],
  shared: SharedTerms,
  attempt: Attempt,
): CompiledLimit | undefined {
  const amount = (key: "perPayment" | "perWindow" | "lifetime") =>
    attempt([key], () => unitsOf(limit[key], token));
  const perCall = amount("perPayment");
  const perWindow = amount("perWindow");
  const lifetime = amount("lifetime");
  const bucket = attempt(["window"], () => bucketSeconds(limit.window));
  const functions = [...new Set(limit.functions)];
  if (functions.length > 0 && token === nativeToken)
    attempt(["functions"], () => {
      throw mistake("The native coin has no functions.", "Remove the key: coin is paid by plain transfers.");
    });
  if (perCall === undefined || perWindow === undefined || lifetime === undefined) return undefined;
  if (perCall > perWindow || perWindow > lifetime)
    attempt([], () => {
      throw mistake(
        `For ${token.symbol}, a payment (${limit.perPayment}) may not exceed the window (${limit.perWindow}), nor the window the lifetime (${limit.lifetime}).`,
        "Put the three in ascending order.",
      );
    });
  const ceiling = attempt(["escalation", "upTo"], () => ceilingOf(limit, token, perCall, perWindow)) ?? 0n;
  if (bucket === undefined) return undefined;
  const { gasExponent, heartbeat, paymaster, approvers, ...terms } = shared;
  const grant: Grant = {
    ...terms,
    asset: token.address,
    perCall,
    perWindow,
    lifetime,
    bucket,
    extras: {
      rules: calls.length === 0 ? zeroHash : ruleTree(calls.map(({ rule }) => rule)).root,
      functions: functions.reduce((bits, name) => bits | functionBits[name], 0n),
      approvers: ceiling === 0n ? zeroHash : approvers,
      ceiling,
      operations: BigInt(limit.operations?.lifetime ?? 0),
      operationsPerWindow: BigInt(limit.operations?.perWindow ?? 0),
      paymaster,
      heartbeat,
    },
  };
  // Smallest unit that fits the counters (16-bit window, 24-bit lifetime): the finest the chain can count in.
  const exponent = exponentFor(
    [
      [perCall, 16],
      [perWindow, 16],
      [lifetime, 24],
    ],
    token,
  );
  const units = { exponent, gasExponent };
  return {
    token,
    grant,
    units,
    policyId: policyIdOf(grant),
    terms: packTerms(grant, units),
    functions,
    calls,
  };
}

function ceilingOf(limit: LimitClause, token: Token, perCall: bigint, perWindow: bigint): bigint {
  if (!limit.escalation) return 0n;
  const { upTo } = limit.escalation;
  const ceiling = unitsOf(upTo, token);
  if (ceiling <= perCall)
    throw mistake(
      `An approver could lift a payment to ${upTo}, no more than ${limit.perPayment} without one.`,
      "Raise upTo above perPayment, or remove the escalation.",
    );
  if (ceiling > perWindow)
    throw mistake(
      `An approver could lift a payment to ${upTo}, and the window holds ${limit.perWindow}.`,
      "Lower upTo to at most perWindow: an approval does not widen the window.",
    );
  return ceiling;
}

/** Smallest power of ten that divides every amount and leaves mantissas within their bits. */
function exponentFor(amounts: readonly (readonly [bigint, number])[], token: Token): number {
  const exponent = leastExponent(amounts);
  if (exponent >= 64)
    throw mistake(`An amount of ${token.symbol} is beyond what the chain's counters hold.`, "Lower it.");
  const unit = 10n ** BigInt(exponent);
  if (amounts.every(([value]) => value % unit === 0n)) return exponent;
  const list = amounts
    .map(([value]) => `${formatUnitsExact(value, token.decimals)} ${token.symbol}`)
    .join(", ");
  throw mistake(
    `The amounts ${list} have too many digits for the chain's counters.`,
    `Round them to whole multiples of ${formatUnitsExact(unit, token.decimals)} ${token.symbol}.`,
  );
}

/** The limit that counts payments in this token, if the policy has one. */
export function limitFor(policy: CompiledPolicy, symbol: string): CompiledLimit | undefined {
  return policy.limits.find((limit) => limit.token.symbol === symbol);
}
