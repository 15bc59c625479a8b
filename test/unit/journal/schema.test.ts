import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";

import { checkJournal } from "../../../src/journal/backupJournal.ts";
import { openDecision, outputOf } from "../../../src/journal/decisions.ts";
import { verifyEntries } from "../../../src/journal/entries.ts";
import { leavesOf } from "../../../src/journal/leaves.ts";
import { memoriesIn } from "../../../src/journal/memories.ts";
import { nextNonceIn, operationRowOf } from "../../../src/journal/operations.ts";
import { isPaused } from "../../../src/journal/pauses.ts";
import { openJournal } from "../../../src/journal/openJournal.ts";
import { standingPayments } from "../../../src/journal/payments.ts";
import { migrate, schemaVersion } from "../../../src/journal/schema.ts";
import { readJournal } from "../../../src/journal/readJournal.ts";
import { statementsOf } from "../../../src/journal/statements.ts";
import { cursorOf, nextTrigger, triggerRowsOf } from "../../../src/journal/triggers.ts";
import { tamper, temporaryFolder, temporaryJournal } from "./temporary.ts";

/** A journal as the program wrote it whose schema was one long string of SQL. */
const version1 = readFileSync(join(import.meta.dirname, "version1.sql"), "utf8");

function oldJournal(): { readonly folder: string; readonly file: string } {
  const folder = temporaryFolder();
  const file = join(folder, "journal.db");
  tamper(file, version1);
  return { folder, file };
}

type Rows = readonly Record<string, unknown>[];

/** What a schema means, without the words that it was declared with. */
function meaningOf(file: string): Rows {
  const database = new DatabaseSync(file);
  const rows = (sql: string) =>
    database
      .prepare(sql)
      .all()
      .map((row) => ({ ...row })) as Rows;
  const indexes = (table: string) =>
    rows(`pragma index_list(${table})`)
      .map(({ name, origin, partial, unique }) => {
        const declared = rows(`select sql from sqlite_schema where name = '${String(name)}'`)[0]?.["sql"];
        return {
          origin,
          partial,
          unique,
          columns: rows(`pragma index_xinfo(${String(name)})`).map((column) => [
            column["name"],
            column["key"],
          ]),
          where: /\bwhere\b(.*)$/is.exec(String(declared))?.[1]?.replaceAll(/["\s]/g, ""),
        };
      })
      .map((index) => JSON.stringify(index))
      .toSorted();
  const meaning = rows("pragma table_list")
    .filter(({ name }) => !String(name).startsWith("sqlite_"))
    .map(({ name, strict, wr }) => ({
      name,
      strict,
      wr,
      columns: rows(`pragma table_xinfo(${String(name)})`).map((column) => ({
        ...column,
        type: String(column["type"]).toLowerCase(),
      })),
      indexes: indexes(String(name)),
      references: rows(`pragma foreign_key_list(${String(name)})`),
    }))
    .toSorted((one, other) => (String(one.name) < String(other.name) ? -1 : 1));
  database.close();
  return meaning;
}

/** A new journal of an older version of the schema. */
function newJournalOf(version: number): string {
  const file = join(temporaryFolder(), "journal.db");
  const database = new DatabaseSync(file);
  const run = statementsOf(database);
  migrate({ ...run, path: file, atomically: (work) => work() }, "sqlite", version);
  database.close();
  return file;
}

describe("the schema", () => {
  it("is in its first version what it was before it went through Kysely", () => {
    const before = meaningOf(oldJournal().file);
    expect(before.map(({ name }) => name)).toContain("operation");
    expect(meaningOf(newJournalOf(1))).toEqual(before);
  });

  it("is the same whether a journal was made with it or came from an older one", () => {
    const { file, folder } = oldJournal();
    temporaryJournal(folder).close();
    expect(meaningOf(file)).toEqual(meaningOf(temporaryJournal().path));
  });

  it("is the same when it came from the version before", () => {
    const file = newJournalOf(schemaVersion - 1);
    openJournal(file).close();
    expect(meaningOf(file)).toEqual(meaningOf(temporaryJournal().path));
  });

  it("keeps all that an old journal holds", () => {
    const { file, folder } = oldJournal();
    const before = meaningOf(file);
    const journal = temporaryJournal(folder);
    expect(verifyEntries(journal).entries).toBe(4);
    expect(nextTrigger(journal, "clerk", 0)).toMatchObject({
      dedupeId: "mail:b",
      payload: { subject: "It's b" },
    });
    expect(triggerRowsOf(journal, "clerk")).toMatchObject([{ decision: "one" }, { decision: null }]);
    expect(cursorOf(journal, "clerk", "clock:daily")).toBe(1_700_000_000);
    expect(openDecision(journal, "clerk")).toMatchObject({ id: "one", triggerId: "mail:a", position: 1 });
    expect(outputOf(journal, "one", "parse")).toEqual({ action: "hold" });
    expect(leavesOf(journal, "clerk")).toHaveLength(1);
    expect(operationRowOf(journal, "one")).toMatchObject({ lane: "lane", nonce: "0x10", state: "signed" });
    expect(standingPayments(journal, "clerk", { payee: "acme", address: "0xac" }, [])).toMatchObject([
      { address: null, reference: "INV-1", state: "pending" },
    ]);
    expect(memoriesIn(journal, "clerk")).toMatchObject([{ name: "lucky", value: 7, provenance: "history" }]);
    expect(isPaused(journal, "clerk")).toBe(true);
    expect(meaningOf(file).map(({ name }) => name)).toEqual(
      expect.arrayContaining(before.map(({ name }) => name)),
    );
  });

  it("makes a table that was added to the first version after a journal was written", () => {
    const { file, folder } = oldJournal();
    tamper(file, "drop table sibling; drop index operation_place; drop table memory");
    temporaryJournal(folder).close();
    expect(meaningOf(file)).toEqual(meaningOf(temporaryJournal().path));
  });

  it("carries a journal of the second version over, rows and all", () => {
    const file = newJournalOf(2);
    tamper(
      file,
      `insert into trigger_ (agent, dedupe_id, position, kind, label, payload) values ('clerk', 'mail:a', 1, 'mail', 'a.eml', '{}')`,
      `insert into operation values ('0x01', 'one', 'lane', '0x10', '{}', 'expired')`,
    );
    const journal = temporaryJournal(dirname(file));
    expect(nextTrigger(journal, "clerk", 0)).toMatchObject({ dedupeId: "mail:a" });
    expect(nextNonceIn(journal, "lane")).toBe(16n);
    expect(meaningOf(file)).toEqual(meaningOf(temporaryJournal().path));
  });

  it("leaves a journal as it was where it can't be brought to the newest", () => {
    const { file, folder } = oldJournal();
    tamper(file, "drop table sibling; create table new_decision (a text) strict");
    const before = meaningOf(file);
    expect(() => temporaryJournal(folder)).toThrow(/new_decision/);
    expect(meaningOf(file)).toEqual(before);
  });

  it("is read only in its newest version, and its audit log in any", () => {
    const { file } = oldJournal();
    expect(() => readJournal(file)).toThrow(`The journal has schema 1, this program reads ${schemaVersion}.`);
    expect(checkJournal(file).entries).toBe(4);
  });
});
