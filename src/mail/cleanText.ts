export type CleanText = {
  readonly text: string;
  /** Invisible or control characters taken out. */
  readonly removed: number;
  /** Characters that were not valid in the declared character set (U+FFFD). */
  readonly undecodable: number;
};

// Everything a reader can't see but a model reads or a parser trips over: C0/C1 controls (tab and line feed stay),
// soft hyphen, zero-width and joiner characters, bidi controls (UAX #9, "Trojan Source"), fillers, tag characters.
// Variation selectors are taken out too, without being counted: every emoji brings one.
const invisible =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]/gu;
const variationSelector = /[\ufe00-\ufe0f]/gu;
const wideSpace = /[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\t]/gu;

/** Text as a person sees it: NFC, LF, no invisible characters, no trailing blanks, at most one empty line in a row. */
export function cleanText(input: string): CleanText {
  const broken = input.replace(/\r\n?|[\u2028\u2029\u0085]/g, "\n").replace(/\f|\v/g, "\n");
  const removed = broken.match(invisible)?.length ?? 0;
  const undecodable = broken.match(/\ufffd/g)?.length ?? 0;
  const text = broken
    .replace(invisible, "")
    .replace(variationSelector, "")
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
