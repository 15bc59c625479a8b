import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { parseAbiItem } from "viem";

import { ownBundler } from "../../src/chain/bundler/ownBundler.ts";
import { connectChain } from "../../src/chain/connectChain.ts";
import { localChainId } from "../../src/testing/localChain.ts";
import { allDecisions } from "../../src/journal/decisions.ts";
import { operationsFor } from "../../src/journal/operations.ts";
import { verifyEntries } from "../../src/journal/entries.ts";
import { followLog } from "../../src/journal/followLog.ts";
import type { Outcome } from "../../src/runtime/decisionMachine.ts";
import { reportOf } from "../../src/runtime/report.ts";
import { verifyDecisions } from "../../src/runtime/verifyDecisions.ts";
import { openHouse } from "../integration/house.ts";
import { loggingEngine } from "../integration/loggingEngine.ts";
import { operationsOf, tokenAddress } from "../integration/world.ts";
import { payeeOf } from "./bills.ts";
import type { Life } from "./life.ts";

export type Chaos = {
  readonly kills: number;
  /** Bills that came. */
  readonly intended: number;
  readonly executed: number;
  readonly refused: number;
  readonly reverted: number;
  readonly expired: number;
  /** Transfers on the chain beyond the one that a bill is paid by. */
  readonly duplicates: number;
  /** Bills and acknowledged decisions that are nowhere, and payments in the journal that the chain does not know. */
  readonly lost: number;
  /** Recorded inferences and operations that became other ones, and whatever verification finds wrong. */
  readonly conflicts: number;
  readonly journalIntact: boolean;
  readonly reorgs: number;
  /** Times that an operation was handed over again. */
  readonly resends: number;
  /** Operations that were signed again for more gas, and those of them that were executed. */
  readonly bumps: number;
  readonly bumpsExecuted: number;
  /** Times that the second bundler was handed one. */
  readonly secondBundler: number;
  /** In words, what is counted as lost, duplicate or in conflict. */
  readonly findings: readonly string[];
};

type Counted = Omit<Chaos, "kills" | "reorgs">;

const transfer = parseAbiItem("event Transfer(address indexed from, address indexed to, uint256 value)");
const nothing: Counted = {
  intended: 0,
  executed: 0,
  refused: 0,
  reverted: 0,
  expired: 0,
  duplicates: 0,
  lost: 0,
  conflicts: 0,
  journalIntact: true,
  resends: 0,
  bumps: 0,
  bumpsExecuted: 0,
  secondBundler: 0,
  findings: [],
};

export async function countAll(lives: readonly Life[]): Promise<Counted> {
  let all = nothing;
  for (const one of lives) {
    const counted = await count(one);
    all = Object.fromEntries(
      Object.entries(all).map(([name, value]) => {
        const other = counted[name as keyof Counted];
        if (typeof value === "number") return [name, value + (other as number)];
        return [name, Array.isArray(value) ? [...value, ...(other as readonly string[])] : value && other];
      }),
    ) as unknown as Counted;
  }
  return all;
}

/** What has to hold after all that. */
export const holds = (counted: Chaos, kills: number): boolean =>
  counted.kills >= kills &&
  counted.duplicates === 0 &&
  counted.lost === 0 &&
  counted.conflicts === 0 &&
  counted.journalIntact &&
  counted.executed + counted.refused + counted.reverted + counted.expired === counted.intended;

async function count({ acknowledged, bills, changed, finalityDepth, state, world }: Life): Promise<Counted> {
  const chain = await connectChain({
    rpc: world.chain.url,
    chainId: localChainId,
    finality: { depth: finalityDepth },
  });
  const house = openHouse(
    { ...world, chain },
    { state, engine: loggingEngine(state), bundler: ownBundler(chain, { executor: world.purse }) },
  );
  const { journal } = house;
  try {
    /** In conflict with what was recorded, or with what is right. */
    const conflicts = changed.map((what) => `${what} is another one than was recorded`);
    const missing: string[] = [];
    const twice: string[] = [];
    let journalIntact = journal.get("pragma integrity_check")?.["integrity_check"] === "ok";
    try {
      const log = followLog(journal);
      verifyEntries(journal, (entry) => log.read(entry));
      log.end();
    } catch (error) {
      journalIntact = false;
      conflicts.push((error as Error).message);
    }
    const decisions = allDecisions(journal, house.agent.name);
    /** The last decision about a mail is what became of it. */
    const endings = new Map<number, Outcome>();
    for (const decision of decisions.filter(({ done }) => done)) {
      const { outcome, trigger } = reportOf(journal, decision);
      endings.set(Number.parseInt(trigger.label, 10), outcome);
    }
    const payments = await paymentsOf(house.chain, house.account, world.name);
    let duplicates = 0;
    const tally = { executed: 0, refused: 0, reverted: 0, expired: 0 };
    for (const bill of bills) {
      const name = `${world.name}, bill ${bill.number}`;
      const ending = endings.get(bill.number);
      const paid = payments.filter((units) => units === bill.units).length;
      const right = bill.fate === "executed" && ending !== "expired" ? 1 : 0;
      if (paid > right) {
        duplicates += paid - right;
        twice.push(`${name}: paid ${paid} times, and ${right} was right`);
      }
      if (ending === "paid" && paid === 0)
        missing.push(`${name}: recorded as paid, and no transfer is on the chain`);
      const expected: Outcome = bill.fate === "executed" ? "paid" : bill.fate;
      if (ending === "paid") tally.executed++;
      else if (ending === "refused" || ending === "reverted" || ending === "expired") tally[ending]++;
      else missing.push(`${name}: ended as ${ending ?? "nothing"}`);
      if (ending !== undefined && ending !== "expired" && ending !== expected)
        conflicts.push(`${name}: ended as ${ending}, and ${expected} was right`);
    }
    const known = new Set(decisions.map(({ id }) => id));
    for (const id of acknowledged)
      if (!known.has(id)) missing.push(`decision ${id} was acknowledged and is gone`);
    const { decisions: checks, failures } = await verifyDecisions(house);
    // What came after the last payment is under no root yet: nothing was sent after it.
    conflicts.push(
      ...failures,
      ...checks.flatMap((check) =>
        check.failures
          .filter((words) => words !== "The leaf is under no root on the chain.")
          .map((words) => `${world.name}, decision ${check.sequence}: ${words}`),
      ),
    );
    const sends = existsSync(join(state, "sends"))
      ? readFileSync(join(state, "sends"), "utf8").split("\n").filter(Boolean)
      : [];
    const bumps = decisions.flatMap(({ id }) =>
      operationsFor(journal, id)
        .slice(1)
        .map(({ userOpHash }) => userOpHash),
    );
    const executed = new Set(await operationsOf({ ...world, chain }));
    return {
      intended: bills.length,
      ...tally,
      duplicates,
      lost: missing.length,
      conflicts: conflicts.length,
      journalIntact,
      resends: sends.length - new Set(sends.map((line) => line.split(" ")[1])).size,
      bumps: bumps.length,
      bumpsExecuted: bumps.filter((hash) => executed.has(hash)).length,
      secondBundler: sends.filter((line) => line.startsWith("second ")).length,
      findings: [...twice, ...missing, ...conflicts],
    };
  } finally {
    journal.close();
  }
}

/** Amounts of all transfers of the account to its payee, in base units. */
async function paymentsOf(
  chain: Awaited<ReturnType<typeof connectChain>>,
  account: `0x${string}`,
  world: string,
): Promise<readonly bigint[]> {
  const logs = await chain.client.getLogs({
    address: tokenAddress,
    event: transfer,
    args: { from: account, to: payeeOf(world) },
    fromBlock: 0n,
    strict: true,
  });
  return logs.map(({ args }) => args.value);
}
