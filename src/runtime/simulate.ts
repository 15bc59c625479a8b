import { existsSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { getAddress, isAddress, isHex, zeroAddress, type Address, type Hex } from "viem";
import * as z from "zod";

import { connectChain, requireCode, type Eip1193 } from "../chain/connectChain.ts";
import { decodeCalls } from "../chain/decodeCalls.ts";
import { readDecimals } from "../chain/readDecimals.ts";
import { simulateCalls } from "../chain/simulateCalls.ts";
import { BaseError } from "../core/errors.ts";
import type { Call } from "../core/operation.ts";
import { agentsIn, allDecisions } from "../journal/decisions.ts";
import { openJournal } from "../journal/openJournal.ts";
import { assetDiff, type AssetDiff } from "../policy/assetDiff.ts";
import { compilePolicy, type CompiledPolicy } from "../policy/compile.ts";
import { countCalls } from "../policy/countCalls.ts";
import { registryOf, showUnits } from "../policy/registry.ts";
import type { ReplayAction } from "../policy/replay.ts";
import type { PolicyDocument } from "../policy/schema.ts";
import { reportOf } from "./report.ts";

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
          const { action, at, outcome, trigger, verdict } = reportOf(journal, decision);
          if (action.action === "hold") return [];
          const { amount, to, token } = action;
          // An operation that never came onto the chain was charged to no limit.
          const uncounted = outcome === "expired";
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
  /** Base units, and in words. */
  readonly counted: { readonly units: bigint; readonly words: string };
  /** Why the policy would refuse it, however much was spent before. */
  readonly refusals: readonly string[];
  /** Why it would revert. */
  readonly failure: string | null;
};

/**
 * Runs calls on the newest state and judges what goes in and out. Nothing is sent and nothing changes; the policy need not
 * be installed.
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
  const { ceiling } = limit.grant.extras;
  const show = (units: bigint) => showUnits(units, limit.token);
  const over = amountUnits > (ceiling > limit.grant.perCall ? ceiling : limit.grant.perCall);
  return {
    asset: limit.token.symbol,
    policyId: limit.policyId,
    counted: { units: amountUnits, words: show(amountUnits) },
    refusals: [
      ...count.refusals,
      ...(over
        ? [
            `${show(amountUnits)} is over the ${show(ceiling || limit.grant.perCall)} that one operation may pay.`,
          ]
        : amountUnits > limit.grant.perCall
          ? [`${show(amountUnits)} is over ${show(limit.grant.perCall)}: an approver has to co-sign.`]
          : []),
    ],
    failure: effects.failure ?? null,
    ...assetDiff(account, effects, count, policy.tokens),
  };
}
