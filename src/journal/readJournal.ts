import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { JournalOpenError } from "./errors.ts";
import type { JournalDatabase, Row } from "./openJournal.ts";
import { schemaVersion } from "./schema.ts";

/** A journal that is only looked at. */
export type JournalReader = Pick<JournalDatabase, "path" | "all" | "get" | "close">;

/**
 * Opens a journal, or a backup of one, for reading: also while an agent runs on it, whose lock it does not need. What is read in one
 * statement is one state; between two the agent may have gone on.
 *
 * @throws JournalOpenError
 */
export function readJournal(file: string): JournalReader {
  const path = resolve(file);
  const refuse = (words: string, detail?: unknown) =>
    new JournalOpenError(words, {
      remedy: "Name the journal.db of an agent's state folder, or a backup of it.",
      facts: { journal: path, detail: detail instanceof Error ? detail.message : undefined },
      cause: detail,
    });
  if (!existsSync(path)) throw refuse("There is no such journal.");
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly: true });
    database.exec("pragma busy_timeout = 5000");
    const version = database.prepare("select value from meta where key = 'schema'").get()?.["value"];
    if (version !== schemaVersion)
      throw refuse(`The journal has schema ${String(version)}, this program reads ${schemaVersion}.`);
  } catch (error) {
    database?.close();
    throw error instanceof JournalOpenError ? error : refuse("The file is no journal.", error);
  }
  const open = database;
  let closed = false;
  return {
    path,
    all: (sql, ...values) => open.prepare(sql).all(...values) as unknown as readonly Row[],
    get: (sql, ...values) => open.prepare(sql).get(...values) as unknown as Row | undefined,
    close() {
      if (!closed) open.close();
      closed = true;
    },
  };
}
