/** Repeats behind every figure (research conditions: median of 5 after the first use). */
export const repeats = 5;

/** Does something once to warm it up, then five times more; the median of those. */
export async function medianOf(once: (turn: number) => Promise<number>): Promise<number> {
  await once(0);
  const gas: number[] = [];
  for (let turn = 1; turn <= repeats; turn++) gas.push(await once(turn));
  return gas.toSorted((a, b) => a - b)[(repeats - 1) / 2]!;
}
