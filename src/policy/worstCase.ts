import type { Address } from "viem";

import type { CompiledCall } from "./call.ts";
import type { CompiledLimit, CompiledPolicy } from "./compile.ts";
import { bucketsPerWindow } from "./grant.ts";
import { nativeToken, showUnits } from "./registry.ts";
import { lengthInWords } from "./time.ts";

/** What can leave the account in one asset, in base units: upper bounds, inclusive. */
export type AssetWorstCase = {
  readonly asset: string;
  readonly address: Address;
  readonly decimals: number;
  /** In one operation, co-signed if there are approvers. */
  readonly perCall: bigint;
  /** In any interval of `length` seconds. */
  readonly window: { readonly length: number; readonly amount: bigint };
  /** In any 24 hours. */
  readonly perDay: bigint;
  readonly lifetime: bigint;
  /** The same figures for people. */
  readonly words: Readonly<Record<"perCall" | "window" | "perDay" | "lifetime", string>>;
  /** Why a figure is not simply what the document says. */
  readonly why: readonly string[];
};

/** Gas in wei, over all grants of the policy. No window limits it, so a day may take all of it. */
export type GasWorstCase = {
  readonly perOperation: bigint;
  readonly perDay: bigint;
  readonly lifetime: bigint;
  readonly words: Readonly<Record<"perOperation" | "lifetime", string>>;
};

/** The most that a fully hostile agent can take under this policy alone. */
export type WorstCase = {
  readonly assets: readonly AssetWorstCase[];
  readonly gas: GasWorstCase;
  /** Native coin in wei, payments and gas together. */
  readonly coin: { readonly perDay: bigint; readonly lifetime: bigint; readonly words: string };
  /** Keys of the agent that may hold what was topped up: it is a part of the figures above, not on top of them. */
  readonly purses: readonly { readonly name: string; readonly address: Address; readonly words: string }[];
  /** What the figures do not count, and what they rest on. */
  readonly notes: readonly string[];
};

const daySeconds = 86_400n;

/** Functions after which somebody else may take tokens, at a time of his choosing. */
const lasting: ReadonlySet<string> = new Set(["approve", "increaseAllowance", "permit"]);

export const leavesAllowances = (limit: CompiledLimit): boolean =>
  limit.functions.some((name) => lasting.has(name));

const least = (...values: readonly bigint[]): bigint => values.reduce((a, b) => (a < b ? a : b));

/** `count` times `each`, or no bound when the grant counts no operations. */
const times = (count: bigint, each: bigint): readonly bigint[] => (count === 0n ? [] : [count * each]);

export function worstCase(policy: CompiledPolicy): WorstCase {
  const assets = policy.watchOnly ? [] : policy.limits.map(assetWorstCase);
  const gasLifetime = policy.limits.reduce((sum, { grant }) => sum + grant.gasBudget, 0n);
  const perOperation = least(policy.limits[0]!.grant.feeCap, policy.limits[0]!.grant.gasBudget);
  const native = assets.find(({ address }) => address === nativeToken.address);
  const coin = {
    perDay: (native?.perDay ?? 0n) + gasLifetime,
    lifetime: (native?.lifetime ?? 0n) + gasLifetime,
  };
  return {
    assets,
    gas: {
      perOperation,
      perDay: gasLifetime,
      lifetime: gasLifetime,
      words: {
        perOperation: showUnits(perOperation, nativeToken),
        lifetime: `${showUnits(gasLifetime, nativeToken)}${policy.limits.length > 1 ? ` (${policy.limits.length} limits with a budget each)` : ""}`,
      },
    },
    coin: {
      ...coin,
      words: `${showUnits(coin.lifetime, nativeToken)} in all, ${native ? "payments and gas" : "for gas"}`,
    },
    purses: policy.payees
      .filter(({ purse }) => purse)
      .map(({ name, address }) => ({
        name,
        address,
        words: `${assets.map(({ words }) => words.lifetime).join(" and ")} may lie in ${name} at once, where nothing limits it; it is lost with the agent's key.`,
      })),
    notes: notes(policy),
  };
}

function assetWorstCase(limit: CompiledLimit): AssetWorstCase {
  const { token, grant } = limit;
  const { ceiling, operations, operationsPerWindow } = grant.extras;
  const length = grant.bucket * bucketsPerWindow;
  const perOperation = ceiling > grant.perCall ? ceiling : grant.perCall;
  const lifetime = least(grant.lifetime, ...times(operations, perOperation));
  const counted = least(grant.perWindow, lifetime, ...times(operationsPerWindow, perOperation));
  // A day is covered by ceil(day / window) intervals of the window's length, laid end to end, and none of them can
  // hold more than the window's cap. A window of a day or longer covers a day by itself.
  const windowsInDay = (daySeconds + length - 1n) / length;
  // An allowance is counted when it is given, but taken whenever the spender likes: those of many windows in one instant.
  const allowances = leavesAllowances(limit);
  const window = allowances ? lifetime : counted;
  const perDay = allowances ? lifetime : least(lifetime, counted * windowsInDay);
  const countedPerCall = least(perOperation, counted);
  const perCall = allowances ? lifetime : countedPerCall;
  const show = (units: bigint) => showUnits(units, token);
  return {
    asset: token.symbol,
    address: token.address,
    decimals: token.decimals,
    perCall,
    window: { length: Number(length), amount: window },
    perDay,
    lifetime,
    words: {
      perCall: show(perCall),
      window: `${show(window)} in any ${lengthInWords(length)}`,
      perDay: `${show(perDay)} in any 24 hours`,
      lifetime: show(lifetime),
    },
    why: [
      ...(ceiling > grant.perCall
        ? [`Without an approver's co-signature an operation pays at most ${show(grant.perCall)}.`]
        : []),
      ...(allowances
        ? [
            `At most ${show(countedPerCall)} is spent or approved in one operation and ${show(counted)} in any ${lengthInWords(length)}, but what was approved over the whole lifetime may be taken in one instant.`,
          ]
        : []),
      ...(lifetime < grant.lifetime
        ? [`The number of operations (${operations}) holds the lifetime below ${show(grant.lifetime)}.`]
        : []),
      ...(counted < grant.perWindow && counted < lifetime
        ? [
            `The number of operations (${operationsPerWindow}) holds the window below ${show(grant.perWindow)}.`,
          ]
        : []),
    ],
  };
}

function notes(policy: CompiledPolicy): readonly string[] {
  const { limits } = policy;
  const calls = limits.flatMap((limit) => limit.calls.map((call) => ({ call, limit })));
  const sponsor = limits[0]!.grant.extras.paymaster;
  return [
    "Grants that are live at the same time add up: a policy that was neither revoked nor replaced adds its own figures. A revoked one has spent what it spent: a new policy, or the same with another salt, begins at zero.",
    ...(limits.some(leavesAllowances)
      ? [
          "An allowance outlives the policy: a spender may take what was approved after revocation, freeze and expiry, until the owner sets the allowance to zero.",
        ]
      : []),
    ...(calls.length > 0
      ? [
          "Parameters have the names that this document gives them: compare its declarations with the contracts' own.",
        ]
      : []),
    ...calls.map(({ call, limit }) => uncounted(call, limit)),
    ...(BigInt(sponsor) === 0n
      ? []
      : [
          `Operations that ${sponsor} sponsors cost the account no gas. Whatever token allowance it has is not in these figures: it may take all of that with any operation, and no limit, budget or fee cap holds it.`,
        ]),
    ...(policy.accountCaps.length > 0
      ? ["The caps over all agents of the account are not taken off these figures: the owner may lift them."]
      : []),
  ];
}

/** What a call may take beyond the figures: the chain counts an argument, not what a contract does. */
function uncounted({ to, signature, spends }: CompiledCall, { token }: CompiledLimit): string {
  const counts = [
    ...(spends === null ? [] : [`${spends} of ${token.symbol}`]),
    ...(token === nativeToken ? ["the coin sent along"] : []),
  ];
  return `Of ${signature.name} of ${to} ${counts.length === 0 ? "nothing is counted" : `only ${counts.join(" and ")} is counted`}: what it does with an older allowance, a deposit, a position, or, if it is a token, with the whole balance that the account has there is not in these figures.`;
}
