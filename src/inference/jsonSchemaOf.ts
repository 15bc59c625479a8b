import * as z from "zod";

import { isJsonObject, type JsonObject } from "../core/json.ts";

/**
 * JSON Schema of the answers that a schema takes, for servers that take no grammar; undefined when it can't be written down in
 * integers and text, as records have to. It leaves out what JSON Schema can't say: the order of keys, and white space.
 */
export function jsonSchemaOf(answers: z.ZodType): JsonObject | undefined {
  const { $schema: _, ...schema } = z.toJSONSchema(answers, { io: "input" });
  return isJsonObject(schema) ? schema : undefined;
}
