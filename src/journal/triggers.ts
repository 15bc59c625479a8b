import type { Hex } from "viem";

import { canonicalize, parseCanonical } from "../core/canonical.ts";
import type { JsonObject } from "../core/json.ts";
import type { Fact } from "../core/observation.ts";
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
  return database.atomically(() => insertNew(database, agent, trigger));
}

function insertNew(database: JournalDatabase, agent: string, trigger: Trigger): boolean {
  if (knowsTrigger(database, trigger.dedupeId)) return false;
  insertTrigger(database, agent, trigger);
  return true;
}

/**
 * Takes in what a source had to say up to a position, and keeps the position, in one transaction: cut off in between, the source
 * is read again from the old one, and what was taken in already is known.
 */
export function addUpTo(
  database: JournalDatabase,
  agent: string,
  source: string,
  position: number,
  triggers: readonly Trigger[],
): void {
  database.atomically(() => {
    for (const trigger of triggers) insertNew(database, agent, trigger);
    database.run("insert or replace into cursor_ values (?, ?, ?)", agent, source, position);
  });
}

/** How far a source has been read; undefined: never. */
export function cursorOf(database: JournalDatabase, agent: string, source: string): number | undefined {
  const row = database.get("select position from cursor_ where agent = ? and source = ?", agent, source);
  return row && Number(row["position"]);
}

/** How many triggers of an agent wait for a decision. */
export function countWaiting(database: JournalDatabase, agent: string): number {
  const row = database.get(
    "select count(*) as waiting from trigger_ where agent = ? and decision is null",
    agent,
  );
  return Number(row?.["waiting"] ?? 0);
}

function insertTrigger(database: JournalDatabase, agent: string, trigger: Trigger): void {
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
}

const retryMark = "#retry:";

/** Retries that one original trigger may have, whatever ended the decisions before them. */
export const mostRetries = 3;

/**
 * Takes a trigger in again, under a new id, so that a new decision is made on fresh state. It carries what the original
 * carried, and the fact `trigger.retryOf`: the leaf of the decision that came to nothing. Call it inside `atomically`.
 *
 * @returns the new trigger's id, or undefined when the original has had all its retries.
 */
export function retryTrigger(
  database: JournalDatabase,
  agent: string,
  trigger: Trigger,
  leaf: Hex,
): string | undefined {
  const [original] = trigger.dedupeId.split(retryMark) as [string];
  const prefix = `${original}${retryMark}`;
  const row = database.get(
    "select count(*) as retries from trigger_ where substr(dedupe_id, 1, length(?)) = ?",
    prefix,
    prefix,
  );
  if (Number(row?.["retries"] ?? 0) >= mostRetries) return undefined;
  const dedupeId = `${prefix}${leaf}`;
  const retryOf: Fact = { value: leaf, provenance: "history" };
  const facts = { ...(trigger.payload["facts"] as JsonObject | undefined), "trigger.retryOf": retryOf };
  insertTrigger(database, agent, { ...trigger, dedupeId, payload: { ...trigger.payload, facts } });
  return dedupeId;
}

/** The oldest Trigger that has no decision yet and is not in quarantine. */
export function nextTrigger(database: JournalDatabase, agent: string): Trigger | undefined {
  const row = database.get(
    `select * from trigger_ where agent = ? and decision is null
     and not exists (select 1 from meta where key = 'quarantine:' || dedupe_id) order by position limit 1`,
    agent,
  );
  return row && toTrigger(row);
}

export function triggerOf(database: JournalDatabase, dedupeId: string): Trigger {
  return toTrigger(database.get("select * from trigger_ where dedupe_id = ?", dedupeId)!);
}
