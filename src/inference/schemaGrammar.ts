import * as z from "zod";
import { PLAIN_CHARACTER } from "./classGrammar.ts";
import { InvalidRequestError } from "./errors.ts";
import { patternGrammar, type Lengths } from "./patternGrammar.ts";
import { rangeGrammar } from "./rangeGrammar.ts";

/** Longest text and list a grammar can count; llama.cpp unrolls repetitions. */
const MOST_CHARACTERS = 1024;
const MOST_ITEMS = 256;
const MOST_RULES = 4096;

type Schema = z.core.JSONSchema.JSONSchema;
const EMPTY = "has a minimum above its maximum";
const ANYTHING = "may be anything, or is nothing that JSON knows: give it a schema";
const FLOAT = "is a float: take z.int(), or a decimal as text with a pattern";

/** Rules that were written so far, by name. */
type Rules = Map<string, string>;

/**
 * GBNF for exactly the JSON that a schema takes: compact, keys in the schema's order, optional keys there or not, bounds of
 * numbers, lengths, patterns, enumerations and alternatives all enforced. llama.cpp's own converter leaves bounds and patterns
 * out without a word, so what this one has no form for is refused instead: text and lists without an end, floats, references.
 *
 * Escapes are the only thing it is narrower in: text holds no control characters but `\n`, and no other escapes than it needs; and
 * an open pattern without a maxLength ends somewhere. It is wider in one: a character beyond the basic plane (an emoji) counts once.
 * What the model writes is parsed and validated by the schema all the same: a grammar knows nothing of refinements.
 *
 * @throws InvalidRequestError that names the place and what to write instead
 */
export function schemaGrammar(schema: z.ZodType): string {
  const rules: Rules = new Map();
  // What JSON Schema has no form for (dates, bigints) becomes "anything", which is refused with its place.
  const asked = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Schema;
  const root = valueOf(asked, [], rules);
  return `root ::= ${root}\n${[...rules].map(([name, body]) => `${name} ::= ${body}\n`).join("")}`;
}

const refuse = (path: readonly string[], why: string, facts: Readonly<Record<string, string>> = {}) =>
  new InvalidRequestError(`${path.length === 0 ? "the schema" : path.join(".")} ${why}`, facts);

/** A rule of its own, so that the text does not grow with every place where it is used. */
function rule(rules: Rules, body: string): string {
  for (const [name, known] of rules) if (known === body) return name;
  if (rules.size >= MOST_RULES) throw new InvalidRequestError("the schema makes too many rules");
  const name = `r${rules.size}`;
  rules.set(name, body);
  return name;
}

function valueOf(schema: Schema | boolean, path: readonly string[], rules: Rules): string {
  if (typeof schema === "boolean") throw refuse(path, ANYTHING);
  const { const: constant, enum: values, type } = schema;
  if (constant !== undefined) return json(constant, path);
  if (values) return `(${values.map((value) => json(value, path)).join(" | ")})`;
  const options = schema.anyOf ?? schema.oneOf;
  if (options) return rule(rules, options.map((option) => valueOf(option, path, rules)).join(" | "));
  for (const keyword of ["$ref", "allOf", "not", "if", "patternProperties", "multipleOf"] as const)
    if (schema[keyword] !== undefined) throw refuse(path, `uses ${keyword}, which no grammar can hold`);
  switch (type) {
    case "object":
      return objectOf(schema, path, rules);
    case "array":
      return arrayOf(schema, path, rules);
    case "string":
      return stringOf(schema, path, rules);
    case "integer":
      return integerOf(schema, path, rules);
    case "boolean":
      return '("true" | "false")';
    case "null":
      return '"null"';
    case "number":
      throw refuse(path, FLOAT);
    default:
      throw refuse(path, ANYTHING);
  }
}

/** Text as a GBNF literal. */
const text = (raw: string): string => `"${raw.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
function json(value: unknown, path: readonly string[]): string {
  if (typeof value === "number" && !Number.isSafeInteger(value)) throw refuse(path, FLOAT);
  return text(JSON.stringify(value));
}

function objectOf(schema: Schema, path: readonly string[], rules: Rules): string {
  if (typeof schema.additionalProperties === "object" && Object.keys(schema.additionalProperties).length > 0)
    throw refuse(path, "is a record with keys of its own choice: name the keys");
  const required = new Set(schema.required ?? []);
  const properties = Object.entries(schema.properties ?? {}).map(([key, value]) => ({
    key: JSON.stringify(key),
    value: valueOf(value as Schema, [...path, key], rules),
    optional: !required.has(key),
  }));
  const known = new Map<string, string>();
  /** What may follow from one property on; `begun`: something stands before it. */
  const from = (index: number, begun: boolean): string => {
    const place = `${index} ${begun}`;
    const found = known.get(place) ?? written(index, begun);
    known.set(place, found);
    return found;
  };
  const written = (index: number, begun: boolean): string => {
    const property = properties[index];
    if (!property) return '"}"';
    const { key, optional, value } = property;
    const member = `${text(`${begun ? "," : ""}${key}:`)} ${value} ${from(index + 1, true)}`;
    return optional ? rule(rules, `${member} | ${from(index + 1, begun)}`) : member;
  };
  return rule(rules, `"{" ${from(0, false)}`);
}

function arrayOf(schema: Schema, path: readonly string[], rules: Rules): string {
  const { items, maxItems, minItems = 0, prefixItems } = schema;
  if (prefixItems) {
    const each = prefixItems.map((item, index) => valueOf(item, [...path, String(index)], rules));
    return rule(rules, `"[" ${each.join(' "," ')} "]"`);
  }
  if (maxItems === undefined || maxItems > MOST_ITEMS)
    throw refuse(path, `is a list without an end: add .max(n), at most ${MOST_ITEMS}`);
  if (items === undefined || Array.isArray(items))
    throw refuse(path, "is a list of anything: give its items a schema");
  if (minItems > maxItems) throw refuse(path, EMPTY);
  if (maxItems === 0) return '"[]"';
  const item = rule(rules, valueOf(items, [...path, "*"], rules));
  const from = Math.max(0, minItems - 1);
  const full = `${item} ("," ${item}){${from},${maxItems - 1}}`;
  return rule(rules, minItems === 0 ? `"[" (${full})? "]"` : `"[" ${full} "]"`);
}

function stringOf(schema: Schema, path: readonly string[], rules: Rules): string {
  const { format, maxLength, minLength = 0, pattern } = schema;
  if (pattern !== undefined) {
    const inside = patternOf(pattern, { minLength, maxLength }, path);
    return rule(rules, `"\\"" ${inside} "\\""`);
  }
  if (format !== undefined)
    throw refuse(path, `has the format ${format}, which no grammar can hold`, { format });
  if (maxLength === undefined || maxLength > MOST_CHARACTERS)
    throw refuse(path, `is text without an end: add .max(n), at most ${MOST_CHARACTERS}, or a pattern`);
  if (minLength > maxLength) throw refuse(path, EMPTY);
  const character = rule(rules, `${PLAIN_CHARACTER} | "\\\\" ["\\\\n]`);
  return rule(rules, `"\\"" ${character}{${minLength},${maxLength}} "\\""`);
}

function patternOf(pattern: string, lengths: Lengths, path: readonly string[]): string {
  try {
    return patternGrammar(pattern, lengths);
  } catch (error) {
    if (!(error instanceof InvalidRequestError)) throw error;
    throw refuse(path, "has a pattern that no grammar can hold: simplify it", { detail: error.shortMessage });
  }
}

function integerOf(schema: Schema, path: readonly string[], rules: Rules): string {
  const { exclusiveMaximum, exclusiveMinimum, maximum, minimum } = schema;
  const low = Math.max(
    minimum ?? Number.MIN_SAFE_INTEGER,
    typeof exclusiveMinimum === "number" ? exclusiveMinimum + 1 : Number.MIN_SAFE_INTEGER,
  );
  const high = Math.min(
    maximum ?? Number.MAX_SAFE_INTEGER,
    typeof exclusiveMaximum === "number" ? exclusiveMaximum - 1 : Number.MAX_SAFE_INTEGER,
  );
  if (low > high) throw refuse(path, EMPTY);
  return rule(rules, rangeGrammar(BigInt(Math.ceil(low)), BigInt(Math.floor(high))));
}
