export type CleanText = {
  readonly text: string;
  /** Invisible or control characters taken out, and marks beyond what a letter can have. */
  readonly removed: number;
  /** Characters that were not valid in the declared character set (U+FFFD). */
  readonly undecodable: number;
};

// Everything a reader can't see but a model reads or a parser trips over: controls (tab and line feed stay), soft
// hyphens, zero-width and joiner characters, bidi controls (UAX #9, "Trojan Source"), fillers, tag characters.
const invisible = /(?![\n\t])(?:\p{Cc}|\p{Cf}|\p{Default_Ignorable_Code_Point})/gu;
/** Taken out without being counted: nearly every emoji brings one. */
const variationSelector = /[\ufe00-\ufe0f]/gu;
/** More marks on one letter than the stream-safe format of UAX #15 has: normalising them takes quadratic time. */
const marksBeyond = /(?<=\p{M}{30})\p{M}+/gu;
const wideSpace = /[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\t]/gu;

/** Text as a person sees it: NFC, LF, no invisible characters, no trailing blanks, at most one empty line in a row. */
export function cleanText(input: string): CleanText {
  const broken = input.replace(/\r\n?|[\u2028\u2029\u0085]/g, "\n").replace(/\f|\v/g, "\n");
  const counted = broken.replace(variationSelector, "");
  const visible = counted.replace(invisible, "");
  const bare = visible.replace(marksBeyond, "");
  const removed = (counted.match(invisible)?.length ?? 0) + visible.length - bare.length;
  const undecodable = counted.match(/\ufffd/g)?.length ?? 0;
  const text = bare
    .replace(wideSpace, " ")
    .normalize("NFC")
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n")
    .replace(/\n{3,}/g, "\n\n")
    .replace(/^\n+|\n+$/g, "");
  return { text, removed, undecodable };
}

/** The same for a header value: one line. */
export function cleanLine(input: string): CleanText {
  const clean = cleanText(input);
  return { ...clean, text: clean.text.replace(/\s+/g, " ").trim() };
}
