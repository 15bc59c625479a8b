import { appendEntry } from "./entries.ts";
import type { JournalDatabase } from "./openJournal.ts";

const keyOf = (agent: string): string => `paused:${agent}`;

/** Has the operator paused the agent? It lasts until resumed, restarts included. */
export function isPaused(database: JournalDatabase, agent: string): boolean {
  return database.get("select 1 as one from meta where key = ?", keyOf(agent)) !== undefined;
}

/** Pauses or resumes; the audit log tells of every change, once. */
export function setPaused(database: JournalDatabase, agent: string, paused: boolean): void {
  database.atomically(() => {
    if (isPaused(database, agent) === paused) return;
    if (paused) database.run("insert into meta values (?, '')", keyOf(agent));
    else database.run("delete from meta where key = ?", keyOf(agent));
    appendEntry(database, agent, paused ? "paused" : "resumed", {});
  });
}
