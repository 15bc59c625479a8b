import { appendEntry } from "./entries.ts";
import type { JournalDatabase } from "./openJournal.ts";

const prefix = "quarantine:";

/** Triggers that no decision is made of, and no decision goes on with, before the operator releases them. */
export const quarantinedIn = (database: Pick<JournalDatabase, "all">): readonly string[] =>
  database
    .all(
      "select substr(key, ?) as id from meta where substr(key, 1, ?) = ? order by key",
      prefix.length + 1,
      prefix.length,
      prefix,
    )
    .map((row) => String(row["id"]));

export const isQuarantined = (database: JournalDatabase, dedupeId: string): boolean =>
  database.get("select 1 as one from meta where key = ?", `${prefix}${dedupeId}`) !== undefined;

/** Quarantines every trigger that is not settled: without a decision, or with one under way. Call it inside `atomically`. */
export function quarantine(database: JournalDatabase): readonly string[] {
  const open = database.all(
    `select dedupe_id from trigger_ where decision is null
     or decision in (select id from decision where done = 0) order by position`,
  );
  const ids = open.map((row) => String(row["dedupe_id"]));
  for (const id of ids) database.run("insert or ignore into meta values (?, '')", `${prefix}${id}`);
  return ids;
}

/** Releases triggers, all of them when none are named. Returns those that were in quarantine. */
export function release(database: JournalDatabase, ids: readonly string[] | "all"): readonly string[] {
  return database.atomically(() => {
    const held = quarantinedIn(database).filter((id) => ids === "all" || ids.includes(id));
    for (const id of held) {
      const agent = database.get("select agent from trigger_ where dedupe_id = ?", id)?.["agent"];
      database.run("delete from meta where key = ?", `${prefix}${id}`);
      appendEntry(database, String(agent), "released", { trigger: id });
    }
    return held;
  });
}
