import type { Version } from "./schema.ts";

/** Whom a payment went to, whatever the policy called him then. Null in the rows of before. */
export const version4: Version = ({ schema }, { text }) => [
  schema.alterTable("payment").addColumn("payee_address", text),
  schema.createIndex("payment_address").on("payment").columns(["agent", "payee_address"]),
];
