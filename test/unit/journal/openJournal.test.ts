import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";

import { BaseError } from "../../../src/core/errors.ts";
import { noteOnce, verifyEntries } from "../../../src/journal/entries.ts";
import { JournalLockedError, JournalOpenError, JournalWriteError } from "../../../src/journal/errors.ts";
import { addNote, hasNote, notesUnder, setNote } from "../../../src/journal/notes.ts";
import { openJournal, requireLocalDisk, type JournalDatabase } from "../../../src/journal/openJournal.ts";
import { schemaVersion } from "../../../src/journal/schema.ts";
import { tamper, temporaryFolder, temporaryJournal } from "./temporary.ts";

const program = (name: string) => join(import.meta.dirname, "programs", name);
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

/** Another process that opens the journal; its first word about it. */
async function other(path: string): Promise<{ readonly child: ChildProcess; readonly word: string }> {
  const child = spawn(process.execPath, [program("holdJournal.mjs"), path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const word = await new Promise<string>((resolve) =>
    child.stdout.once("data", (data: Buffer) => resolve(data.toString().trim())),
  );
  return { child, word };
}

describe("openJournal", () => {
  it.each([
    ["NFS", 0x6969],
    // Some kernels give it as a negative number.
    ["CIFS", 0xff534d42 | 0],
    ["9P", 0x01021997],
  ])("refuses %s, another machine's disk", (name, type) => {
    expect(() => requireLocalDisk("journal.db", type)).toThrow(`network file system (${name})`);
  });

  it.each([0xef53, 0x58465342, 0x01021994, 0x794c7630, 0])("takes a local one (type %d)", (type) => {
    expect(() => requireLocalDisk("journal.db", type)).not.toThrow();
  });

  it("opens with the settings that durability rests on", () => {
    const journal = temporaryJournal();
    const settings = ["journal_mode", "synchronous", "foreign_keys"].map((name) =>
      journal.get(`pragma ${name}`),
    );
    expect(settings).toEqual([{ journal_mode: "wal" }, { synchronous: 2 }, { foreign_keys: 1 }]);
  });

  it("makes the folder, for its owner only, and keeps what was written over a close", () => {
    const folder = join(temporaryFolder(), "state", "deep");
    const first = temporaryJournal(folder);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    noteOnce(first, "clerk", "once", "noted", { a: 1 });
    first.close();
    first.close();
    expect(verifyEntries(temporaryJournal(folder)).entries).toBe(1);
  });

  it("makes every file for its owner only, whatever the umask allows", () => {
    const folder = temporaryFolder();
    const umask = process.umask(0);
    try {
      noteOnce(temporaryJournal(folder), "clerk", "once", "noted", { a: 1 });
    } finally {
      process.umask(umask);
    }
    const modes = Object.fromEntries(
      readdirSync(folder).map((name) => [name, (statSync(join(folder, name)).mode & 0o777).toString(8)]),
    );
    expect(modes).toMatchObject({
      "journal.db": "600",
      "journal.db-shm": "600",
      "journal.db-wal": "600",
      "journal.db.lock": "600",
    });
    // Nothing else of SQLite's (the journal of the lock) is open to others either.
    expect(new Set(Object.values(modes))).toEqual(new Set(["600"]));
  });

  it("is refused a second time in this process, and free again after a close", () => {
    const folder = temporaryFolder();
    const journal = temporaryJournal(folder);
    expect(() => temporaryJournal(folder)).toThrow(JournalLockedError);
    journal.close();
    expect(temporaryJournal(folder).path).toBe(journal.path);
  });

  it("is refused to another process, which is told so by name", async () => {
    const journal = temporaryJournal();
    expect((await other(journal.path)).word).toBe("JournalLockedError");
  });

  it("stays refused to another process after a second try in this one", async () => {
    const journal = temporaryJournal();
    expect(() => openJournal(journal.path)).toThrow(JournalLockedError);
    expect((await other(journal.path)).word).toBe("JournalLockedError");
  });

  it("is held by another process until that is killed, and then opens at once with all that was committed", async () => {
    const folder = temporaryFolder();
    const { child, word } = await other(join(folder, "journal.db"));
    expect(word).toBe("open");
    expect(() => temporaryJournal(folder)).toThrow(JournalLockedError);
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
    expect(temporaryJournal(folder).get("select value from meta where key = 'schema'")).toBeDefined();
  });

  it("tells two runtimes on one journal what that would mean", () => {
    expect(new JournalLockedError("state/journal.db").message).toMatchInlineSnapshot(`
      "Another runtime is using this journal.
      Stop the other runtime first; two runtimes on one journal would be two signers for one account.
        journal: state/journal.db"
    `);
  });

  it("refuses a journal of another schema, and leaves the file free", () => {
    const folder = temporaryFolder();
    const fresh = temporaryJournal(folder);
    fresh.close();
    tamper(fresh.path, "update meta set value = '99' where key = 'schema'");
    expect(() => openJournal(fresh.path)).toThrow(
      `The journal has schema 99, this program writes ${schemaVersion}.`,
    );
    tamper(fresh.path, `update meta set value = '${schemaVersion}' where key = 'schema'`);
    expect(temporaryJournal(folder).path).toBe(fresh.path);
  });

  it("refuses a file that is no database, and a folder in its place", () => {
    const folder = temporaryFolder();
    const file = join(folder, "journal.db");
    writeFileSync(file, "not a database, but long enough to look like one".repeat(10));
    expect(() => openJournal(file)).toThrow(JournalOpenError);
    expect(readFileSync(file, "utf8")).toMatch(/^not a database/);
    expect(() => openJournal(folder)).toThrow(JournalOpenError);
  });

  it.skipIf(process.getuid?.() === 0)("refuses a folder it may not write, and says what to do", () => {
    const folder = temporaryFolder();
    chmodSync(folder, 0o500);
    expect(() => openJournal(join(folder, "journal.db"))).toThrow(/Check that the folder is writable/);
    chmodSync(folder, 0o700);
  });
});

describe("atomically", () => {
  it("keeps nothing of a transaction that throws, and passes the error on as it is", () => {
    const journal = temporaryJournal();
    const error = new BaseError("It went wrong.");
    const work = () => {
      journal.run("insert into meta values ('a', '1')");
      throw error;
    };
    expect(() => journal.atomically(work)).toThrow(error);
    expect(journal.get("select * from meta where key = 'a'")).toBeUndefined();
    expect(journal.atomically(() => "goes on")).toBe("goes on");
  });

  it("keeps nothing when a later statement breaks a rule of the schema", () => {
    const journal = temporaryJournal();
    expect(() =>
      journal.atomically(() => {
        journal.run("insert into meta values ('a', '1')");
        journal.run("insert into meta values ('a', '2')");
      }),
    ).toThrow(/UNIQUE/);
    expect(journal.all("select * from meta where key = 'a'")).toEqual([]);
  });

  it("says that the disk is full, and keeps nothing of the transaction", () => {
    const journal = temporaryJournal();
    const pages = Number(journal.get("pragma page_count")?.["page_count"]);
    journal.get(`pragma max_page_count = ${pages}`);
    const fill = () =>
      journal.atomically(() => journal.run("insert into meta values ('big', ?)", "x".repeat(1 << 20)));
    expect(fill).toThrow(JournalWriteError);
    expect(fill).toThrow("The disk that holds the journal is full.");
    expect(journal.get("select key from meta where key = 'big'")).toBeUndefined();
  });
});

describe("a disk that fails", () => {
  it("refuses a file with a damaged page, whichever it is", () => {
    const folder = temporaryFolder();
    const path = join(folder, "journal.db");
    const journal = temporaryJournal(folder);
    for (let index = 0; index < 200; index++)
      noteOnce(journal, "clerk", `note ${index}`, "noted", { text: "x".repeat(200) });
    const bytes = Number(journal.get("pragma page_size")?.["page_size"]);
    journal.close();
    const sound = readFileSync(path);
    const pages = sound.length / bytes;
    expect(pages).toBeGreaterThan(20);
    const told = Array.from({ length: pages }, (_, page) => {
      writeFileSync(path, Buffer.from(sound).fill(0xa5, page * bytes, (page + 1) * bytes));
      try {
        openJournal(path).close();
        return `page ${page} was taken`;
      } catch (error) {
        return error instanceof JournalOpenError ? error.shortMessage : String(error);
      }
    });
    // The first page is the file's head: without it nothing says that this is a database.
    expect(new Set(told)).toEqual(
      new Set(["The journal can't be opened.", "The journal's file is damaged."]),
    );
    writeFileSync(path, sound);
    expect(verifyEntries(temporaryJournal(folder)).entries).toBe(200);
  });

  it.runIf(process.platform === "linux")("refuses a folder that can't be written", () => {
    // For root too: no file can be made there.
    expect(() => openJournal("/sys/kernel/journal.db")).toThrow(JournalOpenError);
    expect(() => openJournal("/sys/kernel/journal.db")).toThrow(/Check that the folder is writable/);
  });

  it("says that it can't be written any more, and keeps nothing of the transaction", () => {
    const journal = temporaryJournal();
    // SQLite answers as on a disk that was remounted read-only: SQLITE_READONLY.
    journal.get("pragma query_only = on");
    const write = () => noteOnce(journal, "clerk", "once", "noted", {});
    expect(write).toThrow(JournalWriteError);
    expect(write).toThrow("The journal could not be written.");
    journal.get("pragma query_only = off");
    expect(verifyEntries(journal).entries).toBe(0);
  });
});

describe("together", () => {
  const note = (journal: JournalDatabase, key: string) =>
    journal.together(() => {
      addNote(journal, key);
      return key;
    });

  it("commits what is asked for in one turn at once, and tells nobody before", async () => {
    const journal = temporaryJournal();
    let told = 0;
    const all = Promise.all(["a", "b", "c"].map((key) => note(journal, key).finally(() => told++)));
    expect([told, hasNote(journal, "a")]).toEqual([0, false]);
    expect(await all).toEqual(["a", "b", "c"]);
    expect(["a", "b", "c"].map((key) => hasNote(journal, key))).toEqual([true, true, true]);
  });

  it("undoes only what threw, and passes its error on as it is", async () => {
    const journal = temporaryJournal();
    const error = new BaseError("It went wrong.");
    const wrong = journal.together(() => {
      addNote(journal, "wrong");
      throw error;
    });
    const settled = await Promise.allSettled([note(journal, "a"), wrong, note(journal, "b")]);
    expect(settled.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(settled[1]).toMatchObject({ reason: error });
    expect(["a", "wrong", "b"].map((key) => hasNote(journal, key))).toEqual([true, false, true]);
  });

  it("tells all of them when the disk is full, and keeps nothing of any", async () => {
    const journal = temporaryJournal();
    const pages = Number(journal.get("pragma page_count")?.["page_count"]);
    journal.get(`pragma max_page_count = ${pages}`);
    const big = journal.together(() => setNote(journal, "big", "x".repeat(1 << 20)));
    const settled = await Promise.allSettled([note(journal, "a"), big, note(journal, "b")]);
    for (const one of settled)
      expect(one.status === "rejected" && (one.reason as Error)).toBeInstanceOf(JournalWriteError);
    expect(["a", "big", "b"].map((key) => hasNote(journal, key))).toEqual([false, false, false]);
    journal.get("pragma max_page_count = 1000000");
    expect(await note(journal, "later")).toBe("later");
  });

  it("leaves the flush to the next one only where all of a turn may be lost", async () => {
    const journal = temporaryJournal();
    const level = () => journal.get("pragma synchronous")?.["synchronous"];
    const seen = (sure: "now" | "soon") => journal.together(level, sure);
    expect(await Promise.all([seen("soon"), seen("soon")])).toEqual([1, 1]);
    expect(await Promise.all([seen("soon"), seen("now"), seen("soon")])).toEqual([2, 2, 2]);
    const broken = journal.together(() => journal.run("insert into nowhere values (1)"), "soon");
    await expect(broken).rejects.toThrow(/no such table/);
    expect(level()).toBe(2);
  });

  it("takes as many turns as it needs, in order, and a close waits for them", async () => {
    const folder = temporaryFolder();
    const journal = temporaryJournal(folder);
    const asked = Array.from({ length: 600 }, (_, index) => note(journal, `many:${index}`));
    journal.close();
    await Promise.all(asked);
    expect(notesUnder(temporaryJournal(folder), "many:")).toHaveLength(600);
  });
});

/** Counts system calls; not every machine has it, or lets it trace. */
const tracer = "strace";

describe("durability", () => {
  it("flushes the disk at every commit", (context) => {
    const folder = temporaryFolder();
    const log = join(folder, "strace.txt");
    const run = (commits: number, sure = "now"): number | undefined => {
      const tracing = ["-f", "-c", "-e", "trace=fsync,fdatasync", "-o", log];
      const command = [
        process.execPath,
        program("commitTimes.mjs"),
        join(folder, `${commits}-${sure}.db`),
        String(commits),
        sure,
      ];
      if (spawnSync(tracer, [...tracing, ...command]).status !== 0) return undefined;
      // The table of strace -c: % time, seconds, usecs/call, calls, [errors], syscall.
      return [
        ...readFileSync(log, "utf8").matchAll(
          /^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)(?:\s+\d+)?\s+f(?:data)?sync$/gm,
        ),
      ]
        .map(([, calls]) => Number(calls))
        .reduce((sum, calls) => sum + calls, 0);
    };
    const [few, many] = [run(5), run(25)];
    if (few === undefined || many === undefined)
      return context.skip("strace is not here or may not trace, so flushes can't be counted");
    // One each at least: opening and closing cost the same in both runs.
    expect(many - few).toBeGreaterThanOrEqual(20);
    const soon = run(30, "soon")!;
    expect(soon - few).toBeLessThan(5);
  });
});
