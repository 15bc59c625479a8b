import type { Address } from "viem";

import type { Call } from "../core/operation.ts";
import type { Reason, Verdict } from "../core/verdict.ts";
import { countCalls, type CallCount } from "./countCalls.ts";
import type { CompiledPolicy } from "./compile.ts";
import { changeCap } from "./cap.ts";
import { judge, wordsAfter, type Circumstances, type JudgeInput } from "./judge.ts";
import type { Payee } from "./registry.ts";
import { showUnits } from "./registry.ts";
import { isReason, resolveTransfer, type Payment } from "./resolve.ts";
import { decodeCounters, type Claim, type Counters } from "./usage.ts";

/** Something that was done, or might be: a payment in the policy's words, or raw calls. */
export type ReplayAction = {
  /** Unix seconds. */
  readonly at: number;
  /** What people know it by. */
  readonly label?: string | undefined;
  /** It never moved money, and not because of the chain: judged, and not counted. */
  readonly uncounted?: boolean | undefined;
} & (
  | {
      /** A payee's name, or its address. */
      readonly to: string;
      readonly token: string;
      /** Decimal text in whole tokens. */
      readonly amount: string;
    }
  | { readonly calls: readonly Call[] }
);

export type ReplayResult = {
  readonly action: ReplayAction;
  readonly words: string;
  readonly verdict: Verdict["kind"];
  readonly reasons: readonly Reason[];
};

export type Replay = {
  readonly results: readonly ReplayResult[];
  readonly totals: readonly {
    readonly asset: string;
    readonly allowed: number;
    readonly asked: number;
    readonly denied: number;
    readonly allowedUnits: bigint;
    readonly words: string;
  }[];
  /** Actions that no limit could be found for: an unknown payee or token, or calls that nothing allows. All of them denied. */
  readonly unassigned: number;
};

/** Nobody's mail is looked at: the question is what the chain would have said. */
export const noCircumstances: Circumstances = { sender: null, source: null, earlier: null };
/** How far behind the block a claim begins, and how long it is: as the runtime claims. */
const claimLead = 30n;
const claimLength = 300n;
const enough = 2n ** 255n;

/**
 * What a policy would have said to a history of actions, had it been in force from the first on with fresh counters. Gas,
 * balances, heartbeats and freezes are left out; what is denied or asked about is not counted as spent.
 */
export function replay(policy: CompiledPolicy, actions: readonly ReplayAction[], account: Address): Replay {
  const usage = new Map(policy.limits.map((limit) => [limit, { counters: granted, operations: 0n }]));
  const caps = new Map(
    policy.accountCaps.map((cap): [Address, bigint] => [cap.token.address, changeCap(0n, cap, 0n) as bigint]),
  );
  const results = actions
    .toSorted((a, b) => a.at - b.at)
    .map((action): ReplayResult & { readonly payment?: Payment } => {
      const payment = paymentOf(policy, action, account);
      const told = wordsOf(action);
      if (isReason(payment)) return { action, words: told, verdict: "deny", reasons: [payment] };
      const { limit } = payment;
      const claim: Claim = {
        validAfter: BigInt(action.at) - claimLead,
        validUntil: BigInt(action.at) - claimLead + claimLength,
      };
      const { counters, operations } = usage.get(limit)!;
      const { asset } = limit.grant;
      const input: JudgeInput = {
        policy,
        payment,
        usage: { counters, epoch: 0, frozen: false },
        claim,
        balanceUnits: enough,
        expectedFeeWei: 0n,
        gasFundsWei: enough,
        circumstances: noCircumstances,
        chain: { account, operations, cap: caps.get(asset) ?? 0n },
      };
      const verdict = judge(input);
      const after = action.uncounted || verdict.kind !== "allow" ? undefined : wordsAfter(input);
      if (after) {
        usage.set(limit, { counters: decodeCounters(after.counters), operations: after.operations });
        if (caps.has(asset)) caps.set(asset, after.cap);
      }
      return { action, words: told, verdict: verdict.kind, reasons: verdict.reasons, payment };
    });
  return {
    unassigned: results.filter(({ payment }) => payment === undefined).length,
    results: results.map(({ action, reasons, verdict, words }) => ({ action, words, verdict, reasons })),
    totals: policy.limits.map((limit) => {
      const own = results.filter(({ payment }) => payment?.limit === limit);
      const count = (kind: Verdict["kind"]) => own.filter(({ verdict }) => verdict === kind).length;
      const allowedUnits = own
        .filter(({ action, verdict }) => verdict === "allow" && !action.uncounted)
        .reduce((sum, { payment }) => sum + payment!.amountUnits, 0n);
      return {
        asset: limit.token.symbol,
        allowed: count("allow"),
        asked: count("ask"),
        denied: count("deny"),
        allowedUnits,
        words: `${limit.token.symbol}: ${count("allow")} allowed (${showUnits(allowedUnits, limit.token)}), ${count("ask")} asked about, ${count("deny")} refused`,
      };
    }),
  };
}

/** Counters of a grant that was just given. */
export const granted: Counters = { ...decodeCounters(0n), status: "granted" };
const nobody: Omit<Payee, "address"> = {
  name: "(calls)",
  senders: [],
  names: [],
  purse: false,
  contract: false,
};

function paymentOf(policy: CompiledPolicy, action: ReplayAction, account: Address): Payment | Reason {
  if ("calls" in action) {
    const count = countCalls(policy, action.calls, account);
    return count.refusals.length > 0
      ? { code: "call-not-allowed", words: count.refusals.join(" "), enforcedBy: "chain" }
      : paymentOfCalls(count, action.calls[0]?.to ?? account);
  }
  const { amount, to, token } = action;
  const named = policy.payees.find(({ address }) => address.toLowerCase() === to.toLowerCase());
  return resolveTransfer(policy, { action: "transfer", to: named?.name ?? to, amount, token, reference: "" });
}

/** Calls that were counted, as one payment: who is paid or called was looked at when they were counted. */
export const paymentOfCalls = ({ amountUnits, limit }: CallCount, to: Address): Payment => ({
  payee: { ...nobody, address: to },
  to,
  limit,
  amountUnits,
  reference: "",
});

const wordsOf = (action: ReplayAction): string =>
  "calls" in action ? `${action.calls.length} calls` : `${action.amount} ${action.token} to ${action.to}`;
