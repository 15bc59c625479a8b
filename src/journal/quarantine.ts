import { appendEntry } from "./entries.ts";
import { addNote, dropNote, hasNote, notesUnder } from "./notes.ts";
import type { JournalDatabase } from "./openJournal.ts";
import { query } from "./query.ts";

const prefix = "quarantine:";

const unsettled = query((tables) =>
  tables
    .selectFrom("trigger_")
    .leftJoin("decision", "decision.id", "trigger_.decision")
    .select("trigger_.dedupe_id")
    .where((is) => is.or([is("trigger_.decision", "is", null), is("decision.done", "=", 0)]))
    .orderBy("trigger_.position"),
);
const agentsOf = query((tables, { id }: { id: string }) =>
  tables.selectFrom("trigger_").select("agent").where("dedupe_id", "=", id).orderBy("agent"),
);

/** Triggers that no decision is made of, and no decision goes on with, before the operator releases them. */
export const quarantinedIn = (database: Pick<JournalDatabase, "all">): readonly string[] =>
  notesUnder(database, prefix).map(({ rest }) => rest);

export const isQuarantined = (database: JournalDatabase, dedupeId: string): boolean =>
  hasNote(database, `${prefix}${dedupeId}`);

/** Quarantines every trigger that is not settled: without a decision, or with one under way. Call it inside `atomically`. */
export function quarantine(database: JournalDatabase): readonly string[] {
  const ids = [...new Set(database.all(unsettled()).map((row) => row.dedupe_id))];
  for (const id of ids) addNote(database, `${prefix}${id}`);
  return ids;
}

/** Releases triggers, all of them when none are named. Returns those that were in quarantine. */
export function release(database: JournalDatabase, ids: readonly string[] | "all"): readonly string[] {
  return database.atomically(() => {
    const held = quarantinedIn(database).filter((id) => ids === "all" || ids.includes(id));
    for (const id of held) {
      dropNote(database, `${prefix}${id}`);
      for (const { agent } of database.all(agentsOf({ id })))
        appendEntry(database, agent, "released", { trigger: id });
    }
    return held;
  });
}
