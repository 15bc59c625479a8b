import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { allDecisions, outputOf } from "../../src/journal/decisions.ts";
import { operationsFor } from "../../src/journal/operations.ts";
import { openJournal, type JournalDatabase } from "../../src/journal/openJournal.ts";
import { writeInbox } from "../integration/mails.ts";
import { makeWorld, type World } from "../integration/world.ts";
import { billOf, policyText, type ChaosBill } from "./bills.ts";
import type { ChaosOrder } from "./program.ts";

/** Kills that were made and are wanted, over all lives. */
export type KillBudget = { kills: number; readonly wanted: number };

export type Life = {
  readonly world: World;
  readonly state: string;
  readonly bills: readonly ChaosBill[];
  /** Decisions that a runtime said were settled: none of them may be missing. */
  readonly acknowledged: ReadonlySet<string>;
  /** Inferences and operations that were recorded once and are other ones later. */
  readonly changed: readonly string[];
  readonly finalityDepth: number;
  /** Starts runtimes and kills them until the budget is used up and every bill has ended. */
  run(): Promise<void>;
};

export type LifeOptions = {
  readonly rpc: string;
  readonly name: string;
  readonly state: string;
  readonly chance: () => number;
  readonly finalityDepth: number;
  readonly budget: KillBudget;
  readonly signal: AbortSignal;
};

const slow = ["observe", "infer", "sign", "send", "settle"] as const;
const passages = [
  "trigger committed",
  ...slow.flatMap((step) => ["begun", "done", "committed"].map((at) => `${step} ${at}`)),
];
/** Bills that come at once. */
const batch = 4;
/** Longest that a runtime lives once it is ready, in milliseconds, when it is to be killed at a random instant. */
const longestLifeMs = 4000;
/** A runtime that does not end by itself within this hangs. */
const hangMs = 180_000;

export async function life(options: LifeOptions): Promise<Life> {
  const { budget, chance, finalityDepth, name, rpc, signal, state } = options;
  const world = await makeWorld(rpc, name, { policyText: policyText(name) });
  const bills: ChaosBill[] = [];
  const acknowledged = new Set<string>();
  const changed: string[] = [];
  /** What the journal held when a runtime was gone, by decision. */
  const recorded = new Map<string, string>();
  let born = 0;

  function moreBills(): void {
    const fresh = Array.from({ length: batch }, (_, index) => billOf(bills.length + index));
    bills.push(...fresh);
    writeInbox(
      state,
      Object.fromEntries(fresh.map(({ mail, number }) => [`${String(number).padStart(6, "0")}.eml`, mail])),
    );
  }

  /** Compares with what was recorded before, and says whether every bill has ended. */
  function look(): boolean {
    const file = join(state, "journal.db");
    if (!existsSync(file)) return false;
    const journal = openJournal(file);
    try {
      for (const { id } of allDecisions(journal, "treasurer"))
        for (const [what, now] of factsOf(journal, id)) {
          const key = `${id} ${what}`;
          const before = recorded.get(key);
          if (before !== undefined && before !== now) changed.push(key);
          recorded.set(key, now);
        }
      const waiting = journal.get("select count(*) as waiting from trigger_ where decision is null");
      const open = journal.get("select count(*) as open from decision where done = 0");
      const taken = journal.get(
        "select count(*) as taken from trigger_ where instr(dedupe_id, '#retry:') = 0",
      );
      return waiting?.["waiting"] === 0 && open?.["open"] === 0 && taken?.["taken"] === bills.length;
    } finally {
      journal.close();
    }
  }

  async function liveOnce(): Promise<void> {
    const kill = budget.kills < budget.wanted;
    const atPassage = kill && chance() < 0.5;
    const order: ChaosOrder = {
      rpc,
      world: name,
      state,
      seed: Math.floor(chance() * 0xffff_ffff) + born++,
      finalityDepth,
      ...(atPassage ? { dieAt: passages[Math.floor(chance() * passages.length)]! } : {}),
    };
    const child = spawn(
      process.execPath,
      [
        "--disable-warning=ExperimentalWarning",
        "--conditions=source",
        fileURLToPath(new URL("./program.ts", import.meta.url)),
        JSON.stringify(order),
      ],
      {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, NODE_COMPILE_CACHE: join(state, "..", "compiled") },
      },
    );
    let [said, wrong] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (wrong += chunk.toString()));
    const ended = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>;
    const stop = () => child.kill("SIGKILL");
    signal.addEventListener("abort", stop, { once: true });
    const late = setTimeout(stop, hangMs);
    if (kill && !atPassage) {
      // While it starts, too.
      const start = chance() < 0.1;
      while (!start && !said.includes("ready\n") && child.exitCode === null && child.signalCode === null)
        await sleep(10);
      await sleep(chance() * longestLifeMs);
      stop();
    }
    const [, killedBy] = await ended;
    clearTimeout(late);
    signal.removeEventListener("abort", stop);
    for (const line of said.split("\n")) {
      const [step, at, decision] = line.split(" ");
      if (step === "settle" && at === "committed") acknowledged.add(decision!);
    }
    if (killedBy === "SIGKILL") budget.kills++;
    if (killedBy === "SIGKILL" && !kill && !signal.aborted)
      throw new Error(`A runtime hung for ${hangMs / 1000} s:\n${said}${wrong}`);
    if (wrong !== "") writeFileSync(join(state, "stderr"), wrong, { flag: "a" });
  }

  return {
    world,
    state,
    bills,
    acknowledged,
    changed,
    finalityDepth,
    async run() {
      moreBills();
      while (!signal.aborted) {
        if (look()) {
          if (budget.kills >= budget.wanted) return;
          moreBills();
        }
        await liveOnce();
      }
    },
  };
}

/** What is recorded of a decision once and for all. */
function factsOf(journal: JournalDatabase, decision: string): readonly (readonly [string, string])[] {
  const inference = outputOf(journal, decision, "infer");
  const operations = operationsFor(journal, decision);
  return [
    ...(inference === undefined ? [] : ([["inference", JSON.stringify(inference)]] as const)),
    ...operations.map(({ userOpHash }, bump) => [`operation ${bump}`, userOpHash] as const),
  ];
}
