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
  try {
    return write(value, undefined);
  } catch (error) {
    if (!(error instanceof NotCanonicalError)) throw error;
    // Once more with places, for the error's sake: values that are fine don't pay for them.
    return write(value, top);
  }
}

/** `JSON.parse` for text that has to be canonical already: anything that does not round-trip byte for byte is refused. */
export function parseCanonical(text: string): Json {
  const value = JSON.parse(text) as Json;
  if (canonicalize(value) !== text)
    throw new NotCanonicalError("", "the text is JSON, but not in RFC 8785 form");
  return value;
}

/** Where a value lies in another one; undefined while nobody asks. */
type Place = { readonly in: Place; readonly key: string | number | null } | undefined;

const top: Place = { in: undefined, key: null };
const below = (place: Place, key: string | number): Place => place && { in: place, key };
const pathOf = (place: Place): string =>
  place === undefined || place.key === null
    ? ""
    : `${pathOf(place.in)}${typeof place.key === "number" ? `[${place.key}]` : `.${place.key}`}`;

function write(value: unknown, place: Place): string {
  if (typeof value === "string") {
    if (!value.isWellFormed()) throw new NotCanonicalError(pathOf(place), "a string holds a lone surrogate");
    return JSON.stringify(value);
  }
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value) || Object.is(value, -0))
      throw new NotCanonicalError(pathOf(place), `${value} is not a safe integer`);
    return String(value);
  }
  if (value === null || typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return writeArray(value, place);
  if (typeof value === "object") return writeObject(value, place);
  throw new NotCanonicalError(pathOf(place), `a ${typeof value} is not JSON`);
}

function writeArray(items: readonly unknown[], place: Place): string {
  let text = "[";
  // By index, which also visits the holes of a sparse array: they are undefined and so refused.
  for (let index = 0; index < items.length; index++) {
    const item = items[index];
    if (index > 0) text += ",";
    // Tokens, by the thousand.
    if (typeof item === "number" && Number.isSafeInteger(item) && item > 0) text += item;
    else text += write(item, below(place, index));
  }
  return `${text}]`;
}

function writeObject(value: object, place: Place): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  // A Map, a date or bytes would lose their content without a word.
  if (prototype !== Object.prototype && prototype !== null)
    throw new NotCanonicalError(pathOf(place), "an object of a class is not plain JSON");
  // RFC 8785 §3.2.3: keys in order of their UTF-16 code units, which is what sorting without a comparison compares.
  const keys = Object.keys(value).sort();
  let text = "{";
  for (const key of keys) {
    if (text.length > 1) text += ",";
    const item = (value as Readonly<Record<string, unknown>>)[key];
    text += `${write(key, place)}:${write(item, below(place, key))}`;
  }
  return `${text}}`;
}
