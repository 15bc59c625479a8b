import type { DatabaseSync } from "node:sqlite";

import type { Sure } from "../core/durableHost.ts";
import { JournalWriteError } from "./errors.ts";
import type { JournalDatabase } from "./openJournal.ts";

/** Most pieces of work in one transaction: it holds up everything else in the process until it is on the disk. */
const mostTogether = 256;

type Piece = {
  readonly work: () => unknown;
  readonly sure: Sure;
  readonly resolve: (result: never) => void;
  readonly reject: (error: unknown) => void;
};

/** The transactions of a SQLite handle. */
export function transactionsOf(
  database: DatabaseSync,
  path: string,
): Pick<JournalDatabase, "atomically" | "together"> & { flush(): void } {
  let waiting: Piece[] = [];

  function atomically<T>(work: () => T): T {
    try {
      database.exec("begin immediate");
    } catch (error) {
      throw new JournalWriteError(path, error);
    }
    try {
      const result = work();
      database.exec("commit");
      return result;
    } catch (error) {
      if (database.isTransaction) database.exec("rollback");
      throw isStorageError(error) ? new JournalWriteError(path, error) : error;
    }
  }

  /** Commits what waits, all of it in one transaction, and only then tells anybody. */
  function flush(): void {
    if (waiting.length === 0) return;
    const pieces = waiting.slice(0, mostTogether);
    waiting = waiting.slice(mostTogether);
    if (waiting.length > 0) setImmediate(flush);
    const unsure = pieces.every(({ sure }) => sure === "soon");
    try {
      for (const tell of unsure ? unflushed(pieces) : atomically(() => pieces.map(attempt))) tell();
    } catch (error) {
      for (const { reject } of pieces) reject(error);
    }
  }

  /** In WAL mode the next commit that is flushed flushes this one, too; and nothing survives a power cut that came after what did not. */
  function unflushed(pieces: readonly Piece[]): readonly (() => void)[] {
    database.exec("pragma synchronous = normal");
    try {
      return atomically(() => pieces.map(attempt));
    } finally {
      database.exec("pragma synchronous = full");
    }
  }

  /** Runs one piece so that its own mistake undoes nothing but itself. A disk that fails undoes the whole transaction. */
  function attempt({ reject, resolve, work }: Piece): () => void {
    database.exec("savepoint piece");
    try {
      const result = work();
      database.exec("release piece");
      return () => resolve(result as never);
    } catch (error) {
      if (isStorageError(error) || !database.isTransaction) throw error;
      database.exec("rollback to piece; release piece");
      return () => reject(error);
    }
  }

  return {
    atomically,
    together: <T>(work: () => T, sure: Sure = "now") =>
      new Promise<T>((resolve, reject) => {
        if (waiting.length === 0) setImmediate(flush);
        waiting.push({ work, sure, resolve, reject });
      }),
    flush() {
      while (waiting.length > 0) flush();
    },
  };
}

/** SQLite's own word for a disk that failed: result codes FULL 13, IOERR 10, READONLY 8, CORRUPT 11, CANTOPEN 14. */
function isStorageError(error: unknown): boolean {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === "number" && [8, 10, 11, 13, 14].includes(code & 0xff);
}
