import { classGrammar, namedClass, PLAIN_CHARACTER } from "./classGrammar.ts";
import { InvalidRequestError } from "./errors.ts";

/** Most that an open quantifier (`*`, `+`, `{3,}`) may repeat where the schema gives no maxLength. */
const MOST_REPEATS = 64;
/** Longest repetition; llama.cpp unrolls them. */
const MOST_UNROLLED = 1024;

/** Lengths that the schema gives beside the pattern, in characters. */
export type Lengths = { readonly minLength?: number | undefined; readonly maxLength?: number | undefined };

/** GBNF, the fewest and the most characters it takes, and how many open quantifiers are in there. */
type Part = { readonly gbnf: string; readonly least: number; readonly most: number; readonly open: number };

/** How often an open quantifier repeats at least and at most. */
type Repeats = { readonly least: number; readonly most: number };

type Reader = { readonly pattern: string; at: number; readonly repeats: Repeats };

/**
 * A regular expression (ECMA-262, anchored at both ends) as GBNF for the inside of a JSON string. Groups, alternatives, classes and
 * quantifiers; what looks around or back has no form in a grammar and is refused. So are lengths that a pattern can't be held to.
 *
 * @throws InvalidRequestError
 */
export function patternGrammar(pattern: string, { maxLength, minLength = 0 }: Lengths = {}): string {
  const inner = unanchored(pattern);
  const most = maxLength ?? MOST_REPEATS;
  const read = (repeats: Repeats): Part => readWhole({ pattern: inner, at: 0, repeats });
  let repeats: Repeats = { least: 0, most };
  let part = read(repeats);
  // Where one quantifier is all that varies, the lengths say how often it repeats. Of several, any may be the one that is long.
  const fixed = read({ least: most, most });
  if (part.open === 1 && fixed.least === fixed.most) {
    while (part.least < minLength && repeats.least < repeats.most)
      part = read((repeats = { ...repeats, least: repeats.least + 1 }));
    while (part.most > (maxLength ?? Infinity) && repeats.most > repeats.least)
      part = read((repeats = { ...repeats, most: repeats.most - 1 }));
  }
  if (part.least >= minLength && part.most <= (maxLength ?? Infinity)) return part.gbnf;
  throw new InvalidRequestError(
    `a grammar can't hold the pattern to its length: it takes ${part.least} to ${part.most} characters; bound its parts`,
    { pattern },
  );
}

/** Without its anchors. `.*` at an end says the same as none there. */
function unanchored(pattern: string): string {
  const begins = pattern.startsWith("^");
  const ends = /(?<!\\)(?:\\\\)*\$$/.test(pattern);
  if ((!begins && !pattern.startsWith(".*")) || (!ends && !pattern.endsWith(".*")))
    throw new InvalidRequestError("a grammar can't hold a pattern without an end: write it as ^…$", {
      pattern,
    });
  return pattern.slice(begins ? 1 : 0, ends ? -1 : undefined);
}

function readWhole(reader: Reader): Part {
  const part = alternatives(reader);
  if (reader.at < reader.pattern.length) throw refuse(reader, "an unexpected character");
  return part;
}

const refuse = ({ pattern, at }: Reader, what: string) =>
  new InvalidRequestError(`a grammar can't hold ${what} of the pattern`, { pattern, at });

/** One character that is written like this. */
const one = (gbnf: string): Part => ({ gbnf, least: 1, most: 1, open: 0 });

function alternatives(reader: Reader): Part {
  const parts = [sequence(reader)];
  while (reader.pattern[reader.at] === "|") {
    reader.at++;
    parts.push(sequence(reader));
  }
  if (parts.length === 1) return parts[0]!;
  return {
    gbnf: `(${parts.map(({ gbnf }) => gbnf).join(" | ")})`,
    least: Math.min(...parts.map(({ least }) => least)),
    most: Math.max(...parts.map(({ most }) => most)),
    open: parts.reduce((sum, { open }) => sum + open, 0),
  };
}

function sequence(reader: Reader): Part {
  const parts: Part[] = [];
  while (reader.at < reader.pattern.length && !"|)".includes(reader.pattern[reader.at]!))
    parts.push(quantified(reader));
  const sum = (of: (part: Part) => number) => parts.reduce((total, part) => total + of(part), 0);
  return {
    gbnf: parts.length === 0 ? '""' : parts.map(({ gbnf }) => gbnf).join(" "),
    least: sum(({ least }) => least),
    most: sum(({ most }) => most),
    open: sum(({ open }) => open),
  };
}

function quantified(reader: Reader): Part {
  const part = atom(reader);
  const quantifier = /^(?:[*+?]|\{(\d+)(,(\d*))?\})/.exec(reader.pattern.slice(reader.at));
  if (!quantifier) return part;
  reader.at += quantifier[0].length;
  if (/^[?+]/.test(reader.pattern.slice(reader.at))) throw refuse(reader, "a lazy or possessive quantifier");
  const [text, low, comma, high] = quantifier;
  const open = text === "*" || text === "+" || (comma !== undefined && high === "");
  const { least, most } = reader.repeats;
  const said = text === "*" || text === "?" ? 0 : text === "+" ? 1 : Number(low);
  const from = open ? Math.max(said, least) : said;
  const to = open ? Math.max(from, most) : text === "?" ? 1 : Number(high ?? low);
  if (to > MOST_UNROLLED) throw refuse(reader, `a repetition of more than ${MOST_UNROLLED}`);
  return {
    gbnf: text === "?" ? `${part.gbnf}?` : `${part.gbnf}{${from},${to}}`,
    least: part.least * from,
    most: part.most * to,
    open: part.open * to + (open ? 1 : 0),
  };
}

function atom(reader: Reader): Part {
  const { pattern } = reader;
  const character = pattern[reader.at]!;
  if (character === "(") return group(reader);
  if (character === "[") return characterClass(reader);
  if ("*+?{}^$".includes(character)) throw refuse(reader, `"${character}"`);
  reader.at++;
  if (character === ".") return one(PLAIN_CHARACTER);
  if (character === "\\") return one(escaped(reader));
  const code = character.codePointAt(0)!;
  // A pair of surrogates is one character, of which schemas count two.
  if (code >= 0xd800 && code <= 0xdbff)
    return { ...one(literal(character + pattern[reader.at++]!)), least: 2, most: 2 };
  return one(literal(character));
}

function group(reader: Reader): Part {
  reader.at++;
  const opening = /^\?(:|<[A-Za-z]\w*>)/.exec(reader.pattern.slice(reader.at));
  if (opening) reader.at += opening[0].length;
  else if (reader.pattern[reader.at] === "?") throw refuse(reader, "a lookaround");
  const inside = alternatives(reader);
  if (reader.pattern[reader.at] !== ")") throw refuse(reader, "an open group");
  reader.at++;
  return { ...inside, gbnf: `(${inside.gbnf})` };
}

/** After a backslash outside of a class. */
function escaped(reader: Reader): string {
  const character = reader.pattern[reader.at++];
  if (character === undefined) throw refuse(reader, "a backslash at the end");
  const known = namedClass(character);
  if (known !== undefined) return known;
  if (/[A-Za-z0-9]/.test(character)) throw refuse(reader, `"\\${character}"`);
  return literal(character);
}

function characterClass(reader: Reader): Part {
  const end = closingBracket(reader);
  const inside = reader.pattern.slice(reader.at + 1, end);
  reader.at = end + 1;
  return one(classGrammar(inside));
}

function closingBracket(reader: Reader): number {
  for (let at = reader.at + 1; at < reader.pattern.length; at++) {
    if (reader.pattern[at] === "\\") at++;
    else if (reader.pattern[at] === "]") return at;
  }
  throw refuse(reader, "an open class");
}

/** Characters as they stand in a JSON string, as a GBNF literal. */
export function literal(text: string): string {
  const inJson = JSON.stringify(text).slice(1, -1);
  return `"${inJson.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}
