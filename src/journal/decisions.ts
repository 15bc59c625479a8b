import { canonicalize, parseCanonical } from "../core/canonical.ts";
import type { Json, JsonObject } from "../core/json.ts";
import type { JournalDatabase, Row } from "./openJournal.ts";

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

const toDecision = (row: Row): DecisionRow => ({
  id: String(row["id"]),
  agent: String(row["agent"]),
  triggerId: String(row["trigger_id"]),
  position: Number(row["position"]),
  machine: String(row["machine"]),
  snapshot: JSON.parse(String(row["snapshot"])) as JsonObject,
  done: row["done"] === 1,
});

/** Claims a trigger for a new decision. Call it inside `atomically`. */
export function startDecision(
  database: JournalDatabase,
  decision: Omit<DecisionRow, "position" | "done">,
): void {
  const last = database.get("select max(position) as position from decision");
  const position = Number(last?.["position"] ?? 0) + 1;
  database.run(
    "insert into decision values (?, ?, ?, ?, ?, ?, 0)",
    decision.id,
    decision.agent,
    decision.triggerId,
    position,
    decision.machine,
    JSON.stringify(decision.snapshot),
  );
  database.run("update trigger_ set decision = ? where dedupe_id = ?", decision.id, decision.triggerId);
}

export function saveSnapshot(
  database: JournalDatabase,
  id: string,
  snapshot: JsonObject,
  done: boolean,
): void {
  database.run(
    "update decision set snapshot = ?, done = ? where id = ?",
    JSON.stringify(snapshot),
    done ? 1 : 0,
    id,
  );
}

export function decisionOf(database: JournalDatabase, id: string): DecisionRow {
  return toDecision(database.get("select * from decision where id = ?", id)!);
}

/** The decision that was under way when the runtime stopped. One at a time an agent, so there is at most one. */
export function openDecision(database: JournalDatabase, agent: string): DecisionRow | undefined {
  const row = database.get(
    "select * from decision where agent = ? and done = 0 order by position limit 1",
    agent,
  );
  return row && toDecision(row);
}

export function allDecisions(database: JournalDatabase, agent: string): readonly DecisionRow[] {
  return database.all("select * from decision where agent = ? order by position", agent).map(toDecision);
}

/** What a step handed on; written once, because a recorded result is never computed again. */
export function putOutput(database: JournalDatabase, decision: string, step: string, value: Json): void {
  database.run("insert into output values (?, ?, ?)", decision, step, canonicalize(value));
}

export function outputOf(database: JournalDatabase, decision: string, step: string): Json | undefined {
  const row = database.get("select value from output where decision = ? and step = ?", decision, step);
  return row && parseCanonical(String(row["value"]));
}

export type EffectRow = { readonly decision: string; readonly id: string; readonly source: string };

export function putEffect(database: JournalDatabase, effect: EffectRow): void {
  database.run("insert into effect values (?, ?, ?)", effect.decision, effect.id, effect.source);
}

export function deleteEffect(database: JournalDatabase, decision: string, id: string): void {
  database.run("delete from effect where decision = ? and id = ?", decision, id);
}

/** Effects without a recorded result: whatever was cut off is in here. */
export function effectsOf(database: JournalDatabase, decision: string): readonly EffectRow[] {
  return database.all("select * from effect where decision = ? order by id", decision).map((row) => ({
    decision: String(row["decision"]),
    id: String(row["id"]),
    source: String(row["source"]),
  }));
}

/** Names of all agents that ever decided in this journal. */
export const agentsIn = (database: JournalDatabase): readonly string[] =>
  database.all("select distinct agent from decision order by agent").map((row) => String(row["agent"]));
