import { ownWords } from "./ownWords.ts";

/**
 * - `whole`: subject and text, nothing left out but blanks and line ends
 * - `stripped`: without quoted history, signature, footers, greeting
 * - `payment-sentences`: stripped, and only the sentences that speak of money, and what else fits
 * - `payment-words`: no sentence fits; whole words around the first amount
 */
export type ExcerptRule = "whole" | "stripped" | "payment-sentences" | "payment-words";

export type Excerpt = {
  readonly text: string;
  readonly rule: ExcerptRule;
  /** Words of the writer are missing. */
  readonly cut: boolean;
};

/** Text is read this far, in characters; a bill that starts later is none. Keeps hostile mail cheap. */
const maxRead = 32 * 1024;
const amount = /[$€£]\s?\d|\b(?:USDC?|DAI|ETH|EUR)\s?\d|\d\s?(?:USDC?|DAI|ETH|EUR|dollars|bucks)\b/i;
const due =
  /\b(?:due|payable|pay|paid|payment|invoice|invoiced|bill|billed|total|balance|owed?|outstanding|remit|settle|overdue|receipt|refund|fee|charge|amount)\b/i;
const reference =
  /(?:\b(?:ref|reference|order|invoice|inv|po|no|number|quote|job|policy)\b\.?:?\s*)?(?:[A-Z]{2,12}[-/ ]?\d|#\s?\d)/;

/** What a model with little context reads of a mail: the rule of docs/mail.md, a pure function of its arguments. */
export function excerptMail(
  mail: { readonly subject: string; readonly text: string },
  maxCharacters: number,
): Excerpt {
  const subject = mail.subject
    .replace(/^(?:\s*(?:re|fwd?|aw|wg|tr|sv|vs|vb)\s*:)+/i, "")
    .replace(/\s+/g, " ")
    .trim();
  const read = mail.text.slice(0, maxRead);
  const { paragraphs, stripped } = ownWords(read, mail.subject);
  const sentences = paragraphs.flatMap(toSentences);
  const full = join([subject, ...sentences]);
  const whole = !stripped && read.length === mail.text.length;
  if (full.length <= maxCharacters && read.length === mail.text.length)
    return Object.freeze({ text: full, rule: whole ? "whole" : "stripped", cut: false });
  return Object.freeze({ ...choose(subject, sentences, maxCharacters), cut: true });
}

function choose(
  subject: string,
  sentences: readonly string[],
  budget: number,
): { text: string; rule: ExcerptRule } {
  // Half of the budget at most: a subject is written by anybody and can be as long as a mail.
  const head = subject.length <= budget / 2 ? subject : words(subject, Math.floor(budget / 2));
  let left = budget - head.length;
  const scores = sentences.map(score);
  const byScore = sentences
    .map((_, at) => at)
    .toSorted((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0) || a - b);
  const chosen = new Set<number>();
  const take = (at: number, share = 1): boolean => {
    const cost = (sentences[at]?.length ?? 0) + 1;
    if (chosen.has(at) || cost > left * share) return chosen.has(at);
    chosen.add(at);
    left -= cost;
    return true;
  };
  // How a mail opens says what kind of mail it is; prices in a newsletter are no bill.
  take(0, 1 / 3);
  for (const at of byScore) if ((scores[at] ?? 0) > 0) take(at);
  // What is left goes to the other sentences from the top on, without gaps.
  sentences.every((_, at) => (scores[at] ?? 0) > 0 || take(at));
  const top = byScore[0];
  if (top !== undefined && !chosen.has(top) && (scores[top] ?? 0) >= 4) {
    const around = words(sentences[top] ?? "", budget - head.length - 1);
    if (around !== "") return { text: join([head, around]), rule: "payment-words" };
  }
  return { text: join([head, ...sentences.filter((_, at) => chosen.has(at))]), rule: "payment-sentences" };
}

/** Ended sentences follow each other on one line; what has no end of its own (subject, row of a table) ends its line. */
function join(sentences: readonly string[]): string {
  return sentences
    .filter((sentence) => sentence !== "")
    .reduce(
      (text, next) =>
        text === "" ? next : `${text}${/[.!?,;:]["')\]]?$/.test(text.slice(-2)) ? " " : "\n"}${next}`,
      "",
    );
}

/** An amount outweighs everything else; ties go to the earlier sentence. */
function score(sentence: string): number {
  return (amount.test(sentence) ? 4 : 0) + (due.test(sentence) ? 2 : 0) + (reference.test(sentence) ? 1 : 0);
}

/** Whole words of one stretch of text, around its first amount, never parting a number from its currency or itself. */
function words(text: string, budget: number): string {
  if (text.length <= budget) return text;
  const pieces = text.split(/(?<![$€£\d.,])\s|\s(?!\d|USDC?\b|DAI\b|ETH\b|EUR\b|dollars\b)(?<=[\d.,]\s)/i);
  const middle = Math.max(
    0,
    pieces.findIndex((piece) => amount.test(piece)),
  );
  let [first, last] = [middle, middle];
  let size = pieces[middle]?.length ?? 0;
  if (size > budget) return "";
  for (let grown = true; grown;) {
    grown = false;
    const after = pieces[last + 1];
    if (after !== undefined && size + after.length + 1 <= budget) {
      size += after.length + 1;
      last++;
      grown = true;
    }
    const before = pieces[first - 1];
    if (before !== undefined && size + before.length + 1 <= budget) {
      size += before.length + 1;
      first--;
      grown = true;
    }
  }
  return pieces.slice(first, last + 1).join(" ");
}

const abbreviation =
  /(?:^|[\s(])(?:mr|mrs|ms|dr|st|no|nos|inv|ref|inc|ltd|llc|co|corp|approx|incl|excl|tel|e\.g|i\.e|vs|etc|a\.m|p\.m|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|[a-z])\.$/i;

/** Sentences of a paragraph. A short line, or one that ends a sentence, ends it; a long one is only wrapped. */
function toSentences(paragraph: readonly string[]): readonly string[] {
  const sentences: string[] = [];
  let open = "";
  const width = Math.max(...paragraph.map((line) => line.length));
  for (const [at, line] of paragraph.entries()) {
    const next = paragraph[at + 1];
    for (const part of line.split(/(?<=[.!?]["')\]]?) (?=["'([]?[\p{Lu}\d$€£])/u)) {
      open = open === "" ? part : `${open} ${part}`;
      if (!/[.!?]["')\]]?$/.test(part) || abbreviation.test(open.slice(-12))) continue;
      sentences.push(open);
      open = "";
    }
    // Wrapped by a mail program: the next word would not have fitted. Anything shorter was ended by the writer.
    const wrapped =
      next !== undefined && width >= 50 && line.length + 1 + (next.split(" ")[0]?.length ?? 0) > width;
    if (open !== "" && !wrapped) {
      sentences.push(open);
      open = "";
    }
  }
  if (open !== "") sentences.push(open);
  return sentences;
}
