import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { connectChain } from "../../src/chain/connectChain.ts";
import { backupJournal, checkJournal } from "../../src/journal/backupJournal.ts";
import { readEntries } from "../../src/journal/entries.ts";
import { JournalBrokenError, JournalOpenError } from "../../src/journal/errors.ts";
import { openJournal } from "../../src/journal/openJournal.ts";
import { release } from "../../src/journal/quarantine.ts";
import { restoreJournal } from "../../src/journal/restoreJournal.ts";
import { awaitRestore } from "../../src/runtime/awaitRestore.ts";
import { JournalBehindChainError, requireWholeJournal } from "../../src/runtime/requireWholeJournal.ts";
import { startLocalChain, localChainId, type LocalChain } from "../../src/testing/localChain.ts";
import { decideAll, openHouse } from "./house.ts";
import { billMail, writeInbox } from "./mails.ts";
import { bursarIn } from "./ownersDesk.ts";
import { grantAnew, makeWorld, newKeyOf, operationsOf, paidTo, type World } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-backup-"));
let chain: LocalChain;
beforeAll(async () => {
  chain = await startLocalChain();
});
afterAll(async () => {
  await chain.close();
  rmSync(folder, { recursive: true, force: true });
});

const journalIn = (state: string) => join(state, "journal.db");
const bills = {
  "1.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1042" }),
  "2.eml": billMail({ to: "globex", amount: "7.25", reference: "G-7" }),
};

async function setStage(name: string): Promise<{ world: World; state: string }> {
  const world = await makeWorld(chain, name);
  const state = join(folder, name);
  writeInbox(state, { "1.eml": bills["1.eml"] });
  return { world, state };
}

/** Decides what is in the inbox, as a runtime that ends afterwards. */
async function decide(world: World, state: string, dieAt?: string) {
  const house = openHouse(world, { state });
  try {
    return await decideAll(house, state, {
      onPassage({ at, step }) {
        if (`${step} ${at}` === dieAt) throw new Error("cut off");
      },
    });
  } finally {
    house.journal.close();
  }
}

/** The state folder is lost; what is left is the inbox and the backup. */
async function loseAndRestore(state: string, backup: string) {
  for (const end of ["", "-wal", "-shm", ".lock"]) rmSync(`${journalIn(state)}${end}`, { force: true });
  return restoreJournal(backup, journalIn(state));
}

const whole = async (world: World, state: string) => {
  const house = openHouse(world, { state });
  try {
    await requireWholeJournal(house);
  } finally {
    house.journal.close();
  }
};

describe("an old backup", () => {
  test("is refused when the chain knows of more payments, so nothing is paid again", async () => {
    const { state, world } = await setStage("behind");
    await decide(world, state);
    const copy = join(folder, "behind.db");
    await backupJournal(journalIn(state), copy);
    writeInbox(state, bills);
    await decide(world, state);
    expect(await paidTo(world, "globex")).toBe(7_250_000n);

    expect(await loseAndRestore(state, copy)).toMatchObject({ quarantined: [] });
    await expect(whole(world, state)).rejects.toThrow(JournalBehindChainError);
    expect((await operationsOf(world)).length).toBe(2);
    // A new key does not make the journal whole.
    const rotated = await grantAnew(world, { agent: newKeyOf(world) });
    const error: unknown = await whole(rotated, state).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(JournalBehindChainError);
    expect(error).toMatchObject({
      facts: { key: world.agent.address.toLowerCase(), onChain: "2", inJournal: "1" },
      remedy: expect.stringContaining("a new agent key, a new state folder and an empty inbox"),
    });
  });

  test("decides nothing that was under way in it before the operator says so, and then each bill once", async () => {
    const { state, world } = await setStage("under-way");
    await decide(world, state);
    writeInbox(state, bills);
    // The operation is signed and stored, and not sent.
    await expect(decide(world, state, "sign committed")).rejects.toThrow("cut off");
    const copy = join(folder, "under-way.db");
    await backupJournal(journalIn(state), copy);

    const restored = await loseAndRestore(state, copy);
    expect(restored.quarantined).toEqual([expect.stringMatching(/^mail:0x/)]);
    await whole(world, state);
    expect(await decide(world, state)).toHaveLength(1);
    expect(await paidTo(world, "globex")).toBe(0n);

    const journal = openJournal(journalIn(state));
    expect(release(journal, ["mail:another"])).toEqual([]);
    expect(release(journal, "all")).toEqual(restored.quarantined);
    expect(readEntries(journal).map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(["restored", "released"]),
    );
    journal.close();
    expect((await decide(world, state)).map(({ outcome }) => outcome)).toEqual(["paid", "paid"]);
    expect([await paidTo(world, "acme"), await paidTo(world, "globex")]).toEqual([42_500_000n, 7_250_000n]);
    expect((await operationsOf(world)).length).toBe(2);
  });

  test("waits until nothing can be included that was signed meanwhile, across restarts", async () => {
    const { state, world } = await setStage("waits");
    await decide(world, state);
    const copy = join(folder, "waits.db");
    await backupJournal(journalIn(state), copy);
    await loseAndRestore(state, copy);
    const final = await connectChain({ rpc: chain, chainId: localChainId, finality: { depth: 1 } });
    const waits: number[] = [];
    /** Looks once, then is stopped, as by Ctrl-C. */
    const look = async () => {
      const journal = openJournal(journalIn(state));
      const stop = new AbortController();
      try {
        await awaitRestore(final, journal, stop.signal, (left) => {
          waits.push(left);
          stop.abort(new Error("stopped"));
        });
        return "over";
      } catch (error) {
        return (error as Error).message;
      } finally {
        journal.close();
      }
    };
    expect(await look()).toBe("stopped");
    for (let block = 0; block < 100; block++) await chain.request({ method: "evm_mine" });
    expect(await look()).toBe("stopped");
    expect(waits[0]! - waits[1]!).toBe(100);
    for (let block = 0; block < 202; block++) await chain.request({ method: "evm_mine" });
    expect(await look()).toBe("over");
    expect(await look()).toBe("over");
    expect(waits).toHaveLength(2);
    await whole(world, state);
  });
});

/** Of one paid bill, and one that is under way. */
async function soundBackup(name: string): Promise<string> {
  const { state, world } = await setStage(name);
  await decide(world, state);
  writeInbox(state, bills);
  await decide(world, state, "sign committed").catch(() => undefined);
  return (await backupJournal(journalIn(state), join(folder, `${name}.db`))).file;
}
let sound: Promise<string> | undefined;

describe("bursar journal", () => {
  test("backs up a journal in use, for its owner only, and checks, exports and restores it", async () => {
    const { state, world } = await setStage("command");
    const house = openHouse(world, { state });
    await decideAll(house, state);
    const made = await bursarIn(folder, "journal", "backup", "copy.db", "--state", "command", "--json");
    const { entries, file, head } = JSON.parse(made.stdout) as {
      entries: number;
      file: string;
      head: string;
    };
    expect(entries).toBe(readEntries(house.journal).length);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(existsSync(`${file}-wal`)).toBe(false);
    house.journal.close();

    const again = await bursarIn(folder, "journal", "backup", "copy.db", "--state", "command");
    expect([again.status, again.stderr]).toEqual([1, expect.stringContaining("already")]);
    const verified = await bursarIn(folder, "journal", "verify", "copy.db", "--json");
    expect(JSON.parse(verified.stdout)).toEqual({ intact: true, entries, head });
    const exported = await bursarIn(folder, "journal", "export", "copy.db", "--after", "2");
    const lines = exported.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { sequence: number; hash: string });
    expect([lines.length, lines[0]!.sequence, lines.at(-1)!.hash]).toEqual([entries - 2, 3, head]);

    const taken = await bursarIn(folder, "journal", "restore", "copy.db", "--state", "command");
    expect([taken.status, taken.stderr]).toEqual([
      1,
      expect.stringContaining("There is a journal in this place."),
    ]);
    const restored = await bursarIn(
      folder,
      "journal",
      "restore",
      "copy.db",
      "--state",
      "elsewhere",
      "--json",
    );
    expect(JSON.parse(restored.stdout)).toMatchObject({ entries, head, quarantined: [] });
    expect(checkJournal(join(folder, "elsewhere", "journal.db")).entries).toBe(entries + 1);
    const held = await bursarIn(folder, "journal", "release", "--state", "elsewhere");
    expect(held.stdout).toBe("Nothing is held.\n");
  });

  test("refuses what is no journal, and one whose entries were changed", async () => {
    const { state, world } = await setStage("broken");
    await decide(world, state);
    const journal = openJournal(journalIn(state));
    journal.run("update entry set kind = 'nothing' where sequence = 2");
    journal.close();
    const copy = join(folder, "broken.db");
    await expect(backupJournal(journalIn(state), copy)).rejects.toThrow(JournalBrokenError);
    expect([existsSync(copy), existsSync(`${copy}.part`)]).toEqual([false, false]);
    writeFileSync(join(folder, "text.db"), "no journal");
    for (const file of ["text.db", "nowhere.db"])
      expect(() => checkJournal(join(folder, file))).toThrow(JournalOpenError);
    await expect(restoreJournal(join(folder, "text.db"), join(folder, "new", "journal.db"))).rejects.toThrow(
      JournalOpenError,
    );
    expect(existsSync(join(folder, "new", "journal.db"))).toBe(false);
  });

  test.each<readonly [string, string, RegExp]>([
    ["has lost a payment", "delete from payment", /the payment that it decides/],
    ["calls a payment void", "update payment set state = 'void'", /the payment that it decides/],
    ["gives a payment to another agent", "update payment set agent = 'clerk'", /the payment that it decides/],
    ["knows a bill by another number", "update payment set reference = 'X-1'", /the payment that it decides/],
    ["has lost an operation", "delete from operation", /the operation that it tells of/],
    ["has lost a decision", "delete from decision", /the decision that it tells of/],
    ["takes a decision for unfinished", "update decision set done = 0", /the decision that it tells of/],
    ["has lost a trigger", "delete from trigger_", /the trigger that it tells of/],
  ])("refuses a backup that %s, which its log tells of", async (_, doctor, words) => {
    const copy = join(folder, "doctored.db");
    copyFileSync(await (sound ??= soundBackup("sound")), copy);
    checkJournal(copy);
    const database = new DatabaseSync(copy);
    database.exec(doctor);
    database.close();
    const target = join(folder, "from-doctored", "journal.db");
    await expect(restoreJournal(copy, target)).rejects.toThrow(words);
    await expect(restoreJournal(copy, target)).rejects.toThrow(JournalBrokenError);
    expect(existsSync(target)).toBe(false);
    const verified = await bursarIn(folder, "journal", "verify", "doctored.db");
    expect([verified.status, verified.stderr]).toEqual([1, expect.stringMatching(words)]);
  });
});
