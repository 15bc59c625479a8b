// One measurement in a process of its own, so that its memory is its own: one JSON argument, one JSON line on stdout.
import path from "node:path";

import { decisionOf } from "../../src/journal/decisions.ts";
import { embeddedHost } from "../../src/journal/embeddedHost.ts";
import { query } from "../../src/journal/query.ts";
import { runNext, type Passage } from "../../src/runtime/corridor.ts";
import type { House } from "../../src/runtime/house.ts";
import { reportOf } from "../../src/runtime/report.ts";
import { steps } from "../../src/runtime/steps/index.ts";
import { openTurns } from "../../src/runtime/turns.ts";
import { flushTimes, type FlushTimes } from "./flushTimes.ts";
import { openVillage } from "./village.ts";

export type Order = {
  readonly folder: string;
  readonly agents: number;
  /** `speed`: decisions a second and what one takes; `die`: kills itself in the middle; `recover`: goes on after that. */
  readonly task: "speed" | "die" | "recover";
  /** Bills for each agent. */
  readonly bills: number;
};

export type Speed = {
  readonly decisionsPerSecond: number;
  readonly overheadMsP50: number;
  readonly overheadMsP99: number;
  readonly rssMb: number;
  /** Time of the processor a decision, all threads: what stays the same when others use it too. */
  readonly cpuMs: number;
} & FlushTimes;
export type Recovery = { readonly rows: number; readonly openMs: number; readonly wentOnMs: number };

const deciding = query((store) => store.selectFrom("decision").select("agent").where("done", "=", 0));
const names = ["entry", "trigger_", "decision", "output", "leaf", "operation", "payment"] as const;
const tables = names.map((name) =>
  query((store) => store.selectFrom(name as "entry").select(({ fn }) => fn.countAll<number>().as("count"))),
);

/** Decisions that come one after the other, each to another agent, to see what one of them takes. */
const alone = 300;

const order = JSON.parse(process.argv[2]!) as Order;
const signal = new AbortController().signal;
const turns = openTurns(64);
const run = (house: House, onPassage?: Passage) =>
  runNext({ host, house, steps, signal, turns, ...(onPassage ? { onPassage } : {}) });

const { give, houses, journal, openMs } = await openVillage(
  path.join(order.folder, "journal.db"),
  order.agents,
);

const host = embeddedHost(journal);
if (order.task === "recover") await recover();
else await decide();
journal.close();

async function decide(): Promise<void> {
  for (const house of houses) give(house, order.bills);
  let passed = 0;
  const dieAfter = order.task === "die" ? houses.length * order.bills * 0.9 : Infinity;
  const flushing = flushTimes(order.folder);
  const [before, used] = [performance.now(), process.cpuUsage()];
  await Promise.all(
    houses.map(async (house) => {
      const onPassage: Passage = ({ at, step }) => {
        if (step === "infer" && at === "done" && ++passed >= dieAfter) process.kill(process.pid, "SIGKILL");
      };
      for (let decision; (decision = await run(house, onPassage));) {
        const { outcome, reasons } = reportOf(journal, decisionOf(journal, decision));
        if (outcome !== "paid") throw new Error(`A bill was ${outcome}: ${JSON.stringify(reasons)}`);
      }
    }),
  );
  const seconds = (performance.now() - before) / 1000;
  const { system, user } = process.cpuUsage(used);
  const taken: number[] = [];
  for (let index = 0; index < alone; index++) {
    const house = houses[(index * 7919) % houses.length]!;
    give(house, 1);
    const from = performance.now();
    await run(house);
    taken.push(performance.now() - from);
  }
  taken.sort((one, other) => one - other);
  say({
    decisionsPerSecond: (houses.length * order.bills) / seconds,
    overheadMsP50: taken[Math.floor(alone * 0.5)]!,
    overheadMsP99: taken[Math.floor(alone * 0.99)]!,
    rssMb: process.memoryUsage().rss / 2 ** 20,
    cpuMs: (system + user) / 1000 / (houses.length * order.bills),
    ...flushing,
  } satisfies Speed);
}

/** Until what was cut off has come to its end: every agent that was deciding. */
async function recover(): Promise<void> {
  const open = new Set(journal.all(deciding()).map(({ agent }) => agent));
  if (open.size === 0) throw new Error("Nothing was cut off.");
  const rows = tables.reduce((sum, table) => sum + journal.get(table())!.count, 0);
  const from = performance.now();
  await Promise.all(houses.filter(({ agent }) => open.has(agent.name)).map((house) => run(house)));
  say({ rows, openMs, wentOnMs: performance.now() - from } satisfies Recovery);
}

function say(result: Speed | Recovery): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
