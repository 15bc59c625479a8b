import { InvalidRequestError } from "./errors.ts";

/** What may stand in a JSON string without any escaping: no control characters, no quote, no backslash. */
export const PLAIN_CHARACTER = String.raw`[^"\\\x00-\x1F]`;

/** Most that an open quantifier (`*`, `+`, `{3,}`) may repeat where the schema gives no maxLength. */
const MOST_REPEATS = 64;

type Reader = { readonly pattern: string; at: number; readonly most: number };

/**
 * A regular expression (ECMA-262, anchored at both ends or taken as if it were) as GBNF for the inside of a JSON string. Groups,
 * alternatives, classes and quantifiers; what looks around or back has no form in a grammar and is refused.
 *
 * @throws InvalidRequestError
 */
export function patternGrammar(pattern: string, maxLength?: number): string {
  const inner = pattern.replace(/^\^/, "").replace(/(?<!\\)\$$/, "");
  const reader: Reader = { pattern: inner, at: 0, most: maxLength ?? MOST_REPEATS };
  const grammar = alternatives(reader);
  if (reader.at < inner.length) throw refuse(reader, "an unexpected character");
  return grammar;
}

const refuse = ({ pattern, at }: Reader, what: string) =>
  new InvalidRequestError(`a grammar can't hold ${what} of the pattern`, { pattern, at });

function alternatives(reader: Reader): string {
  const parts = [sequence(reader)];
  while (reader.pattern[reader.at] === "|") {
    reader.at++;
    parts.push(sequence(reader));
  }
  return parts.length === 1 ? parts[0]! : `(${parts.join(" | ")})`;
}

function sequence(reader: Reader): string {
  const parts: string[] = [];
  while (reader.at < reader.pattern.length && !"|)".includes(reader.pattern[reader.at]!))
    parts.push(quantified(reader));
  return parts.length === 0 ? '""' : parts.join(" ");
}

function quantified(reader: Reader): string {
  const one = atom(reader);
  const rest = reader.pattern.slice(reader.at);
  const quantifier = /^(?:[*+?]|\{(\d+)(,(\d*))?\})/.exec(rest);
  if (!quantifier) return one;
  reader.at += quantifier[0].length;
  if (/^[?+]/.test(reader.pattern.slice(reader.at))) throw refuse(reader, "a lazy or possessive quantifier");
  const [text, low, comma, high] = quantifier;
  if (text === "?") return `${one}?`;
  const from = text === "*" ? 0 : text === "+" ? 1 : Number(low);
  const to =
    text === "*" || text === "+" || (comma !== undefined && high === "")
      ? Math.max(from, reader.most)
      : Number(high ?? low);
  return `${one}{${from},${to}}`;
}

function atom(reader: Reader): string {
  const { pattern } = reader;
  const character = pattern[reader.at]!;
  if (character === "(") return group(reader);
  if (character === "[") return characterClass(reader);
  if ("*+?{}^$".includes(character)) throw refuse(reader, `"${character}"`);
  reader.at++;
  if (character === ".") return PLAIN_CHARACTER;
  if (character === "\\") return escaped(reader);
  const code = character.codePointAt(0)!;
  // A pair of surrogates is one character.
  if (code >= 0xd800 && code <= 0xdbff) return literal(character + pattern[reader.at++]!);
  return literal(character);
}

function group(reader: Reader): string {
  reader.at++;
  const opening = /^\?(:|<[A-Za-z]\w*>)/.exec(reader.pattern.slice(reader.at));
  if (opening) reader.at += opening[0].length;
  else if (reader.pattern[reader.at] === "?") throw refuse(reader, "a lookaround");
  const inside = alternatives(reader);
  if (reader.pattern[reader.at] !== ")") throw refuse(reader, "an open group");
  reader.at++;
  return inside.startsWith("(") && inside.endsWith(")") ? inside : `(${inside})`;
}

const classes: Readonly<Record<string, string>> = { d: "0-9", w: "A-Za-z0-9_", s: " " };

/** After a backslash outside of a class. */
function escaped(reader: Reader): string {
  const character = reader.pattern[reader.at++];
  if (character === undefined) throw refuse(reader, "a backslash at the end");
  const known = classes[character];
  if (known !== undefined) return `[${known}]`;
  if (/[A-Za-z0-9]/.test(character)) throw refuse(reader, `"\\${character}"`);
  return literal(character);
}

function characterClass(reader: Reader): string {
  const end = closingBracket(reader);
  const text = reader.pattern.slice(reader.at + 1, end);
  const negated = text.startsWith("^");
  const members = membersOf(reader, negated ? text.slice(1) : text);
  reader.at = end + 1;
  // Quote, backslash and control characters would have to be escaped in JSON.
  if (negated) return String.raw`[^"\\\x00-\x1F${members}]`;
  return `[${members}]`;
}

function closingBracket(reader: Reader): number {
  for (let at = reader.at + 1; at < reader.pattern.length; at++) {
    if (reader.pattern[at] === "\\") at++;
    else if (reader.pattern[at] === "]" && at > reader.at + 1) return at;
  }
  throw refuse(reader, "an open class");
}

/** The members of a class in GBNF's writing, which escapes `]`, `[`, `^` and `\`. */
function membersOf(reader: Reader, text: string): string {
  let members = "";
  for (let at = 0; at < text.length; at++) {
    let character = text[at]!;
    if (character === "\\") {
      const code = /^x[0-9A-Fa-f]{2}|^u[0-9A-Fa-f]{4}/.exec(text.slice(at + 1))?.[0];
      if (code !== undefined) {
        members += `\\${code}`;
        at += code.length;
        continue;
      }
      character = text[++at] ?? "";
      const known = classes[character];
      if (known !== undefined) {
        members += known;
        continue;
      }
      if (/[A-Za-z0-9]/.test(character)) throw refuse(reader, `"\\${character}" in a class`);
      members += classMember(reader, character);
      continue;
    }
    // A dash between two characters is a range in both languages; elsewhere it is itself.
    if (character === "-" && at > 0 && at < text.length - 1) members += "-";
    else members += classMember(reader, character);
  }
  return members;
}

function classMember(reader: Reader, character: string): string {
  if (character === '"' || character === "\\")
    throw refuse(reader, `${character} in a class, which JSON would have to escape,`);
  if (character === "-") return String.raw`\x2D`;
  return "[]^".includes(character) ? `\\x${character.charCodeAt(0).toString(16).toUpperCase()}` : character;
}

/** Characters as they stand in a JSON string, as a GBNF literal. */
export function literal(text: string): string {
  const inJson = JSON.stringify(text).slice(1, -1);
  return `"${inJson.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}
