import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { allDecisions, outputOf } from "../../src/journal/decisions.ts";
import { readEntries } from "../../src/journal/entries.ts";
import { leavesOf } from "../../src/journal/leaves.ts";
import { operationOf } from "../../src/journal/operations.ts";
import { openJournal } from "../../src/journal/openJournal.ts";
import { verifyDecisions } from "../../src/runtime/verifyDecisions.ts";
import { startKillableChain, startAgent, type Ended, type KillableChain } from "../integration/children.ts";
import { decideAll, openHouse } from "../integration/house.ts";
import { inferencesOf, loggingEngine } from "../integration/loggingEngine.ts";
import { billMail, writeInbox } from "../integration/mails.ts";
import type { AgentOrder } from "../integration/programs/agent.ts";
import { makeWorld, operationsOf, paidTo, type World } from "../integration/world.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-crash-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const slow = ["observe", "infer", "sign", "send", "settle"] as const;
const borders = [
  "trigger committed",
  ...slow.flatMap((step) => ["begun", "done", "committed"].map((at) => `${step} ${at}`)),
];

let chain: KillableChain;
/** A fresh chain for the tests of one group: the fewer blocks, the sooner it is back. */
function useChain(file: string): { revive(): Promise<void> } {
  const stateFile = join(folder, file);
  beforeAll(async () => {
    chain = await startKillableChain({ stateFile });
  });
  afterAll(() => chain.kill());
  return {
    async revive() {
      chain = await startKillableChain({ stateFile, port: chain.port });
    },
  };
}

type Stage = { readonly world: World; readonly state: string; readonly order: AgentOrder };

/** A world of its own on the shared chain, with two bills in the inbox: 42.50 for acme, 7.25 for globex. */
async function setStage(name: string): Promise<Stage> {
  const world = await makeWorld(chain.url, name);
  const state = join(folder, name);
  writeInbox(state, {
    "01.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1042" }),
    "02.eml": billMail({ to: "globex", amount: "7.25", reference: "G-7" }),
    "03.eml": billMail({ to: "nobody", amount: "1.00", reference: "N-1" }),
  });
  return { world, state, order: { rpc: chain.url, world: name, state } };
}

const journalOf = (state: string) => join(state, "journal.db");

/** The tokens and operations that the journal holds right now, by decision: nothing may change them later. */
function recordedIn(state: string) {
  const journal = openJournal(journalOf(state));
  try {
    return allDecisions(journal, "treasurer").map(({ id, done }) => ({
      id,
      done,
      inference: JSON.stringify(outputOf(journal, id, "infer") ?? null),
      operation: operationOf(journal, id)?.userOpHash,
    }));
  } finally {
    journal.close();
  }
}

/** Goes on in this process, which is a new one to the state folder, and tells what came of the bills. */
async function goOn({ world, state }: Stage) {
  const before = existsSync(journalOf(state)) ? recordedIn(state) : [];
  const house = openHouse(world, { state, engine: loggingEngine(state) });
  try {
    const { journal } = house;
    const reports = await decideAll(house, state);
    const changed = before.filter(({ id, inference, operation }) => {
      const inferenceNow = JSON.stringify(outputOf(journal, id, "infer") ?? null);
      const operationNow = operationOf(journal, id)?.userOpHash;
      return (
        (inference !== "null" && inference !== inferenceNow) || (operation && operation !== operationNow)
      );
    });
    const verified = await verifyDecisions(house);
    await decideAll(house, state);
    return {
      outcomes: reports.map(({ outcome }) => outcome),
      paid: [await paidTo(world, "acme"), await paidTo(world, "globex")],
      operationsOnChain: (await operationsOf(world)).length,
      changed,
      decisions: allDecisions(journal, "treasurer").map((decision) => decision.done),
      leaves: leavesOf(journal, "treasurer").length,
      recorded: readEntries(journal).filter((entry) => entry.kind === "recorded").length,
      verified: verified.decisions.map((check) => check.failures),
    };
  } finally {
    house.journal.close();
  }
}

/** What has to hold after any crash. */
const everyBillOnce = {
  outcomes: ["paid", "paid", "refused"],
  paid: [42_500_000n, 7_250_000n],
  operationsOnChain: 2,
  // Inferences and operations that were recorded before the crash and are other ones now.
  changed: [],
  decisions: [true, true, true],
  leaves: 3,
  recorded: 3,
  // The journal's chain of entries, each record, each commitment on the chain. The refusal at the end is under no
  // root yet: nothing was sent after it.
  verified: [[], [], ["The leaf is under no root on the chain."]],
};

/** Decisions that the process said were closed: none of them may be missing. */
const closedIn = ({ lines }: Ended) =>
  lines
    .map((line) => line.split(" "))
    .filter(([step, at]) => step === "settle" && at === "committed")
    .map(([, , decision]) => decision);

describe("a runtime killed by SIGKILL and started again", () => {
  useChain("chain.ndjson");

  test.each(borders)("pays each bill once when it dies at: %s", async (passage) => {
    const stage = await setStage(passage.replace(" ", "-"));
    const died = await startAgent({ ...stage.order, dieAt: { passage } }).ended;
    expect(died).toMatchObject({ signal: "SIGKILL", stderr: "" });
    expect(died.lines.at(-1)).toMatch(new RegExp(`^${passage} `));
    expect(await goOn(stage)).toEqual(everyBillOnce);
    // A run of the model is repeated only if its result was not recorded yet.
    expect(inferencesOf(stage.state)).toHaveLength(passage === "infer done" ? 4 : 3);
  });

  test("pays each bill once when it dies after the bundler accepted, before that is recorded", async () => {
    const stage = await setStage("accepted");
    const died = await startAgent({ ...stage.order, dieAt: { accepted: true } }).ended;
    expect(died.lines.at(-1)).toMatch(/^send begun /);
    expect(await paidTo(stage.world, "acme")).toBe(42_500_000n);
    const [sent] = recordedIn(stage.state);
    expect(await operationsOf(stage.world)).toEqual([sent!.operation]);
    expect(await goOn(stage)).toEqual(everyBillOnce);
  });

  test("pays each bill once when it dies in the middle of transactions, again and again", async () => {
    const stage = await setStage("inside");
    const closed = new Set<string>();
    // The first rows of a run are always written; how many more differs from run to run.
    const writes = Array.from({ length: 8 }, (_, run) => 2 + ((run * 11) % 37));
    for (const write of writes) {
      const died = await startAgent({ ...stage.order, dieAt: { write } }).ended;
      for (const decision of closedIn(died)) closed.add(decision!);
      if (died.lines.at(-1) === "finished") break;
      expect(died).toMatchObject({ signal: "SIGKILL", stderr: "" });
    }
    const kept = recordedIn(stage.state).filter((decision) => decision.done);
    for (const decision of closed) expect(kept.map(({ id }) => id)).toContain(decision);
    expect(await goOn(stage)).toEqual(everyBillOnce);
  });

  test("pays each bill once when it is killed at random instants", async () => {
    const stage = await setStage("random");
    const closed = new Set<string>();
    const waits: number[] = [];
    for (let kill = 0; kill < 6; kill++) {
      const wait = Math.floor(Math.random() * 120);
      waits.push(wait);
      const agent = startAgent(stage.order);
      await agent.said("ready").catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, wait));
      agent.kill();
      for (const decision of closedIn(await agent.ended)) closed.add(decision!);
    }
    const kept = recordedIn(stage.state).filter((decision) => decision.done);
    const lost = [...closed].filter((decision) => !kept.some(({ id }) => id === decision));
    expect({ lost, waits }).toEqual({ lost: [], waits });
    expect(await goOn(stage)).toEqual(everyBillOnce);
  });
});

describe("a chain that dies", () => {
  const { revive } = useChain("dying.ndjson");

  test.each(["sign committed", "send begun", "settle begun"])(
    "together with the runtime, at: %s, comes back with it and each bill is paid once",
    async (passage) => {
      const stage = await setStage(`both-${passage.replace(" ", "-")}`);
      await startAgent({ ...stage.order, dieAt: { passage } }).ended;
      await chain.kill();
      await revive();
      expect(await goOn(stage)).toEqual(everyBillOnce);
    },
  );

  test("together with the runtime at any instant, again and again, loses no payment and makes none twice", async () => {
    const stage = await setStage("both-random");
    for (const wait of [15, 45, 75]) {
      const agent = startAgent(stage.order);
      await agent.said("ready").catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, wait));
      const gone = chain.kill();
      agent.kill();
      await Promise.all([gone, agent.ended]);
      await revive();
    }
    expect(await goOn(stage)).toEqual(everyBillOnce);
  });

  test("alone is waited for: the runtime goes on when it is back", async () => {
    const stage = await setStage("chain-alone");
    const agent = startAgent({ ...stage.order, backOffMs: Array.from({ length: 60 }, () => 100) });
    await agent.said("infer begun");
    await chain.kill();
    await new Promise((resolve) => setTimeout(resolve, 300));
    await revive();
    const end = await agent.ended;
    expect({ ...end, lines: end.lines.slice(-1) }).toEqual({ signal: null, stderr: "", lines: ["finished"] });
    expect(await goOn(stage)).toEqual(everyBillOnce);
  });

  test("alone for too long stops the runtime with a typed error; later it goes on where it was", async () => {
    const stage = await setStage("chain-gone");
    const agent = startAgent({ ...stage.order, backOffMs: [50] });
    await agent.said("observe begun");
    await chain.kill();
    const end = await agent.ended;
    expect({ ...end, lines: end.lines.slice(-1) }).toEqual({
      signal: null,
      stderr: "",
      lines: ["failed RpcUnreachableError"],
    });
    await revive();
    expect(await goOn(stage)).toEqual(everyBillOnce);
  });
});
