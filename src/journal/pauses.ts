import { appendEntry } from "./entries.ts";
import { addNote, dropNote, hasNote } from "./notes.ts";
import type { JournalDatabase } from "./openJournal.ts";

const keyOf = (agent: string): string => `paused:${agent}`;

/** Has the operator paused the agent? It lasts until resumed, restarts included. */
export const isPaused = (database: JournalDatabase, agent: string): boolean =>
  hasNote(database, keyOf(agent));

/** Pauses or resumes; the audit log tells of every change, once. */
export function setPaused(database: JournalDatabase, agent: string, paused: boolean): void {
  database.atomically(() => {
    if (isPaused(database, agent) === paused) return;
    if (paused) addNote(database, keyOf(agent));
    else dropNote(database, keyOf(agent));
    appendEntry(database, agent, paused ? "paused" : "resumed", {});
  });
}
