import { sql, type Kysely } from "kysely";
import type { Hex } from "viem";

import { canonicalize, parseCanonical } from "../core/canonical.ts";
import type { JsonObject } from "../core/json.ts";
import type { Fact } from "../core/observation.ts";
import type { Trigger } from "../core/trigger.ts";
import { appendEntry } from "./entries.ts";
import type { JournalDatabase } from "./openJournal.ts";
import { query } from "./query.ts";
import type { Tables } from "./tables.ts";

type TriggerRow = Tables["trigger_"];

const triggerAt = query((tables, { agent, id }: { agent: string; id: string }) =>
  tables.selectFrom("trigger_").selectAll().where("agent", "=", agent).where("dedupe_id", "=", id),
);
const isThere = query((tables, { agent, id }: { agent: string; id: string }) =>
  tables.selectFrom("trigger_").select("position").where("agent", "=", agent).where("dedupe_id", "=", id),
);
const triggersOfAgent = query((tables, { agent }: { agent: string }) =>
  tables.selectFrom("trigger_").selectAll().where("agent", "=", agent).orderBy("position"),
);
const lastPosition = query((tables) =>
  tables.selectFrom("trigger_").select(({ fn }) => fn.max<number | null>("position").as("position")),
);
const insertRow = query((tables, row: Omit<TriggerRow, "decision">) =>
  tables.insertInto("trigger_").values({ ...row, decision: null }),
);
/** None that a decision was made of or that the operator has to release. */
const waiting = (tables: Kysely<Tables>, agent: string) =>
  tables
    .selectFrom("trigger_")
    .where("agent", "=", agent)
    .where("decision", "is", null)
    .where(({ exists, not, selectFrom }) =>
      not(
        exists(
          selectFrom("meta")
            .select("key")
            .where("key", "=", sql<string>`'quarantine:' || dedupe_id`),
        ),
      ),
    );
type Due = { readonly agent: string; readonly atMs: number; readonly neverMs: number };
/** The operator's first, then a wallet's, then the oldest, of those whose time has come. */
const firstWaiting = query((tables, { agent, atMs, neverMs }: Due) =>
  waiting(tables, agent)
    .selectAll()
    .where((either) => either.or([either("not_before", "<=", atMs), either("not_before", ">", neverMs)]))
    .orderBy(sql`case kind when 'operator' then 0 when 'wallet' then 1 else 2 end`)
    .orderBy("position")
    .limit(1),
);
const soonest = query((tables, { agent }: { agent: string }) =>
  waiting(tables, agent).select(({ fn }) => fn.min<number | null>("not_before").as("atMs")),
);
const waitingOf = query((tables, { agent }: { agent: string }) =>
  tables
    .selectFrom("trigger_")
    .select(({ fn }) => fn.countAll<number>().as("waiting"))
    .where("agent", "=", agent)
    .where("decision", "is", null),
);
const countBetween = query((tables, { agent, from, until }: { agent: string; from: string; until: string }) =>
  tables
    .selectFrom("trigger_")
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .where("agent", "=", agent)
    .where("dedupe_id", ">=", from)
    .where("dedupe_id", "<", until),
);
const cursorAt = query((tables, { agent, source }: { agent: string; source: string }) =>
  tables.selectFrom("cursor_").select("position").where("agent", "=", agent).where("source", "=", source),
);
const keepCursor = query((tables, row: Tables["cursor_"]) =>
  tables
    .insertInto("cursor_")
    .values(row)
    .onConflict((conflict) => conflict.columns(["agent", "source"]).doUpdateSet({ position: row.position })),
);

const toTrigger = ({ dedupe_id, kind, label, payload }: TriggerRow): Trigger => ({
  kind,
  dedupeId: dedupe_id,
  label,
  payload: parseCanonical(payload) as JsonObject,
});

/** Has this happening been taken in for this agent before? */
export function knowsTrigger(database: JournalDatabase, agent: string, dedupeId: string): boolean {
  return database.get(isThere({ agent, id: dedupeId })) !== undefined;
}

/** Takes a Trigger in, durably, once. Returns false when it was known already. */
export function addTrigger(database: JournalDatabase, agent: string, trigger: Trigger): boolean {
  return database.atomically(() => putTrigger(database, agent, trigger));
}

/** The same inside `atomically`. */
export function putTrigger(database: JournalDatabase, agent: string, trigger: Trigger): boolean {
  if (knowsTrigger(database, agent, trigger.dedupeId)) return false;
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
    for (const trigger of triggers) putTrigger(database, agent, trigger);
    database.run(keepCursor({ agent, source, position }));
  });
}

/** How far a source has been read; undefined: never. */
export function cursorOf(database: JournalDatabase, agent: string, source: string): number | undefined {
  return database.get(cursorAt({ agent, source }))?.position;
}

/** How many triggers of an agent wait for a decision. */
export function countWaiting(database: JournalDatabase, agent: string): number {
  return database.get(waitingOf({ agent }))!.waiting;
}

function insertTrigger(database: JournalDatabase, agent: string, trigger: Trigger, notBeforeMs = 0): void {
  database.run(
    insertRow({
      dedupe_id: trigger.dedupeId,
      position: (database.get(lastPosition())?.position ?? 0) + 1,
      agent,
      kind: trigger.kind,
      label: trigger.label,
      payload: canonicalize(trigger.payload),
      not_before: notBeforeMs,
    }),
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
 * @param notBeforeMs unix milliseconds before which it is left alone, by the number of retries before it
 * @returns the new trigger's id, or undefined when the original has had all its retries.
 */
export function retryTrigger(
  database: JournalDatabase,
  agent: string,
  trigger: Trigger,
  leaf: Hex,
  notBeforeMs: (retries: number) => number,
): string | undefined {
  const [original] = trigger.dedupeId.split(retryMark) as [string];
  const prefix = `${original}${retryMark}`;
  // Everything that begins with the prefix: the semicolon is the character after its colon.
  const retries = database.get(
    countBetween({ agent, from: prefix, until: `${prefix.slice(0, -1)};` }),
  )!.count;
  if (retries >= mostRetries) return undefined;
  const dedupeId = `${prefix}${leaf}`;
  const retryOf: Fact = { value: leaf, provenance: "history" };
  const facts = { ...(trigger.payload["facts"] as JsonObject | undefined), "trigger.retryOf": retryOf };
  const again = { ...trigger, dedupeId, payload: { ...trigger.payload, facts } };
  insertTrigger(database, agent, again, notBeforeMs(retries));
  return dedupeId;
}

/** The longest that a Trigger is left alone, in milliseconds: one of a later time was noted before the clock was set back. */
export const longestPauseMs = 600_000;

/**
 * The Trigger to decide next: what an operator says goes before everything else. None that has a decision or is in quarantine, or
 * whose time has not come.
 *
 * @param atMs the time, unix milliseconds
 */
export function nextTrigger(database: JournalDatabase, agent: string, atMs: number): Trigger | undefined {
  const row = database.get(firstWaiting({ agent, atMs, neverMs: atMs + longestPauseMs }));
  return row && toTrigger(row);
}

/** How many milliseconds it is until `nextTrigger` gives one: 0 when it does now; undefined when none waits. */
export function untilNextTrigger(
  database: Pick<JournalDatabase, "get">,
  agent: string,
  atMs: number,
): number | undefined {
  const notBefore = database.get(soonest({ agent }))?.atMs ?? undefined;
  if (notBefore === undefined) return undefined;
  return notBefore > atMs + longestPauseMs ? 0 : Math.max(0, notBefore - atMs);
}

export const triggerOf = (database: Pick<JournalDatabase, "get">, agent: string, dedupeId: string): Trigger =>
  toTrigger(database.get(triggerAt({ agent, id: dedupeId }))!);

/** Every Trigger of an agent as the table holds it, in order. */
export const triggerRowsOf = (database: Pick<JournalDatabase, "all">, agent: string): readonly TriggerRow[] =>
  database.all(triggersOfAgent({ agent }));
