export type OwnWords = {
  /** Paragraph by paragraph, each a list of lines. */
  readonly paragraphs: readonly (readonly string[])[];
  /** Something besides blank lines was left out. */
  readonly stripped: boolean;
};

const forwardMark =
  /^\s*(?:-{2,}\s*(?:forwarded message|forwarded by|weitergeleitete nachricht)\b.*|begin forwarded message:)\s*$/i;
const originalMark = /^\s*-{2,}\s*original (?:message|appointment)\s*-{2,}\s*$/i;
const headerLine = /^\s*\*?(?:from|sent|date|to|cc|bcc|subject|reply-to|importance)\s*:\*?(?:\s|$)/i;
const attributionEnd = /\b(?:wrote|writes|schrieb|skrev)\s*:\s*$/i;
const attributionStart = /^\s*(?:on|am|den|le|el|op)\b.*\d/i;
const quote = /^\s*>/;
const signatureMark = /^--\s*$/;
const greeting =
  /^\s*(?:hi|hello|hey|dear|greetings|good (?:morning|afternoon|evening|day)|to whom it may concern)\b(?:[ ,]+(?!and\b|just\b|we\b|i\b|please\b|the\b|this\b|your\b)[\p{L}.'’&/-]+){0,5}\s*[,:!.–-]?\s*$/iu;
// "Hi Dana, the bill …": the names are capitalised, what follows the comma is not looked at.
const greetingLead =
  /^(?:[Hh]i|[Hh]ello|[Hh]ey|[Dd]ear|[Gg]ood (?:morning|afternoon|evening))(?: \p{Lu}[\p{L}.'’-]*){0,3},\s+/u;
const footer = new RegExp(
  [
    "unsubscribe|opt[ -]out|manage (?:your |email )?preferences|update your preferences|view (?:this|it)?.{0,20}in (?:your |a )?browser",
    "you(?:'re| are) receiving this|you received this|this (?:e-?mail|message)(?:,| and any| is| was| may| contains).{0,60}(?:confidential|intended|automat|sent to|privileged)",
    "confidential(?:ity)? (?:notice|and)|intended (?:solely |only )?for the (?:use of |person|addressee|recipient|named|individual)",
    "if you (?:have received this|are not the (?:intended|named))|consider the environment|do not reply to this|please do not reply",
    "all rights reserved|©|privacy (?:policy|notice)|terms of service|sent from my |get outlook for|scanned (?:by|for) ",
    "registered (?:in|office|company|address)|company (?:no|number|reg)|registration (?:no|number)|\\bvat (?:no|number|reg|id)\\b",
  ].join("|"),
  "i",
);
const money = /[$€£]\s?\d|\d\s?(?:USDC?|DAI|ETH|EUR|dollars)\b|\b(?:USDC?|DAI|ETH)\s?\d/i;

/**
 * What the writer of this mail says: without quoted history, signature (RFC 3676 §4.3), legal footer and greeting.
 * Of a forwarded mail the forwarded message is what it says, together with the note above it.
 */
export function ownWords(text: string, subject: string): OwnWords {
  const lines = text.split("\n");
  const forwarded = findForward(lines, /^\s*(?:fwd?|wg|tr|vs|vb)\s*:/i.test(subject));
  const own =
    forwarded === undefined
      ? withoutHistory(lines)
      : [
          ...withoutHistory(lines.slice(0, forwarded)),
          "",
          ...withoutHistory(opened(lines.slice(forwarded + 1))),
        ];
  // Nothing but quotes: then the quotes are what was sent.
  const kept = own.some((line) => line.trim() !== "")
    ? own
    : lines.map((line) => line.replace(/^[>\s]+/, ""));
  const paragraphs = withoutFooters(withoutGreeting(toParagraphs(kept)));
  const count = (all: readonly string[]): number =>
    all
      .filter((line) => line.trim() !== "")
      .join("")
      .replace(/\s/g, "").length;
  return { paragraphs, stripped: count(paragraphs.flat()) !== count(lines) };
}

/** The line that opens the forwarded message. A plain "Original Message" is a forward only under such a subject. */
function findForward(lines: readonly string[], subjectSaysSo: boolean): number | undefined {
  const marked = lines.findIndex((line) => forwardMark.test(line.replace(/^[>\s]+/, "")));
  if (marked >= 0) return marked;
  if (!subjectSaysSo) return undefined;
  const original = lines.findIndex((line, at) => originalMark.test(line) || isHeaderBlock(lines, at));
  return original < 0 ? undefined : originalMark.test(lines[original] ?? "") ? original : original - 1;
}

/** The forwarded message without its own header lines and with one level of quote marks taken off. */
function opened(lines: readonly string[]): readonly string[] {
  const marked = lines.filter((line) => line.trim() !== "");
  const quoted = marked.length > 0 && marked.every((line) => quote.test(line));
  const plain = quoted ? lines.map((line) => line.replace(/^\s*>\s?/, "")) : lines;
  const first = plain.findIndex((line) => line.trim() !== "");
  let at = Math.max(0, first);
  while (at < plain.length && headerLine.test(plain[at] ?? "")) {
    at++;
    // A long list of recipients goes on in the next line, indented.
    while (/^\s+\S/.test(plain[at] ?? "") && !headerLine.test(plain[at] ?? "")) at++;
  }
  const rest = plain.slice(at);
  const deeper = findForward(rest, false);
  return deeper === undefined ? rest : [...rest.slice(0, deeper), ...opened(rest.slice(deeper + 1))];
}

/** Three or more mail header lines in a row, as Outlook sets above what it quotes. */
function isHeaderBlock(lines: readonly string[], at: number): boolean {
  return (
    /^\s*\*?from\s*:/i.test(lines[at] ?? "") &&
    [1, 2].every((next) => headerLine.test(lines[at + next] ?? ""))
  );
}

function withoutHistory(lines: readonly string[]): readonly string[] {
  const kept: string[] = [];
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? "";
    if (signatureMark.test(line) || originalMark.test(line) || isHeaderBlock(lines, at)) break;
    if (/^\s*_{10,}\s*$/.test(line) && isHeaderBlock(lines, at + 1)) break;
    if (quote.test(line)) continue;
    const length = attributionLength(lines, at);
    if (length === 0) kept.push(line);
    else if (lines.slice(at + length).some((later) => quote.test(later))) at += length - 1;
    else break;
  }
  return kept;
}

/** Lines taken by "On <date>, <somebody> wrote:", which mail programs wrap onto two or three. */
function attributionLength(lines: readonly string[], at: number): number {
  if (!attributionStart.test((lines[at] ?? "").slice(0, 300))) return 0;
  for (let length = 1; length <= 3; length++) {
    const line = lines[at + length - 1] ?? "";
    if (line.trim() === "") return 0;
    if (attributionEnd.test(line.slice(-60))) return length;
  }
  return 0;
}

function toParagraphs(lines: readonly string[]): readonly (readonly string[])[] {
  const paragraphs: string[][] = [[]];
  for (const line of lines) {
    const text = line.replace(/\s+/g, " ").trim();
    // Rules of dashes, equals signs, underscores or stars carry no words.
    if (text === "" || /^[-=_*~•·|+\s]+$/.test(text)) paragraphs.push([]);
    else paragraphs.at(-1)?.push(text);
  }
  return paragraphs.filter((paragraph) => paragraph.length > 0);
}

function withoutGreeting(paragraphs: readonly (readonly string[])[]): readonly (readonly string[])[] {
  return paragraphs.flatMap((paragraph, at) => {
    const [first = "", ...rest] = paragraph;
    if (first.length <= 80 && greeting.test(first)) return rest.length > 0 ? [rest] : [];
    if (at > 1) return [paragraph];
    return [[first.replace(greetingLead, ""), ...rest].filter((line) => line !== "")];
  });
}

function withoutFooters(paragraphs: readonly (readonly string[])[]): readonly (readonly string[])[] {
  return paragraphs.flatMap((paragraph) => {
    // A footer that names money is read after all: better a useless sentence than a lost amount.
    if (footer.test((paragraph[0] ?? "").slice(0, 500)) && !paragraph.some((line) => money.test(line)))
      return [];
    const kept = paragraph.filter((line) => !footer.test(line.slice(0, 500)) || money.test(line));
    return kept.length > 0 ? [kept] : [];
  });
}
