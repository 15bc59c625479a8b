/** JSON as Bursar hashes it: integers and strings only, no floats (RFC 8785 leaves nothing to interpret then). */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export type JsonObject = { readonly [key: string]: Json };

/** A JSON object as records hold it: integers and text, nothing that JSON would leave out. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && isJson(value);
}

function isJson(value: unknown): value is Json {
  if (value === null || typeof value === "boolean") return true;
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value === "number") return Number.isSafeInteger(value);
  if (typeof value !== "object") return false;
  return (Array.isArray(value) ? value : Object.values(value)).every(isJson);
}
