import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach } from "vitest";

import { openJournal, type JournalDatabase } from "../../../src/journal/openJournal.ts";

const folders: string[] = [];
const journals: JournalDatabase[] = [];

afterEach(() => {
  for (const journal of journals.splice(0)) journal.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "bursar-journal-"));
  folders.push(folder);
  return folder;
}

/** A journal that is closed and gone after the test. */
export function temporaryJournal(folder = temporaryFolder()): JournalDatabase {
  const journal = openJournal(join(folder, "journal.db"));
  journals.push(journal);
  return journal;
}

/** What a stranger with a SQLite shell does to the file behind the journal's back. */
export function tamper(path: string, ...statements: readonly string[]): void {
  const database = new DatabaseSync(path);
  for (const statement of statements) database.exec(statement);
  database.close();
}
