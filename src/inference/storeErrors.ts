import { BaseError, type Retry } from "../core/errors.ts";

type Facts = Readonly<Record<string, string | number | undefined>>;

/** It is not understood, or not allowed, where the model is to come from. */
export class ModelSourceError extends BaseError {
  override readonly name = "ModelSourceError";
  constructor(why: string, remedy: string, facts: Facts = {}) {
    super(`The model can't be had from there: ${why}.`, { remedy, facts });
  }
}

/** What to do when a download stopped half-way. */
export const goOn = "Run the same command again: it goes on where it stopped.";

/** The download failed. What came so far stays for the next attempt unless it is of no use. */
export class ModelDownloadError extends BaseError {
  override readonly name = "ModelDownloadError";
  constructor(why: string, remedy: string, facts: Facts = {}, retry: Retry = "never", cause?: unknown) {
    super(`The model was not downloaded: ${why}.`, { remedy, facts, retry, cause });
  }
}

/** The download took too long as a whole, or no byte came for too long. */
export class ModelDownloadTimeoutError extends BaseError {
  override readonly name = "ModelDownloadTimeoutError";
  constructor(which: "deadline" | "stall", limitMs: number, facts: Facts) {
    super(
      which === "deadline"
        ? "The download took longer than its deadline."
        : "The download stalled: the server sent nothing for too long.",
      {
        remedy: which === "deadline" ? `${goOn} Give it more time with --deadline.` : goOn,
        facts: { ...facts, limitMs },
        retry: "safe",
      },
    );
  }
}

/** The caller stopped it. */
export class ModelAddAbortedError extends BaseError {
  override readonly name = "ModelAddAbortedError";
  constructor(cause: unknown, facts: Facts = {}, remedy: string = goOn) {
    super("Adding the model was stopped.", { remedy, facts, retry: "safe", cause });
  }
}

/** The store does not hold what is asked of it, can't take it, or can't be written. */
export class ModelStoreError extends BaseError {
  override readonly name = "ModelStoreError";
  constructor(why: string, remedy: string, facts: Facts = {}, cause?: unknown) {
    super(why, { remedy, facts, cause });
  }
}

/** A file system's error in words; anything else is thrown as it is. */
export function storeFailure(error: unknown, path: string): never {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const facts = { path, reason: code };
  if (code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG")
    throw new ModelStoreError("The disk is full.", `Free some space. ${goOn}`, facts, error);
  if (code === "EACCES" || code === "EPERM" || code === "EROFS")
    throw new ModelStoreError(
      "The model store can't be written.",
      "Check who owns the folder, or name another one with --store.",
      facts,
      error,
    );
  if (code === "ENOTDIR" || code === "EEXIST" || code === "EISDIR")
    throw new ModelStoreError(
      "Something else is where the model store wants to write.",
      "Move it away, or name another folder with --store.",
      facts,
      error,
    );
  throw error;
}
