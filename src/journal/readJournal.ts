import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { JournalOpenError } from "./errors.ts";
import type { JournalDatabase } from "./openJournal.ts";
import { isKnown, schemaVersion, versionOf } from "./schema.ts";
import { statementsOf } from "./statements.ts";

/** A journal that is only looked at. */
export type JournalReader = Pick<JournalDatabase, "path" | "all" | "get" | "close">;

/**
 * Opens a journal, or a backup of one, for reading: also while an agent runs on it, whose lock it does not need. What is read in one
 * statement is one state; between two the agent may have gone on.
 *
 * @param older whether one of an older schema will do, of which only the audit log is the same
 * @throws JournalOpenError
 */
export function readJournal(file: string, older: "older too" | "newest only" = "newest only"): JournalReader {
  const path = resolve(file);
  const refuse = (words: string, detail?: unknown, remedy?: string) =>
    new JournalOpenError(words, {
      remedy: remedy ?? "Name the journal.db of an agent's state folder, or a backup of it.",
      facts: { journal: path, detail: detail instanceof Error ? detail.message : undefined },
      cause: detail,
    });
  if (!existsSync(path)) throw refuse("There is no such journal.");
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly: true });
    database.exec("pragma busy_timeout = 5000");
    const { all, get } = statementsOf(database);
    const version = versionOf({ get });
    const known = version !== undefined && isKnown(version);
    if (!known || (older === "newest only" && Number(version) !== schemaVersion))
      throw refuse(
        `The journal has schema ${String(version)}, this program reads ${schemaVersion}.`,
        undefined,
        known
          ? "Start the agent on it, or restore it: either brings it to the newest schema."
          : "Use the version of Bursar that wrote it.",
      );
    const open = database;
    let closed = false;
    return {
      path,
      all,
      get,
      close() {
        if (!closed) open.close();
        closed = true;
      },
    };
  } catch (error) {
    database?.close();
    throw error instanceof JournalOpenError ? error : refuse("The file is no journal.", error);
  }
}
