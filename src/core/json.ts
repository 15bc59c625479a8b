/** JSON as Bursar hashes it: integers and strings only, no floats (RFC 8785 leaves nothing to interpret then). */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export type JsonObject = { readonly [key: string]: Json };

/** Deepest that arrays and objects may lie in each other: what walks through them does not run out of stack. */
const deepest = 64;

/** A JSON object as records hold it: integers and text, nothing that JSON would leave out, and no deeper than somebody would write it. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && isJson(value, deepest);
}

function isJson(value: unknown, left: number): value is Json {
  if (value === null || typeof value === "boolean") return true;
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value === "number") return Number.isSafeInteger(value);
  if (typeof value !== "object" || left === 0) return false;
  return (Array.isArray(value) ? value : Object.values(value)).every((inner) => isJson(inner, left - 1));
}
