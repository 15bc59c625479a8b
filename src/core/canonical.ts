import { BaseError } from "./errors.ts";
import type { Json } from "./json.ts";

/** A value that has no canonical form here: a float, an unsafe integer, a lone surrogate, a bigint, undefined. */
export class NotCanonicalError extends BaseError {
  override readonly name = "NotCanonicalError";
  constructor(path: string, why: string) {
    super(`The value at ${path || "the top"} has no canonical form: ${why}.`, {
      remedy:
        "Use strings, booleans, null, safe integers, arrays and plain objects; write amounts as decimal strings.",
    });
  }
}

/**
 * RFC 8785 (JSON Canonicalization Scheme), restricted to integers and strings: one byte sequence per value.
 *
 * @throws NotCanonicalError when the value holds anything else.
 */
export function canonicalize(value: Json): string {
  return write(value, "");
}

/** `JSON.parse` for text that has to be canonical already: anything that does not round-trip byte for byte is refused. */
export function parseCanonical(text: string): Json {
  const value = JSON.parse(text) as Json;
  if (canonicalize(value) !== text)
    throw new NotCanonicalError("", "the text is JSON, but not in RFC 8785 form");
  return value;
}

function write(value: unknown, path: string): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") {
    if (!value.isWellFormed()) throw new NotCanonicalError(path, "a string holds a lone surrogate");
    return JSON.stringify(value);
  }
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value) || Object.is(value, -0))
      throw new NotCanonicalError(path, `${value} is not a safe integer`);
    return String(value);
  }
  if (Array.isArray(value))
    // Array.from also visits the holes of a sparse array, which are undefined and so refused.
    return `[${Array.from(value, (item, index) => write(item, `${path}[${index}]`)).join(",")}]`;
  if (typeof value === "object") {
    const prototype: unknown = Object.getPrototypeOf(value);
    // A Map, a date or bytes would lose their content without a word.
    if (prototype !== Object.prototype && prototype !== null)
      throw new NotCanonicalError(path, "an object of a class is not plain JSON");
    const entries = Object.entries(value);
    // RFC 8785 §3.2.3: keys in order of their UTF-16 code units, which is what `<` compares.
    entries.sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, item]) => `${write(key, path)}:${write(item, `${path}.${key}`)}`).join(",")}}`;
  }
  throw new NotCanonicalError(path, `a ${typeof value} is not JSON`);
}
