/** Most candidates that are offered of a kind: a page of numbers is no bill. */
const most = 32;
/** Characters of a reference, as in an Action. */
const longestReference = 32;

/** Numbers of a text as amounts, in order, without thousands separators: `1,204.50` → `1204.50`. Each once. */
export function amountsIn(text: string): readonly string[] {
  const found = new Set<string>();
  for (const [run] of text.matchAll(/\d[\d,.'\u00a0\u202f ]*\d|\d/g)) {
    for (const part of [run, ...run.split(/[\s\u00a0\u202f]+/)]) {
      // What ends a sentence or a list is no part of the number before it: "42.50, 30 days net".
      const match = /^(\d{1,3}(?:[,'\u00a0\u202f ]\d{3})+|\d+)(?:\.(\d+))?$/.exec(
        part.replace(/[.,']+$/, ""),
      );
      if (match) found.add(`${match[1]!.replace(/\D/g, "")}${match[2] === undefined ? "" : `.${match[2]}`}`);
    }
  }
  return [...found];
}

/**
 * What could be a bill's reference in a text, in order, exactly as it stands there: words with a digit in them, a `#`
 * before them, and short capital prefixes that belong to them (`PO 7719`). Each once.
 */
export function referencesIn(text: string): readonly string[] {
  const found = new Set<string>();
  for (const match of text.matchAll(/(?:\b([A-Z]{2,5}) )?(#?[A-Za-z0-9][A-Za-z0-9\-/._]*)/g)) {
    const word = match[2]!.replace(/[._/-]+$/, "");
    if (!/\d/.test(word) || word.length > longestReference) continue;
    found.add(word);
    const prefixed = `${match[1] ?? ""} ${word}`;
    if (match[1] !== undefined && prefixed.length <= longestReference) found.add(prefixed);
    if (found.size >= most * 2) break;
  }
  return [...found].slice(0, most);
}

/** Amounts offered to a model: the first ones, none longer than an Action's field. */
export function candidateAmounts(text: string): readonly string[] {
  return amountsIn(text)
    .filter((amount) => /^\d{1,12}(\.\d{1,18})?$/.test(amount))
    .slice(0, most);
}
