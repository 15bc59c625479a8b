import { canonicalize, parseCanonical } from "../core/canonical.ts";
import type { JsonObject } from "../core/json.ts";
import type { Trigger, TriggerKind } from "../core/trigger.ts";
import { appendEntry } from "./entries.ts";
import type { JournalDatabase, Row } from "./openJournal.ts";

const toTrigger = (row: Row): Trigger => ({
  kind: row["kind"] as TriggerKind,
  dedupeId: String(row["dedupe_id"]),
  label: String(row["label"]),
  payload: parseCanonical(String(row["payload"])) as JsonObject,
});

/** Has this happening been taken in before? */
export function knowsTrigger(database: JournalDatabase, dedupeId: string): boolean {
  return database.get("select 1 as one from trigger_ where dedupe_id = ?", dedupeId) !== undefined;
}

/** Takes a Trigger in, durably, once. Returns false when it was known already. */
export function addTrigger(database: JournalDatabase, agent: string, trigger: Trigger): boolean {
  return database.atomically(() => {
    if (knowsTrigger(database, trigger.dedupeId)) return false;
    const last = database.get("select max(position) as position from trigger_");
    database.run(
      "insert into trigger_ values (?, ?, ?, ?, ?, ?, null)",
      trigger.dedupeId,
      Number(last?.["position"] ?? 0) + 1,
      agent,
      trigger.kind,
      trigger.label,
      canonicalize(trigger.payload),
    );
    appendEntry(database, agent, "trigger", {
      dedupeId: trigger.dedupeId,
      kind: trigger.kind,
      label: trigger.label,
    });
    return true;
  });
}

/** The oldest Trigger that has no decision yet. */
export function nextTrigger(database: JournalDatabase, agent: string): Trigger | undefined {
  const row = database.get(
    "select * from trigger_ where agent = ? and decision is null order by position limit 1",
    agent,
  );
  return row && toTrigger(row);
}

export function triggerOf(database: JournalDatabase, dedupeId: string): Trigger {
  return toTrigger(database.get("select * from trigger_ where dedupe_id = ?", dedupeId)!);
}
