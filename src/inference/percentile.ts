/** The smallest value that at least `percent` of all are not above (nearest rank). @throws RangeError of an empty list */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)];
  if (value === undefined) throw new RangeError("no values");
  return value;
}
