/** The word that may have been meant by one that nobody knows. */
export function nearestWord(known: readonly string[], written: string): string | undefined {
  return known.find((word) => word.toLowerCase() === written.toLowerCase() || distance(word, written) <= 2);
}

/** Levenshtein distance: short words only. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
