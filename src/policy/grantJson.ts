import * as z from "zod";

import type { JsonObject } from "../core/json.ts";
import type { Grant } from "./grant.ts";
import { address, word, whole } from "./jsonFields.ts";

/** A grant as journals and typed data hold it: whole numbers as decimal text, addresses in lower case. */
export const grantJson = ({ extras, ...grant }: Grant): JsonObject => ({
  ...written(grant),
  extras: written(extras),
});

const written = (values: Readonly<Record<string, string | bigint>>): JsonObject =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      typeof value === "bigint" ? value.toString() : value.toLowerCase(),
    ]),
  );

const schema = z.object({
  agent: address,
  asset: address,
  payees: word,
  perCall: whole,
  perWindow: whole,
  lifetime: whole,
  bucket: whole,
  gasBudget: whole,
  feeCap: whole,
  expiry: whole,
  salt: whole,
  extras: z.object({
    rules: word,
    functions: whole,
    approvers: word,
    ceiling: whole,
    operations: whole,
    operationsPerWindow: whole,
    paymaster: address,
    heartbeat: whole,
  }),
});

/** The way back. @throws ZodError for what no grant was written as */
export const grantOf = (json: JsonObject): Grant => schema.parse(json);
