import { sql } from "kysely";

import type { Version } from "./schema.ts";

/** The first schema: what is there already is left as it is. `tables.ts` says what each table is for. */
export const version1: Version = ({ schema }, { keyed, table, text, whole }) => [
  schema
    .createTable("entry")
    .ifNotExists()
    .addColumn("sequence", whole, (column) => column.primaryKey())
    .addColumn("agent", text, (column) => column.notNull())
    .addColumn("kind", text, (column) => column.notNull())
    .addColumn("body", text, (column) => column.notNull())
    .addColumn("previous_hash", text, (column) => column.notNull())
    .addColumn("hash", text, (column) => column.notNull())
    .modifyEnd(table),

  schema
    .createTable("trigger_")
    .ifNotExists()
    .addColumn("dedupe_id", text, (column) => column.primaryKey())
    .addColumn("position", whole, (column) => column.notNull().unique())
    .addColumn("agent", text, (column) => column.notNull())
    .addColumn("kind", text, (column) => column.notNull())
    .addColumn("label", text, (column) => column.notNull())
    .addColumn("payload", text, (column) => column.notNull())
    .addColumn("decision", text)
    .modifyEnd(table),
  schema
    .createIndex("trigger_waiting")
    .ifNotExists()
    .on("trigger_")
    .columns(["agent", "position"])
    .where(sql.ref("decision"), "is", null),

  schema
    .createTable("cursor_")
    .ifNotExists()
    .addColumn("agent", text, (column) => column.notNull())
    .addColumn("source", text, (column) => column.notNull())
    .addColumn("position", whole, (column) => column.notNull())
    .addPrimaryKeyConstraint("cursor_key", ["agent", "source"])
    .modifyEnd(keyed),

  schema
    .createTable("memory")
    .ifNotExists()
    .addColumn("agent", text, (column) => column.notNull())
    .addColumn("name", text, (column) => column.notNull())
    .addColumn("position", whole, (column) => column.notNull())
    .addColumn("value", text, (column) => column.notNull())
    .addColumn("provenance", text, (column) =>
      column.notNull().check(sql`provenance in ('untrusted', 'history')`),
    )
    .addColumn("digest", text, (column) => column.notNull())
    .addPrimaryKeyConstraint("memory_key", ["agent", "name"])
    .modifyEnd(keyed),

  schema
    .createTable("decision")
    .ifNotExists()
    .addColumn("id", text, (column) => column.primaryKey())
    .addColumn("agent", text, (column) => column.notNull())
    .addColumn("trigger_id", text, (column) => column.notNull().unique())
    .addColumn("position", whole, (column) => column.notNull().unique())
    .addColumn("machine", text, (column) => column.notNull())
    .addColumn("snapshot", text, (column) => column.notNull())
    .addColumn("done", whole, (column) => column.notNull())
    .modifyEnd(table),
  schema
    .createIndex("decision_open")
    .ifNotExists()
    .on("decision")
    .column("agent")
    .where(sql.ref("done"), "=", 0),

  schema
    .createTable("output")
    .ifNotExists()
    .addColumn("decision", text, (column) => column.notNull())
    .addColumn("step", text, (column) => column.notNull())
    .addColumn("value", text, (column) => column.notNull())
    .addPrimaryKeyConstraint("output_key", ["decision", "step"])
    .modifyEnd(keyed),

  schema
    .createTable("effect")
    .ifNotExists()
    .addColumn("decision", text, (column) => column.notNull())
    .addColumn("id", text, (column) => column.notNull())
    .addColumn("source", text, (column) => column.notNull())
    .addPrimaryKeyConstraint("effect_key", ["decision", "id"])
    .modifyEnd(keyed),

  schema
    .createTable("leaf")
    .ifNotExists()
    .addColumn("agent", text, (column) => column.notNull())
    .addColumn("position", whole, (column) => column.notNull())
    .addColumn("decision", text, (column) => column.notNull().unique())
    .addColumn("leaf", text, (column) => column.notNull())
    .addPrimaryKeyConstraint("leaf_key", ["agent", "position"])
    .modifyEnd(keyed),

  schema
    .createTable("operation")
    .ifNotExists()
    .addColumn("user_op_hash", text, (column) => column.primaryKey())
    .addColumn("decision", text, (column) => column.notNull().unique())
    .addColumn("lane", text, (column) => column.notNull())
    .addColumn("nonce", text, (column) => column.notNull())
    .addColumn("body", text, (column) => column.notNull())
    .addColumn("state", text, (column) =>
      column.notNull().check(sql`state in ('signed', 'sent', 'settled', 'expired')`),
    )
    .modifyEnd(table),
  schema
    .createIndex("one_live_operation")
    .unique()
    .ifNotExists()
    .on("operation")
    .column("lane")
    .where(sql.ref("state"), "in", ["signed", "sent"]),
  schema
    .createIndex("operation_place")
    .unique()
    .ifNotExists()
    .on("operation")
    .columns(["decision", "lane", "nonce"]),

  schema
    .createTable("sibling")
    .ifNotExists()
    .addColumn("user_op_hash", text, (column) => column.primaryKey())
    .addColumn("decision", text, (column) => column.notNull())
    .addColumn("position", whole, (column) => column.notNull())
    .addColumn("lane", text, (column) => column.notNull())
    .addColumn("nonce", text, (column) => column.notNull())
    .addColumn("body", text, (column) => column.notNull())
    .addUniqueConstraint("sibling_order", ["decision", "position"])
    .addForeignKeyConstraint("sibling_place", ["decision", "lane", "nonce"], "operation", [
      "decision",
      "lane",
      "nonce",
    ])
    .modifyEnd(table),

  schema
    .createTable("payment")
    .ifNotExists()
    .addColumn("decision", text, (column) => column.primaryKey())
    .addColumn("agent", text, (column) => column.notNull())
    .addColumn("payee", text, (column) => column.notNull())
    .addColumn("reference", text, (column) => column.notNull())
    .addColumn("references_", text, (column) => column.notNull())
    .addColumn("at", whole, (column) => column.notNull())
    .addColumn("asset", text, (column) => column.notNull())
    .addColumn("amount_units", text, (column) => column.notNull())
    .addColumn("words", text, (column) => column.notNull())
    .addColumn("state", text, (column) => column.notNull().check(sql`state in ('pending', 'paid', 'void')`))
    .modifyEnd(table),
  schema.createIndex("payment_payee").ifNotExists().on("payment").columns(["agent", "payee"]),
];
