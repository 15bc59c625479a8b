import { existsSync } from "node:fs";
import { copyFile, mkdir, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";

import type { Hex } from "viem";

import { closeAsks } from "./asks.ts";
import { backupJournal, checkJournal, toDisk } from "./backupJournal.ts";
import { agentsIn } from "./decisions.ts";
import { pauseDelegations } from "./delegations.ts";
import { appendEntry } from "./entries.ts";
import { JournalOpenError } from "./errors.ts";
import { dropNote, noteOf, setNote } from "./notes.ts";
import { openJournal, type JournalDatabase } from "./openJournal.ts";
import { quarantine } from "./quarantine.ts";

const restoredKey = "restored";

/** What was restored, and what waits for the operator. */
export type Restored = {
  readonly entries: number;
  readonly head: Hex;
  readonly quarantined: readonly string[];
};

/**
 * Puts a backup where an agent's journal was. What the lost journal knew is gone, so nothing that was not settled in the backup is
 * decided before the operator releases it, and the runtime waits until nothing that was signed meanwhile can still be included, and
 * refuses to run if the chain is ahead (`requireWholeJournal`): an old backup never causes a second payment.
 *
 * @throws JournalOpenError when there is a journal already · JournalBrokenError
 */
export async function restoreJournal(from: string, to: string): Promise<Restored> {
  const target = resolve(to);
  if (existsSync(target))
    throw new JournalOpenError("There is a journal in this place.", {
      remedy:
        "If it can be read at all it is newer than any backup: go on with it. Else move it away, and keep it.",
      facts: { journal: target },
    });
  const { entries, head } = checkJournal(from);
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  const part = `${target}.part`;
  await rm(part, { force: true });
  try {
    await copyFile(from, part);
    const journal = openJournal(part);
    let quarantined: readonly string[];
    try {
      quarantined = journal.atomically(() => {
        setNote(journal, restoredKey, "");
        const held = quarantine(journal);
        closeAsks(journal);
        pauseDelegations(journal);
        for (const agent of agentsIn(journal))
          appendEntry(journal, agent, "restored", { entries, head, quarantined: held.length });
        return held;
      });
    } finally {
      journal.close();
    }
    // Without the log beside it, in one piece.
    await rm(`${target}.whole`, { force: true });
    await backupJournal(part, `${target}.whole`);
    await rename(`${target}.whole`, target);
    await toDisk(dirname(target));
    return { entries, head, quarantined };
  } finally {
    for (const end of ["", "-wal", "-shm", ".lock"]) await rm(`${part}${end}`, { force: true });
  }
}

/**
 * The time of the chain when the restored journal was first looked at, unix seconds; undefined: it was not restored, or that is
 * over. Kept from the first call on.
 */
export function restoredAt(journal: JournalDatabase, chainSeconds: number): number | undefined {
  const value = noteOf(journal, restoredKey);
  if (value === undefined) return undefined;
  if (value !== "") return Number(value);
  setNote(journal, restoredKey, String(chainSeconds));
  return chainSeconds;
}

/** What was signed before the loss can't be included any more. */
export const forgetRestore = (journal: JournalDatabase): void => dropNote(journal, restoredKey);
