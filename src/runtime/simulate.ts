import { existsSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { getAddress, isAddress, isHex, maxUint256, zeroAddress, type Address, type Hex } from "viem";
import * as z from "zod";

import { ask, connectChain, requireCode, type Chain, type Eip1193 } from "../chain/connectChain.ts";
import { decodeCalls } from "../chain/decodeCalls.ts";
import { readAccount, type AccountState } from "../chain/readAccount.ts";
import { readDecimals } from "../chain/readDecimals.ts";
import { simulateCalls } from "../chain/simulateCalls.ts";
import { BaseError } from "../core/errors.ts";
import type { Call } from "../core/operation.ts";
import { agentsIn, allDecisions } from "../journal/decisions.ts";
import { openJournal } from "../journal/openJournal.ts";
import { assetDiff, type AssetDiff } from "../policy/assetDiff.ts";
import { compilePolicy, type CompiledLimit, type CompiledPolicy } from "../policy/compile.ts";
import { countCalls } from "../policy/countCalls.ts";
import { registryOf, showUnits } from "../policy/registry.ts";
import { judge } from "../policy/judge.ts";
import { granted, noCircumstances, paymentOfCalls, type ReplayAction } from "../policy/replay.ts";
import { decodeCounters } from "../policy/usage.ts";
import type { PolicyDocument } from "../policy/schema.ts";
import { reportOf } from "./report.ts";
import { claimAt } from "./claim.ts";

/** What is to be simulated can't be read. */
export class SimulationInputError extends BaseError {
  override readonly name = "SimulationInputError";
}

/** A judged payment of a journal, with how it really ended. */
export type JournalAction = ReplayAction & { readonly verdict: string; readonly outcome: string };

/** Every payment that was judged, oldest first: paid, refused and asked about. What was held is no payment. */
export function readJournalActions(path: string): readonly JournalAction[] {
  const file = existsSync(path) && statSync(path).isDirectory() ? join(path, "journal.db") : path;
  // Opening makes a journal where there is none, which is not what a reader wants.
  if (!existsSync(file))
    throw new SimulationInputError("There is no journal.", {
      remedy: "Name the agent's state folder, or the journal.db in it.",
      facts: { journal: file },
    });
  const journal = openJournal(file);
  try {
    return agentsIn(journal).flatMap((agent) =>
      allDecisions(journal, agent)
        .filter(({ done }) => done)
        .flatMap((decision): JournalAction[] => {
          const { action, at, calls, outcome, reasons, trigger, verdict } = reportOf(journal, decision);
          // An operation that never came onto the chain was charged to no limit. What was asked about is paid by a decision of its own, and
          // the runtime's own refusals (a bill that came twice) would stand under any policy.
          const uncounted =
            ["expired", "displaced", "asked"].includes(outcome) ||
            (verdict === "deny" && reasons.some(({ enforcedBy }) => enforcedBy === "advisory"));
          // Only the agent's own code knows what calls an action of its own would have made, had it been allowed.
          if (action.action === "act") {
            if (calls.length === 0) return [];
            const made = calls.map((call) => ({ ...call, valueWei: BigInt(call.valueWei) }));
            return [{ at, label: trigger.label, calls: made, uncounted, verdict, outcome }];
          }
          if (action.action === "hold") return [];
          const { amount, to, token } = action;
          return [{ at, label: trigger.label, to, token, amount, uncounted, verdict, outcome }];
        }),
    );
  } finally {
    journal.close();
  }
}

const address = z
  .string()
  .refine((text) => isAddress(text), "has to be an address")
  .transform((text): Address => getAddress(text));
const hex = z.string().refine((text) => isHex(text), "has to be hex");
const wei = z
  .union([z.string().regex(/^(0x[0-9a-f]+|\d+)$/i, "has to be wei"), z.int().min(0)])
  .transform((value) => BigInt(value));
const call = z
  .strictObject({ to: address, data: hex.default("0x"), value: wei.default(0n) })
  .transform(({ data, to, value }): Call => ({ to, valueWei: value, data }));
const calls = z.array(call).min(1);
const at = z
  .union([z.int().min(0), z.iso.datetime({ offset: true })], "has to be unix seconds or a moment")
  .transform((value) => (typeof value === "number" ? value : Math.floor(Date.parse(value) / 1000)));
const actions = z.array(
  z.union([
    z.strictObject({
      at,
      label: z.string().optional(),
      to: z.string(),
      token: z.string(),
      amount: z.string(),
    }),
    z.strictObject({ at, label: z.string().optional(), calls }),
  ]),
);
const operation = z.union([
  calls,
  z.object({ callData: hex }),
  z.object({ userOp: z.object({ callData: hex }) }),
]);

async function readJson<T>(file: string, schema: z.ZodType<T>, form: string): Promise<T> {
  let detail: string;
  try {
    const parsed = schema.safeParse(JSON.parse(await readFile(file, "utf8")));
    if (parsed.success) return parsed.data;
    detail = parsed.error.issues.map(({ message, path }) => `${path.join(".")}: ${message}`).join("; ");
  } catch (error) {
    detail = error instanceof Error ? error.message : String(error);
  }
  throw new SimulationInputError(`${file} can't be read.`, {
    remedy: `It has to be JSON: ${form}`,
    facts: { detail },
  });
}

export const readActions = (file: string): Promise<readonly ReplayAction[]> =>
  readJson(
    file,
    actions,
    "[{ at, to, token, amount }, …] or [{ at, calls: [{ to, data, value }] }, …]; `at` in unix seconds or as a moment with its zone.",
  );

/** The calls of a user operation, or calls as they are. */
export async function readCalls(file: string): Promise<readonly Call[]> {
  const form = "a user operation with `callData`, or [{ to, data, value }, …].";
  const read = await readJson(file, operation, form);
  if (Array.isArray(read)) return read;
  const found = decodeCalls("userOp" in read ? read.userOp.callData : read.callData);
  if (found) return found;
  throw new SimulationInputError("The operation's callData is no `execute` of one call or of a batch.", {
    remedy: `Give ${form}`,
    facts: { file },
  });
}

/** What an operation would do now, held against what a policy counts of it. */
export type OperationSimulation = AssetDiff & {
  /** The limit that it would act under. */
  readonly asset: string;
  readonly policyId: Hex;
  /** Whose counters the refusals are held against: those in force, those of a grant given now, or fresh ones. */
  readonly counters: "in force" | "not granted yet" | "not looked at";
  /** Base units, and in words. */
  readonly counted: { readonly units: bigint; readonly words: string };
  /** Why the policy would refuse it, or ask an approver first. */
  readonly refusals: readonly string[];
  /** Why it would revert. */
  readonly failure: string | null;
};

/**
 * Runs calls on the newest state and judges what goes in and out. Nothing is sent and nothing changes; the policy need not
 * be installed. With the agent's address, what was spent under the policy before counts too.
 */
export async function simulateOperation(options: {
  readonly rpc: string | Eip1193;
  readonly account: Address;
  readonly document: PolicyDocument;
  readonly calls: readonly Call[];
  readonly agent?: Address | undefined;
}): Promise<OperationSimulation> {
  const { account, document, rpc } = options;
  const chain = await connectChain({ rpc, chainId: document.chain, finality: { depth: 0 } });
  await requireCode(chain, "account", account);
  const decimals = await readDecimals(chain, registryOf(document).tokens);
  const policy: CompiledPolicy = compilePolicy(document, options.agent ?? zeroAddress, decimals);
  const effects = await simulateCalls(chain, account, options.calls);
  const count = countCalls(policy, options.calls, account);
  const { amountUnits, limit } = count;
  const state =
    options.agent === undefined
      ? undefined
      : usageOf(await readAccount(chain, account, policy), policy, limit);
  return {
    asset: limit.token.symbol,
    policyId: limit.policyId,
    counters: state?.counters ?? "not looked at",
    counted: { units: amountUnits, words: showUnits(amountUnits, limit.token) },
    refusals: [
      ...count.refusals,
      ...judge({
        policy,
        payment: paymentOfCalls(count, options.calls[0]?.to ?? account),
        usage: state?.usage ?? { counters: granted, epoch: 0, frozen: false },
        claim: claimAt(state?.blockTimestamp ?? Number(await blockTime(chain))),
        // What it holds and pays shows in what the calls do; gas is not part of it.
        balanceUnits: maxUint256,
        expectedFeeWei: 0n,
        gasFundsWei: maxUint256,
        circumstances: noCircumstances,
        chain: { account, ...state?.chain },
      }).reasons.map(({ words }) => words),
    ],
    failure: effects.failure ?? null,
    ...assetDiff(account, effects, count, policy.tokens),
  };
}

const blockTime = async (chain: Chain): Promise<bigint> =>
  (await ask(chain, () => chain.client.getBlock({ blockTag: "latest" }))).timestamp;

/** What the account says of a limit. One that was never granted begins with fresh counters in the account's epoch. */
function usageOf(state: AccountState, policy: CompiledPolicy, limit: CompiledLimit) {
  const { capWord, countersWord, operationsWord } = state.limits[policy.limits.indexOf(limit)]!;
  const { epoch, frozen } = state;
  const stored = decodeCounters(countersWord);
  const unknown = stored.status === "unknown";
  return {
    counters: unknown ? "not granted yet" : "in force",
    usage: { counters: unknown ? { ...granted, epoch } : stored, epoch, frozen },
    blockTimestamp: Number(state.blockTimestamp),
    chain: { heartbeat: state.lastHeartbeat, operations: operationsWord, cap: capWord },
  } as const;
}
