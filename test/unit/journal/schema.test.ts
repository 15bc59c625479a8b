import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";

import { openDecision, outputOf } from "../../../src/journal/decisions.ts";
import { verifyEntries } from "../../../src/journal/entries.ts";
import { leavesOf } from "../../../src/journal/leaves.ts";
import { memoriesIn } from "../../../src/journal/memories.ts";
import { operationRowOf } from "../../../src/journal/operations.ts";
import { isPaused } from "../../../src/journal/pauses.ts";
import { standingPayments } from "../../../src/journal/payments.ts";
import { cursorOf, nextTrigger } from "../../../src/journal/triggers.ts";
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

describe("the schema", () => {
  it("is what it was before it went through Kysely: tables, columns, keys, partial indexes, references", () => {
    const fresh = temporaryJournal();
    const before = meaningOf(oldJournal().file);
    expect(before.map(({ name }) => name)).toContain("operation");
    expect(meaningOf(fresh.path)).toEqual(before);
  });

  it("leaves an old journal as it is, and reads all of it", () => {
    const { file, folder } = oldJournal();
    const before = meaningOf(file);
    const journal = temporaryJournal(folder);
    expect(verifyEntries(journal).entries).toBe(4);
    expect(nextTrigger(journal, "clerk")).toMatchObject({
      dedupeId: "mail:b",
      payload: { subject: "It's b" },
    });
    expect(cursorOf(journal, "clerk", "clock:daily")).toBe(1_700_000_000);
    expect(openDecision(journal, "clerk")).toMatchObject({ id: "one", triggerId: "mail:a", position: 1 });
    expect(outputOf(journal, "one", "parse")).toEqual({ action: "hold" });
    expect(leavesOf(journal, "clerk")).toHaveLength(1);
    expect(operationRowOf(journal, "one")).toMatchObject({ lane: "lane", nonce: "0x10", state: "signed" });
    expect(standingPayments(journal, "clerk", "acme")).toMatchObject([
      { reference: "INV-1", state: "pending" },
    ]);
    expect(memoriesIn(journal, "clerk")).toMatchObject([{ name: "lucky", value: 7, provenance: "history" }]);
    expect(isPaused(journal, "clerk")).toBe(true);
    journal.close();
    expect(meaningOf(file)).toEqual(before);
  });

  it("makes a table that was added to the first version after a journal was written", () => {
    const { file, folder } = oldJournal();
    const before = meaningOf(file);
    tamper(file, "drop table sibling; drop index operation_place; drop table memory");
    temporaryJournal(folder).close();
    expect(meaningOf(file)).toEqual(before);
  });

  it("leaves nothing behind where it can't be made whole", () => {
    const { file, folder } = oldJournal();
    tamper(file, "drop table sibling; drop index payment_payee; create table payment_payee (a text) strict");
    expect(() => temporaryJournal(folder)).toThrow(/payment_payee/);
    expect(meaningOf(file).map(({ name }) => name)).not.toContain("sibling");
  });
});
