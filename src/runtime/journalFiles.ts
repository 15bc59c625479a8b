import { existsSync, statSync } from "node:fs";
import { join } from "node:path";

import type { Entry } from "../core/entry.ts";
import { backupJournal, checkJournal, type Backup } from "../journal/backupJournal.ts";
import { readEntries } from "../journal/entries.ts";
import { heldLanes, releaseLane } from "../journal/lanes.ts";
import { openJournal } from "../journal/openJournal.ts";
import { quarantinedIn, release } from "../journal/quarantine.ts";
import { readJournal } from "../journal/readJournal.ts";
import { restoreJournal, type Restored } from "../journal/restoreJournal.ts";

/** A journal is named by its file or by the state folder it lies in. */
const fileIn = (path: string): string =>
  existsSync(path) && statSync(path).isDirectory() ? join(path, "journal.db") : path;

export const backupFrom = (
  state: string,
  to: string,
  onProgress: (fraction: number) => void,
): Promise<Backup> => backupJournal(fileIn(state), to, onProgress);

export const verifyFile = (path: string): ReturnType<typeof checkJournal> => checkJournal(fileIn(path));

export const restoreInto = (backup: string, state: string): Promise<Restored> =>
  restoreJournal(backup, join(state, "journal.db"));

/** Entries after a number, in order, as they were at one moment or later. */
export function* entriesIn(path: string, after: number): Generator<Entry> {
  const journal = readJournal(fileIn(path));
  try {
    for (let last = after; ;) {
      const page = readEntries(journal, last);
      yield* page;
      const end = page.at(-1);
      if (!end) return;
      last = end.sequence;
    }
  } finally {
    journal.close();
  }
}

/** How a held lane is called beside triggers. */
const laneId = (lane: string): string => `lane:${lane}`;

/** What waits for the operator: triggers after a restore, lanes that somebody else used. */
export function heldAt(path: string): readonly string[] {
  const journal = readJournal(fileIn(path));
  try {
    return [...heldLanes(journal).map(({ lane }) => laneId(lane)), ...quarantinedIn(journal)];
  } finally {
    journal.close();
  }
}

/** Releases triggers and lanes; the agent has to be stopped. @throws JournalLockedError */
export function releaseAt(path: string, ids: readonly string[] | "all"): readonly string[] {
  const journal = openJournal(fileIn(path));
  try {
    const lanes = heldLanes(journal).filter(({ lane }) => ids === "all" || ids.includes(laneId(lane)));
    for (const { lane } of lanes) releaseLane(journal, lane);
    return [...lanes.map(({ lane }) => laneId(lane)), ...release(journal, ids)];
  } finally {
    journal.close();
  }
}
