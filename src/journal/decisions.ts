import { sql } from "kysely";

import { canonicalize, parseCanonical } from "../core/canonical.ts";
import type { Json, JsonObject } from "../core/json.ts";
import type { JournalDatabase } from "./openJournal.ts";
import { query } from "./query.ts";
import type { Tables } from "./tables.ts";

/** The durable life of one decision. The snapshot is the machine's, as plain JSON. */
export type DecisionRow = {
  readonly id: string;
  readonly agent: string;
  readonly triggerId: string;
  /** Order among all decisions, from 1. */
  readonly position: number;
  /** `id@version` of the machine that wrote the snapshot. */
  readonly machine: string;
  readonly snapshot: JsonObject;
  readonly done: boolean;
};

type Reads = Pick<JournalDatabase, "all" | "get">;
type OfDecision = { readonly decision: string };

const decisionAt = query((tables, { id }: { id: string }) =>
  tables.selectFrom("decision").selectAll().where("id", "=", id),
);
const decisionAtPosition = query((tables, { position }: { position: number }) =>
  tables.selectFrom("decision").selectAll().where("position", "=", position),
);
const decisionsOfAgent = query((tables, { agent }: { agent: string }) =>
  tables.selectFrom("decision").selectAll().where("agent", "=", agent).orderBy("position"),
);
/** Zero is written into the statement: SQLite uses the index of open decisions only for that. */
const firstOpen = query((tables, { agent }: { agent: string }) =>
  tables
    .selectFrom("decision")
    .selectAll()
    .where("agent", "=", agent)
    .where("done", "=", sql.lit(0))
    .orderBy("position")
    .limit(1),
);
const anyOpen = query((tables) =>
  tables.selectFrom("decision").select("id").where("done", "=", sql.lit(0)).limit(1),
);
const agentNames = query((tables) =>
  tables.selectFrom("decision").select("agent").distinct().orderBy("agent"),
);
const positions = query((tables) => tables.selectFrom("decision").select("position").orderBy("position"));
const lastPosition = query((tables) =>
  tables.selectFrom("decision").select(({ fn }) => fn.max<number | null>("position").as("position")),
);
const insertDecision = query((tables, row: Omit<Tables["decision"], "done">) =>
  tables.insertInto("decision").values({ ...row, done: 0 }),
);
const claimTrigger = query(
  (tables, { agent, decision, trigger }: { agent: string; decision: string; trigger: string }) =>
    tables
      .updateTable("trigger_")
      .set({ decision })
      .where("agent", "=", agent)
      .where("dedupe_id", "=", trigger),
);
const updateSnapshot = query(
  (
    tables,
    { done, id, machine, snapshot }: Pick<Tables["decision"], "id" | "machine" | "snapshot" | "done">,
  ) => tables.updateTable("decision").set({ machine, snapshot, done }).where("id", "=", id),
);
const insertOutput = query((tables, row: Tables["output"]) => tables.insertInto("output").values(row));
const outputAt = query((tables, { decision, step }: { decision: string; step: string }) =>
  tables.selectFrom("output").select("value").where("decision", "=", decision).where("step", "=", step),
);
const outputsOfDecision = query((tables, { decision }: OfDecision) =>
  tables.selectFrom("output").select(["step", "value"]).where("decision", "=", decision),
);
const insertEffect = query((tables, row: Tables["effect"]) => tables.insertInto("effect").values(row));
const effectAt = query((tables, { decision, id }: { decision: string; id: string }) =>
  tables.deleteFrom("effect").where("decision", "=", decision).where("id", "=", id),
);
const effectsOfDecision = query((tables, { decision }: OfDecision) =>
  tables.selectFrom("effect").selectAll().where("decision", "=", decision).orderBy("id"),
);

const toDecision = ({ done, snapshot, trigger_id, ...row }: Tables["decision"]): DecisionRow => ({
  id: row.id,
  agent: row.agent,
  triggerId: trigger_id,
  position: row.position,
  machine: row.machine,
  snapshot: JSON.parse(snapshot) as JsonObject,
  done: done === 1,
});

/** Claims a trigger for a new decision. Call it inside `atomically`. */
export function startDecision(
  database: JournalDatabase,
  decision: Omit<DecisionRow, "position" | "done">,
): void {
  database.run(
    insertDecision({
      id: decision.id,
      agent: decision.agent,
      trigger_id: decision.triggerId,
      position: (database.get(lastPosition())?.position ?? 0) + 1,
      machine: decision.machine,
      snapshot: JSON.stringify(decision.snapshot),
    }),
  );
  database.run(claimTrigger({ agent: decision.agent, decision: decision.id, trigger: decision.triggerId }));
}

export function saveSnapshot(
  database: JournalDatabase,
  id: string,
  { done, machine, snapshot }: Pick<DecisionRow, "machine" | "snapshot" | "done">,
): void {
  database.run(updateSnapshot({ id, machine, snapshot: JSON.stringify(snapshot), done: done ? 1 : 0 }));
}

export const decisionOf = (database: Reads, id: string): DecisionRow =>
  toDecision(database.get(decisionAt({ id }))!);

/** The decision with this number, over all agents from 1. */
export function decisionNumber(database: Reads, position: number): DecisionRow | undefined {
  const row = database.get(decisionAtPosition({ position }));
  return row && toDecision(row);
}

/** The decision that was under way when the runtime stopped. One at a time an agent, so there is at most one. */
export function openDecision(database: Reads, agent: string): DecisionRow | undefined {
  const row = database.get(firstOpen({ agent }));
  return row && toDecision(row);
}

/** Is a decision of any agent under way? */
export const isDeciding = (database: Reads): boolean => database.get(anyOpen()) !== undefined;

export const allDecisions = (database: Reads, agent: string): readonly DecisionRow[] =>
  database.all(decisionsOfAgent({ agent })).map(toDecision);

/** The numbers of all decisions, in order. */
export const decisionNumbers = (database: Reads): readonly number[] =>
  database.all(positions()).map(({ position }) => position);

/** What a step handed on; written once, because a recorded result is never computed again. */
export function putOutput(database: JournalDatabase, decision: string, step: string, value: Json): void {
  database.run(insertOutput({ decision, step, value: canonicalize(value) }));
}

export function outputOf(database: Reads, decision: string, step: string): Json | undefined {
  const row = database.get(outputAt({ decision, step }));
  return row && parseCanonical(row.value);
}

/** Everything that a decision's steps handed on so far. */
export const outputsOf = (database: Reads, decision: string): ReadonlyMap<string, Json> =>
  new Map(
    database.all(outputsOfDecision({ decision })).map(({ step, value }) => [step, parseCanonical(value)]),
  );

export type EffectRow = Tables["effect"];

export const putEffect = (database: JournalDatabase, effect: EffectRow): void =>
  database.run(insertEffect(effect));

export const deleteEffect = (database: JournalDatabase, decision: string, id: string): void =>
  database.run(effectAt({ decision, id }));

/** Effects without a recorded result: whatever was cut off is in here. */
export const effectsOf = (database: Reads, decision: string): readonly EffectRow[] =>
  database.all(effectsOfDecision({ decision }));

/** Names of all agents that ever decided in this journal. */
export const agentsIn = (database: Reads): readonly string[] =>
  database.all(agentNames()).map(({ agent }) => agent);

/** Tables whose rows belong to a decision, beside its leaf and its effects. */
export const decisionTables = ["output", "operation", "payment"] as const;

const orphans = (table: (typeof decisionTables)[number]) =>
  query((tables) =>
    tables
      .selectFrom(table)
      .select("decision")
      .distinct()
      .where("decision", "not in", tables.selectFrom("decision").select("id"))
      .orderBy("decision"),
  );
const orphansIn = { output: orphans("output"), operation: orphans("operation"), payment: orphans("payment") };

/** Decisions that rows of a table name and that are not there. */
export const missingDecisions = (
  database: Reads,
  table: (typeof decisionTables)[number],
): readonly string[] => database.all(orphansIn[table]()).map(({ decision }) => decision);
