import { closeSync, mkdirSync, openSync, statfsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";

import type { Sure } from "../core/durableHost.ts";
import { BaseError } from "../core/errors.ts";
import { JournalLockedError, JournalOpenError } from "./errors.ts";
import { networkFileSystem } from "./fileSystem.ts";
import type { Statement, Value } from "./query.ts";
import { migrate } from "./schema.ts";
import { statementsOf } from "./statements.ts";
import { transactionsOf } from "./transactions.ts";

/** A row of a statement that is given as SQL, whose columns nobody knows. */
export type Row = Readonly<Record<string, Value>>;

/**
 * The database under the journal: prepared statements and one kind of transaction. Owns a native handle and a lock file. Synchronous
 * on purpose: nothing can come in between inside of `atomically`. The program's statements are Kysely's (`query.ts`), which any store
 * understands; SQL as a string, with its values, is SQLite's own (pragmas, and what tests do to a journal).
 */
export type JournalDatabase = {
  readonly path: string;
  all<Given = Row>(statement: Statement<Given> | string, ...values: readonly Value[]): readonly Given[];
  get<Given = Row>(statement: Statement<Given> | string, ...values: readonly Value[]): Given | undefined;
  run(statement: Statement<unknown> | string, ...values: readonly Value[]): void;
  /**
   * Runs `work` in one transaction: everything or nothing, and durable (fsync) when it returns.
   *
   * @throws JournalWriteError when the commit did not become durable. Domain errors of `work` pass through.
   */
  atomically<T>(work: () => T): T;
  /**
   * Like `atomically`, in one transaction and one flush of the disk with all that is asked for in the same turn of the event loop. Of
   * several that share it, one that throws is undone alone. Resolves when it is durable; where all of them are sure `soon` enough, when
   * it is written.
   */
  together<T>(work: () => T, sure?: Sure): Promise<T>;
  close(): void;
};

/**
 * Opens (or creates) the journal's SQLite file with the settings durability rests on, and checks that they hold:
 * WAL, synchronous FULL (2) and an exclusive instance lock. Files it creates are for their owner only.
 *
 * @throws JournalOpenError · JournalLockedError
 */
export function openJournal(file: string): JournalDatabase {
  const path = resolve(file);
  let release: (() => void) | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    requireLocalDisk(path, statfsSync(dirname(path)).type);
    release = takeLock(`${path}.lock`, path);
    return open(path, release);
  } catch (error) {
    release?.();
    if (error instanceof BaseError) throw error;
    throw new JournalOpenError("The journal can't be opened.", {
      remedy: "Check that the folder is writable and that the file is a Bursar journal on a local disk.",
      facts: { journal: path, detail: error instanceof Error ? error.message : String(error) },
      cause: error,
    });
  }
}

function open(path: string, release: () => void): JournalDatabase {
  createPrivate(path);
  const database = new DatabaseSync(path);
  const { atomically, flush, together } = transactionsOf(database, path);
  // 4,000 pages (16 MB) of the log go into the file at once: most are written many times over until then.
  database.exec(
    "pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on; pragma busy_timeout = 5000; pragma wal_autocheckpoint = 4000;",
  );
  const mode = database.prepare("pragma journal_mode").get()?.["journal_mode"];
  const sync = database.prepare("pragma synchronous").get()?.["synchronous"];
  if (mode !== "wal" || sync !== 2) {
    database.close();
    throw new JournalOpenError("This disk does not give the journal the durability it needs.", {
      remedy: "Keep the journal on a local disk; network file systems can't hold it.",
      facts: { journal: path, journalMode: String(mode), synchronous: String(sync) },
    });
  }
  requireSound(database, path);
  let closed = false;
  const journal: JournalDatabase = {
    path,
    ...statementsOf(database),
    atomically,
    together,
    close() {
      if (closed) return;
      closed = true;
      flush();
      database.close();
      release();
    },
  };
  try {
    migrate(journal, "sqlite");
  } catch (error) {
    database.close();
    throw error;
  }
  return journal;
}

/** Looks at every page before anything is decided by what is in it: about 2 ms a megabyte. */
function requireSound(database: DatabaseSync, path: string): void {
  let said: unknown;
  try {
    said = database.prepare("pragma quick_check(1)").get()?.["quick_check"];
  } catch (error) {
    said = error instanceof Error ? error.message : error;
  }
  if (said === "ok") return;
  database.close();
  throw new JournalOpenError("The journal's file is damaged.", {
    remedy:
      "Keep the file, look at the disk, and restore the newest backup (bursar journal restore); what the chain knows beyond it is quarantined, never paid again.",
    facts: { journal: path, detail: String(said) },
  });
}

/** @throws JournalOpenError on a disk of another machine. `type`: as statfs(2) tells it. */
export function requireLocalDisk(path: string, type: number): void {
  const network = networkFileSystem(type);
  if (network === undefined) return;
  throw new JournalOpenError(`The journal can't be kept on a network file system (${network}).`, {
    remedy: "Keep the state folder on a local disk: locks and fsync of another machine are only promises.",
    facts: { journal: path },
  });
}

/**
 * Makes a file that is not there yet, for its owner only: a journal holds salts and mail. SQLite gives the files it puts
 * beside it (WAL, shared memory) the same mode. A file that is there is not even opened: to close it again would drop the
 * POSIX locks this process holds on it.
 */
function createPrivate(path: string): void {
  try {
    closeSync(openSync(path, "ax", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/**
 * Holds an exclusive lock on a file beside the journal for as long as the process lives. It is a lock of the operating
 * system (through a second SQLite handle), so `kill -9` releases it and two starters can't both believe they won.
 */
function takeLock(path: string, journal: string): () => void {
  createPrivate(path);
  const lock = new DatabaseSync(path);
  try {
    lock.exec("pragma busy_timeout = 0; pragma locking_mode = exclusive; begin exclusive;");
  } catch (error) {
    lock.close();
    if (isBusy(error)) throw new JournalLockedError(journal);
    throw error;
  }
  return () => lock.close();
}

/** SQLITE_BUSY (5) or SQLITE_LOCKED (6). */
function isBusy(error: unknown): boolean {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === "number" && [5, 6].includes(code & 0xff);
}
