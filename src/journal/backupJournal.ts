import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { chmod, open, rename, rm, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";

import type { Hex } from "viem";

import { verifyEntries } from "./entries.ts";
import { JournalBrokenError, JournalOpenError } from "./errors.ts";
import { followLog } from "./followLog.ts";
import { readJournal } from "./readJournal.ts";

/** What a backup holds. */
export type Backup = {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: Hex;
  readonly entries: number;
  /** Hash of the last entry: names the whole log. */
  readonly head: Hex;
};

/** Pages copied at a time; between two the agent may write. */
const pagesAtOnce = 512;

/**
 * Copies a journal, one consistent state of it, also while an agent runs on it. The copy is checked, on the disk, and for its owner
 * only before it has its name; an existing file is never overwritten.
 *
 * @throws JournalOpenError · JournalBrokenError
 */
export async function backupJournal(
  from: string,
  to: string,
  onProgress: (fraction: number) => void = () => undefined,
): Promise<Backup> {
  const target = resolve(to);
  if (existsSync(target))
    throw new JournalOpenError("There is a file of that name already.", {
      remedy: "Give the backup another name: an older one may be the only good one.",
      facts: { file: target },
    });
  readJournal(from, "older too").close();
  const part = `${target}.part`;
  await rm(part, { force: true });
  const source = new DatabaseSync(resolve(from), { readOnly: true });
  try {
    await (await open(part, "wx", 0o600)).close();
    await backup(source, part, {
      rate: pagesAtOnce,
      progress: ({ remainingPages, totalPages }) => onProgress(1 - remainingPages / Math.max(1, totalPages)),
    });
    // One file, without a log beside it.
    const copy = new DatabaseSync(part);
    copy.exec("pragma journal_mode = delete");
    copy.close();
    const { entries, head } = checkJournal(part);
    await toDisk(part);
    await rename(part, target);
    await toDisk(dirname(target));
    await chmod(target, 0o600);
    return { file: target, bytes: (await stat(target)).size, sha256: await sha256Of(target), entries, head };
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  } finally {
    source.close();
  }
}

/**
 * SQLite's own check, the hash chain, and whether the tables hold what the log tells of.
 *
 * @throws JournalBrokenError
 */
export function checkJournal(file: string): { readonly entries: number; readonly head: Hex } {
  const journal = readJournal(file, "older too");
  try {
    const sound = journal.get("pragma integrity_check")?.["integrity_check"];
    if (sound !== "ok") throw new JournalBrokenError(0, `SQLite finds ${String(sound).split("\n")[0]}`);
    // One state of a journal that an agent may run on.
    journal.get("begin");
    const log = followLog(journal);
    const verified = verifyEntries(journal, (entry) => log.read(entry));
    log.end();
    return verified;
  } finally {
    journal.close();
  }
}

/** A file or folder that has to survive the power going. */
export async function toDisk(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function sha256Of(file: string): Promise<Hex> {
  const hash = createHash("sha256");
  for await (const part of createReadStream(file)) hash.update(part as Buffer);
  return `0x${hash.digest("hex")}`;
}
