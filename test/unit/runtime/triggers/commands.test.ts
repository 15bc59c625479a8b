import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { isCancelled } from "../../../../src/journal/cancels.ts";
import { startDecision } from "../../../../src/journal/decisions.ts";
import { readEntries } from "../../../../src/journal/entries.ts";
import { openJournal, type JournalDatabase } from "../../../../src/journal/openJournal.ts";
import { isPaused } from "../../../../src/journal/pauses.ts";
import { nextTrigger } from "../../../../src/journal/triggers.ts";
import { sleep } from "../../../../src/runtime/clock.ts";
import {
  CommandError,
  sendCommand,
  watchCommands,
  type Command,
} from "../../../../src/runtime/triggers/commands.ts";

let state: string;
let journal: JournalDatabase;
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), "bursar-commands-"));
  journal = openJournal(join(state, "journal.db"));
});
afterEach(() => {
  journal.close();
  rmSync(state, { recursive: true, force: true });
});

const unasked = { now: () => 1_800_000_000_000, answer: () => Promise.resolve("Nobody is asked here.") };

let counter = 0;
const give = (command: Command, waitMs = 0) =>
  sendCommand(state, command, {
    now: () => 1_800_000_000_000 + counter,
    sleep,
    chance: () => String(counter++),
    waitMs,
  });
const scan = () => watchCommands({ ...unasked, agents: ["clerk"], journal, state }).scan();
/** An operator's command reaches the folder in its own time. */
async function scannedUntil<T>(answer: Promise<T>, look: () => Promise<void>): Promise<T> {
  let answered = false;
  void answer.finally(() => (answered = true)).catch(() => undefined);
  while (!answered) {
    await look();
    await sleep(20);
  }
  return answer;
}
const kinds = () => readEntries(journal).map(({ kind }) => kind);

it("wakes the agent with the operator's words, once", async () => {
  expect(await give({ command: "tell", text: "Look again." })).toBe(false);
  await scan();
  await scan();
  expect(nextTrigger(journal, "clerk", 0)).toMatchObject({
    kind: "operator",
    payload: { facts: { "command.text": { value: "Look again.", provenance: "operator" } } },
  });
  expect(readdirSync(join(state, "commands"))).toEqual([]);
  expect(kinds()).toEqual(["trigger"]);
});

it("pauses and resumes in the order of the commands, and tells of changes only", async () => {
  await give({ command: "pause" });
  await give({ command: "pause" });
  await scan();
  expect(isPaused(journal, "clerk")).toBe(true);
  await give({ command: "resume" });
  await give({ command: "pause" });
  await give({ command: "resume" });
  await scan();
  expect(isPaused(journal, "clerk")).toBe(false);
  expect(kinds()).toEqual(["paused", "resumed", "paused", "resumed"]);
});

it("cancels the decision under way, once, and no other", async () => {
  const under = () => {
    startDecision(journal, { id: "d1", agent: "clerk", triggerId: "t1", machine: "m@1", snapshot: {} });
  };
  await give({ command: "cancel" });
  await scan();
  expect(kinds()).toEqual(["unusable"]);
  journal.atomically(under);
  await give({ command: "cancel", decision: "d2" });
  await scan();
  expect(isCancelled(journal, "d1")).toBe(false);
  await give({ command: "cancel", decision: "d1" });
  await give({ command: "cancel" });
  await scan();
  expect(isCancelled(journal, "d1")).toBe(true);
  expect(kinds()).toEqual(["unusable", "unusable", "cancelled"]);
  const left = readdirSync(join(state, "commands"));
  expect(left.filter((name) => !name.endsWith(".unusable"))).toEqual([]);
});

it("says when it was taken in", async () => {
  const taken = give({ command: "pause" }, 5000);
  expect(await scannedUntil(taken, scan)).toBe(true);
});

it("leaves aside what is no command, and goes on", async () => {
  mkdirSync(join(state, "commands"), { recursive: true });
  for (const [name, text] of [
    ["0.json", "{"],
    ["1.json", '{"command":"stop"}'],
    ["2.json", '{"command":"tell","text":""}'],
    ["3.json", " ".repeat(70_000)],
    ["4.part", "half"],
  ] as const)
    writeFileSync(join(state, "commands", name), text);
  await give({ command: "tell", text: "Hello" });
  await scan();
  expect(kinds().sort()).toEqual(["trigger", "unusable", "unusable", "unusable", "unusable"]);
  expect(readdirSync(join(state, "commands")).sort()).toEqual([
    "0.json.unusable",
    "1.json.unusable",
    "2.json.unusable",
    "3.json.unusable",
    "4.part",
  ]);
});

it("refuses an empty or endless text, and a folder without a journal", async () => {
  await expect(give({ command: "tell", text: "" })).rejects.toThrow(CommandError);
  await expect(give({ command: "tell", text: "x".repeat(4097) })).rejects.toThrow(CommandError);
  await expect(
    sendCommand(
      join(state, "nowhere"),
      { command: "pause" },
      { now: () => 0, sleep, chance: () => "1", waitMs: 0 },
    ),
  ).rejects.toThrow("no journal");
});

describe("where several agents run", () => {
  const watcher = () => watchCommands({ ...unasked, agents: ["clerk", "buyer"], journal, state });
  const paused = () => ["clerk", "buyer"].map((agent) => isPaused(journal, agent));

  it("pauses the one that is named, and all when none is", async () => {
    await give({ command: "pause", agent: "buyer" });
    await watcher().scan();
    expect(paused()).toEqual([false, true]);
    await give({ command: "pause" });
    await watcher().scan();
    expect(paused()).toEqual([true, true]);
  });

  it("tells something to the one that is named, and never to all of them", async () => {
    const told = give({ command: "tell", text: "Look again.", agent: "buyer" }, 5000);
    const lost = give({ command: "tell", text: "Pay it." }, 5000).catch((error: unknown) => error);
    const nobody = give({ command: "pause", agent: "cook" }, 5000).catch((error: unknown) => error);
    const [was, ...refused] = await scannedUntil(Promise.all([told, lost, nobody]), () => watcher().scan());
    expect(was).toBe(true);
    for (const error of refused) expect(error).toBeInstanceOf(CommandError);
    expect(nextTrigger(journal, "clerk", 0)).toBeUndefined();
    expect(nextTrigger(journal, "buyer", 0)).toMatchObject({ kind: "operator" });
    expect(
      readEntries(journal)
        .flatMap(({ body, kind }) => (kind === "unusable" ? [body["why"] as string] : []))
        .toSorted(),
      // They were given at once, and may be read in either order.
    ).toEqual(['No agent here is called "cook".', "Several agents run here, and it names none of them."]);
  });

  it("takes each command once, however many look at once", async () => {
    const one = watcher();
    await give({ command: "tell", text: "Look again.", agent: "clerk" });
    await Promise.all([one.scan(), one.scan(), one.scan()]);
    expect(kinds()).toEqual(["trigger"]);
    await give({ command: "pause" });
    const during = one.scan();
    await give({ command: "resume", agent: "clerk" });
    await Promise.all([during, one.scan()]);
    expect(paused()).toEqual([false, true]);
  });
});
