import type { Version } from "./schema.ts";

/** Retries that wait, an agent's newest nonce without reading all its operations, what decisions ask of people, what the link to wallets keeps, and who delegates. */
export const version3: Version = ({ schema }, { keyed, table, text, whole }) => [
  schema.alterTable("trigger_").addColumn("not_before", whole, (column) => column.notNull().defaultTo(0)),
  schema.createIndex("operation_lane").on("operation").columns(["lane", "nonce"]),
  schema
    .createTable("ask")
    .addColumn("leaf", text, (column) => column.primaryKey())
    .addColumn("agent", text, (column) => column.notNull())
    .addColumn("decision", text, (column) => column.notNull().unique())
    .addColumn("deadline", whole, (column) => column.notNull())
    .addColumn("body", text, (column) => column.notNull())
    .addColumn("state", text, (column) => column.notNull())
    .addColumn("channel", text)
    .addColumn("answered_at_ms", whole)
    .modifyEnd(table),
  schema
    .createTable("link_value")
    .addColumn("name", text, (column) => column.primaryKey())
    .addColumn("value", text, (column) => column.notNull())
    .modifyEnd(keyed),
  schema
    .createTable("link_request")
    .addColumn("id", text, (column) => column.primaryKey())
    .addColumn("wire_id", whole, (column) => column.notNull().unique())
    .addColumn("topic", text, (column) => column.notNull())
    .addColumn("chain_id", whole, (column) => column.notNull())
    .addColumn("method", text, (column) => column.notNull())
    .addColumn("account", text)
    .addColumn("digest", text, (column) => column.notNull())
    .addColumn("expires_at", whole, (column) => column.notNull())
    .addColumn("published", whole, (column) => column.notNull())
    .addColumn("outcome", text)
    .modifyEnd(table),
  schema
    .createTable("delegation")
    .addColumn("id", text, (column) => column.primaryKey())
    .addColumn("agent", text, (column) => column.notNull())
    .addColumn("position", whole, (column) => column.notNull().unique())
    .addColumn("state", text, (column) => column.notNull())
    .addColumn("body", text, (column) => column.notNull())
    .modifyEnd(table),
];
