import { sql } from "kysely";

import type { Version } from "./schema.ts";

/** Several agents share a journal: what happened once wakes each of them once, so triggers are known by agent and id. */
export const version2: Version = (tables, { table, text, whole }) => {
  const { schema } = tables;
  return [
    schema
      .createTable("new_trigger")
      .addColumn("agent", text, (column) => column.notNull())
      .addColumn("dedupe_id", text, (column) => column.notNull())
      .addColumn("position", whole, (column) => column.notNull().unique())
      .addColumn("kind", text, (column) => column.notNull())
      .addColumn("label", text, (column) => column.notNull())
      .addColumn("payload", text, (column) => column.notNull())
      .addColumn("decision", text)
      .addPrimaryKeyConstraint("trigger_key", ["agent", "dedupe_id"])
      .modifyEnd(table),
    sql`insert into new_trigger (agent, dedupe_id, position, kind, label, payload, decision)
      select agent, dedupe_id, position, kind, label, payload, decision from trigger_`,
    schema.dropTable("trigger_"),
    schema.alterTable("new_trigger").renameTo("trigger_"),
    schema
      .createIndex("trigger_waiting")
      .on("trigger_")
      .columns(["agent", "position"])
      .where(sql.ref("decision"), "is", null),

    schema
      .createTable("new_decision")
      .addColumn("id", text, (column) => column.primaryKey())
      .addColumn("agent", text, (column) => column.notNull())
      .addColumn("trigger_id", text, (column) => column.notNull())
      .addColumn("position", whole, (column) => column.notNull().unique())
      .addColumn("machine", text, (column) => column.notNull())
      .addColumn("snapshot", text, (column) => column.notNull())
      .addColumn("done", whole, (column) => column.notNull())
      .addUniqueConstraint("decision_trigger", ["agent", "trigger_id"])
      .modifyEnd(table),
    sql`insert into new_decision (id, agent, trigger_id, position, machine, snapshot, done)
      select id, agent, trigger_id, position, machine, snapshot, done from decision`,
    schema.dropTable("decision"),
    schema.alterTable("new_decision").renameTo("decision"),
    schema.createIndex("decision_open").on("decision").column("agent").where(sql.ref("done"), "=", 0),
  ];
};
