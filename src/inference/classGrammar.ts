import { InvalidRequestError } from "./errors.ts";

/** What may stand in a JSON string without any escaping: no control characters, no quote, no backslash. */
export const PLAIN_CHARACTER = String.raw`[^"\\\x00-\x1F]`;

/** Code points from the first to the second, both inclusive. */
type Span = readonly [number, number];

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LINE_BREAK = 0x0a;
const CONTROLS: Span = [0x00, 0x1f];
/** Code points that JSON text can't hold as they are. */
const UNPLAIN: readonly Span[] = [CONTROLS, [QUOTE, QUOTE], [BACKSLASH, BACKSLASH]];

const digits: Span = [0x30, 0x39];
const named: Readonly<Record<string, readonly Span[]>> = {
  d: [digits],
  w: [[0x41, 0x5a], [0x61, 0x7a], digits, [0x5f, 0x5f]],
  s: [[0x20, 0x20]],
};

/** `\d`, `\w` or `\s` as a class; undefined for any other letter. */
export function namedClass(letter: string): string | undefined {
  const spans = Object.hasOwn(named, letter) ? named[letter] : undefined;
  return spans && `[${spans.map(written).join("")}]`;
}

/**
 * The inside of a class of a regular expression as GBNF for the inside of a JSON string: what JSON has to escape is written escaped.
 * Of control characters only the line break.
 *
 * @throws InvalidRequestError
 */
export function classGrammar(inside: string): string {
  const negated = inside.startsWith("^");
  const spans = spansOf(negated ? inside.slice(1) : inside);
  if (negated) return `[^${UNPLAIN.map(written).join("")}${spans.map(written).join("")}]`;
  const has = (code: number) => spans.some(([first, last]) => first <= code && code <= last);
  const plain = UNPLAIN.reduce<readonly Span[]>(
    (left, hole) => left.flatMap((span) => without(span, hole)),
    spans,
  );
  const escapes = [
    ...(has(QUOTE) ? ['"'] : []),
    ...(has(BACKSLASH) ? ["\\\\"] : []),
    ...(has(LINE_BREAK) ? ["n"] : []),
  ];
  const ways = [
    ...(plain.length > 0 ? [`[${plain.map(written).join("")}]`] : []),
    ...(escapes.length > 0 ? [String.raw`"\\" [${escapes.join("")}]`] : []),
  ];
  if (ways.length === 0) throw refuse("an empty class", inside);
  return ways.length === 1 && escapes.length === 0 ? ways[0]! : `(${ways.join(" | ")})`;
}

const refuse = (what: string, inside: string) =>
  new InvalidRequestError(`a grammar can't hold ${what} of the pattern`, { class: `[${inside}]` });

function without([first, last]: Span, [from, to]: Span): readonly Span[] {
  if (to < first || last < from) return [[first, last]];
  return [
    ...(first < from ? [[first, from - 1] as const] : []),
    ...(to < last ? [[to + 1, last] as const] : []),
  ];
}

function written([first, last]: Span): string {
  return first === last ? character(first) : `${character(first)}-${character(last)}`;
}

/** In GBNF's writing, which gives a meaning to `]`, `[`, `^`, `-` and `\`: ASCII but letters and digits is escaped. */
function character(code: number): string {
  const text = String.fromCodePoint(code);
  if (code > 0x7f || /\w/.test(text)) return text;
  return `\\x${code.toString(16).toUpperCase().padStart(2, "0")}`;
}

/** One member: a code point, or a named class, which no range begins or ends with. */
function spansOf(text: string): readonly Span[] {
  const members = [...membersOf(text)];
  const spans: Span[] = [];
  for (let at = 0; at < members.length; at++) {
    const [one, dash, other] = members.slice(at, at + 3);
    if (typeof one === "number" && dash === "-" && typeof other === "number") {
      if (other < one) throw refuse("a range that runs backwards", text);
      spans.push([one, other]);
      at += 2;
    } else if (one === "-") spans.push([0x2d, 0x2d]);
    else if (typeof one === "number") spans.push([one, one]);
    else if (one !== undefined) spans.push(...one);
  }
  return spans;
}

/** Code points, named classes, and dashes that may make a range of their neighbours. */
function* membersOf(text: string): Generator<number | "-" | readonly Span[]> {
  for (let at = 0; at < text.length;) {
    const code = text.codePointAt(at)!;
    at += code > 0xffff ? 2 : 1;
    if (code === 0x2d) yield "-";
    else if (code !== BACKSLASH) yield code;
    else {
      const hex = /^(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4}))/.exec(text.slice(at));
      const letter = text[at] ?? "";
      at += hex ? hex[0].length : 1;
      if (hex) yield parseInt(hex[1] ?? hex[2]!, 16);
      else if (Object.hasOwn(named, letter)) yield named[letter]!;
      else if (letter === "" || /[A-Za-z0-9]/.test(letter)) throw refuse(`"\\${letter}" in a class`, text);
      else yield letter.codePointAt(0)!;
    }
  }
}
