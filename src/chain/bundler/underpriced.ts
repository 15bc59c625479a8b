/** How nodes and bundlers say that fees do not do: for the pool, for a replacement, or for the base fee. */
const underpricedAnswer = /underpriced|fee ?too ?low|(less|lower) than (the )?(block )?base ?fee/i;

export const isUnderpriced = (error: unknown): boolean => underpricedAnswer.test(wordsOf(error));

/** Everything an error says, its causes included: nodes' own words lie at the bottom. */
export function wordsOf(error: unknown): string {
  const words: string[] = [];
  for (let cause = error, depth = 0; cause instanceof Error && depth < 16; cause = cause.cause, depth++)
    words.push(cause.message);
  return words.join("\n");
}
