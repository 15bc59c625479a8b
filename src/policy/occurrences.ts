/** Most candidates that are offered of a kind: a page of numbers is no bill. */
const most = 32;
/** Characters of a reference, as in an Action. */
const longestReference = 32;

// A plain blank parts two numbers: "2 235.00" is a quantity and a price.
// Bounded, and only where a run of digits begins: a mail of digits costs no more than any other.
const number = String.raw`(?<!\d)\d(?:[\d,.'\u00a0\u202f]{0,38}\d)?(?!\d)`;
/** Marks of the currencies that agents pay in: a dollar is a dollar stablecoin (models/clerk/MODEL_CARD.md). */
const ours = String.raw`\$|\b(?:USDC?|DAI|ETH)\b`;
const oursBehind = String.raw`(?:USDC?|DAI|ETH|dollars?|bucks)\b`;
/** A number beside the mark of such a currency, before it or behind. */
const markedForms = [
  new RegExp(`(?:${ours})\\s?(${number})`, "gi"),
  new RegExp(`(${number})\\s?${oursBehind}`, "gi"),
];
const foreign = /[€£¥₹]|\b(?:EUR|GBP|CHF|SEK|NOK|DKK|JPY|INR|euros?|pounds?|francs?|kr)\b/i;

/** Numbers of a text as amounts, in order, without thousands separators: `1,204.50` → `1204.50`. Each once. */
export function amountsIn(text: string): readonly string[] {
  return unique([...text.matchAll(new RegExp(number, "g"))].flatMap(([run]) => amountsOf(run)));
}

function amountsOf(run: string): readonly string[] {
  return [run, ...run.split(/[\s\u00a0\u202f]+/)].flatMap((part) => {
    // What ends a sentence or a list is no part of the number before it: "42.50, 30 days net".
    const match = /^(\d{1,3}(?:[,'\u00a0\u202f]\d{3})+|\d+)(?:\.(\d+))?$/.exec(part.replace(/[.,']+$/, ""));
    return match ? [`${match[1]!.replace(/\D/g, "")}${match[2] === undefined ? "" : `.${match[2]}`}`] : [];
  });
}

/**
 * Amounts offered to a model. Those that stand beside a currency the agent pays in, if there are any: "2 chairs" is no
 * amount then. Without any, all numbers, unless the text speaks of foreign money, which nobody here pays in.
 */
export function candidateAmounts(text: string): readonly string[] {
  const marked = markedForms
    .flatMap((form) => [...text.matchAll(form)])
    .flatMap((match) => amountsOf(match[1]!));
  const all = amountsIn(text);
  // Of a run such as "2026 1,204.50" beside its mark only what the mark touches: the list keeps the order of the text.
  const offered =
    marked.length > 0 ? all.filter((amount) => marked.includes(amount)) : foreign.test(text) ? [] : all;
  return offered.filter((amount) => /^\d{1,12}(\.\d{1,18})?$/.test(amount)).slice(0, most);
}

const unique = (list: readonly string[]): readonly string[] => [...new Set(list)];

const currency = /^(?:USDC?|DAI|ETH|EUR|GBP|CHF|SEK|NOK|DKK|JPY|INR)$/;

/** Numbers with another meaning: a year, a date, a day of the month, an amount, a small count. */
const noReference =
  /^(?:(?:19|20)\d\d|\d{4}-\d\d-\d\d|\d{1,2}[./-]\d{1,2}(?:[./-]\d{2,4})?|\d{1,2}(?:st|nd|rd|th)?|\d+\.\d{1,2})$/;

/**
 * What could be a bill's reference in a text, in order, exactly as it stands there: words with a digit in them, a `#`
 * before them, and short capital prefixes that belong to them (`PO 7719`). Each once.
 */
export function referencesIn(text: string, limit = most): readonly string[] {
  const found = new Set<string>();
  for (const match of text.matchAll(/(?:\b([A-Z]{2,5}) )?(#?[A-Za-z0-9][A-Za-z0-9\-/._]*)/g)) {
    const word = withoutTail(match[2]!);
    if (!/\d/.test(word) || word.length > longestReference) continue;
    if (!noReference.test(word)) found.add(word);
    const prefixed = `${match[1] ?? ""} ${word}`;
    if (match[1] !== undefined && !currency.test(match[1]) && prefixed.length <= longestReference)
      found.add(prefixed);
    if (found.size >= limit) break;
  }
  return [...found].slice(0, limit);
}

/** Without the signs that end a sentence. By hand: a regular expression for it is quadratic on a word of signs. */
function withoutTail(word: string): string {
  let end = word.length;
  while ("._/-".includes(word.charAt(end - 1))) end--;
  return word.slice(0, end);
}

/** References offered to a model: what could be one, and is no amount beside its currency. */
export function candidateReferences(text: string): readonly string[] {
  const blank = (marked: string, amount: string) => marked.replace(amount, " ".repeat(amount.length));
  return referencesIn(markedForms.reduce((left, form) => left.replace(form, blank), text));
}

/** Lower case, without diacritics: "Åsa" and "asa" are one word. */
const fold = (text: string) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

/** A text's words, folded. */
const wordsOf = (text: string): readonly string[] =>
  fold(text)
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== "");

type Named = { readonly name: string; readonly names: readonly string[] };

/**
 * Does a text speak of a payee: by the registry's name, its words apart or together (`harbor-coffee`, "Harbor Coffee"),
 * or by another of its names?
 */
export function namesPayee(text: string, payee: Named): boolean {
  const folded = fold(text);
  return [payee.name, ...payee.names].some((name) => {
    const words = wordsOf(name);
    const form = `(?<![\\p{L}\\p{N}])${words.join("[^\\p{L}\\p{N}]*")}(?![\\p{L}\\p{N}])`;
    // A name of signs alone is none: every text would speak of it.
    return words.length > 0 && new RegExp(form, "u").test(folded);
  });
}

/** Letters of a word that tells whom a text means: "of" and "co" mean nobody. */
const telling = 3;

/**
 * Does a text have any telling word of a payee's names, so that it may mean it? "John Smith" may mean `j-smith`. Less than
 * `namesPayee` asks, and no leave to pay: it says of whom a text can't speak.
 */
export function mayMeanPayee(text: string, payee: Named): boolean {
  const there = new Set(wordsOf(text));
  const some = [payee.name, ...payee.names].some((name) =>
    wordsOf(name).some((word) => word.length >= telling && there.has(word)),
  );
  return some || namesPayee(text, payee);
}
