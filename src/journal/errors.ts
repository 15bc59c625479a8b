import { BaseError } from "../core/errors.ts";

/** The journal's file can't be opened, or is not one of ours. */
export class JournalOpenError extends BaseError {
  override readonly name = "JournalOpenError";
}

/** A second process wants the same journal: two signers for one account. */
export class JournalLockedError extends BaseError {
  override readonly name = "JournalLockedError";
  constructor(path: string) {
    super("Another runtime is using this journal.", {
      remedy:
        "Stop the other runtime first; two runtimes on one journal would be two signers for one account.",
      facts: { journal: path },
    });
  }
}

/** A write did not become durable: full disk, read-only disk, I/O error. Nothing after it was done. */
export class JournalWriteError extends BaseError {
  override readonly name = "JournalWriteError";
  constructor(path: string, cause: unknown) {
    const text = cause instanceof Error ? cause.message : String(cause);
    const full = /full|ENOSPC/i.test(text);
    super(full ? "The disk that holds the journal is full." : "The journal could not be written.", {
      remedy: `${full ? "Free some space" : "Check the disk and the file's permissions"}, then start again: the runtime stopped before the next step, so nothing was sent without being recorded, and it continues where it was.`,
      facts: { journal: path, detail: text },
      cause,
      retry: "ask",
    });
  }
}

/** The chain of entries does not hold: a line is missing, changed or reordered. */
export class JournalBrokenError extends BaseError {
  override readonly name = "JournalBrokenError";
  constructor(sequence: number, why: string) {
    super(`The journal is broken at entry ${sequence}: ${why}.`, {
      remedy:
        "Do not run on it. Restore a backup, or keep the file as evidence and start a new journal on a fresh grant.",
      facts: { sequence },
    });
  }
}

/** The key of what the journal keeps sealed can't be used. */
export class JournalKeyError extends BaseError {
  override readonly name = "JournalKeyError";
  constructor(why: string, file: string, cause?: unknown) {
    super(`The key file beside the journal ${why}.`, {
      remedy:
        "Correct the file, or delete it: a new one is made then, and wallets have to be connected again.",
      facts: { key: file },
      cause,
    });
  }
}
