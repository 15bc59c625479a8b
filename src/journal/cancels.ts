import { openDecision } from "./decisions.ts";
import { appendEntry } from "./entries.ts";
import { addNote, hasNote } from "./notes.ts";
import type { JournalDatabase } from "./openJournal.ts";

const keyOf = (decision: string): string => `cancelled:${decision}`;

/** Does the operator not want it any more? What was sent may be included all the same, until its time is over. */
export const isCancelled = (database: Pick<JournalDatabase, "get">, decision: string): boolean =>
  hasNote(database, keyOf(decision));

/**
 * Cancels the decision that the agent has under way; the audit log tells it once.
 *
 * @param id the one that is meant; without, whichever is under way
 * @returns the decision; undefined when it, or any, is not under way
 */
export function cancelDecision(
  database: JournalDatabase,
  agent: string,
  id: string | undefined,
): string | undefined {
  return database.atomically(() => {
    const open = openDecision(database, agent);
    if (!open || (id !== undefined && id !== open.id)) return undefined;
    if (!isCancelled(database, open.id)) {
      addNote(database, keyOf(open.id));
      appendEntry(database, agent, "cancelled", { decision: open.id });
    }
    return open.id;
  });
}
