/** `widens`: the agent, or somebody with its key, can do more than before. `narrows`: less. */
export type Effect = "widens" | "narrows" | "neutral";

/** One clause that two policies say differently. What widens and narrows at once is two changes. */
export type Change = { readonly clause: string; readonly effect: Effect; readonly words: string };

/** A clause that only one of two policies has, or that both have; `show` says it for people. */
export type Compared<T> = { readonly before: T | undefined; readonly after: T | undefined };

/** How two numbers of one clause compare. A missing number means that nothing limits. */
export function changedNumber(
  clause: string,
  what: string,
  { before, after }: Compared<bigint>,
  show: (value: bigint) => string,
  /** What a higher number means. */
  higher: "widens" | "narrows" = "widens",
): readonly Change[] {
  if (before === after) return [];
  const lower = higher === "widens" ? "narrows" : "widens";
  const say = (value: bigint | undefined) => (value === undefined ? "no limit" : show(value));
  const rises = after === undefined || (before !== undefined && after > before);
  // No limit is more than any number where a number limits, whichever way it does.
  const effect = before === undefined ? "narrows" : after === undefined ? "widens" : rises ? higher : lower;
  return [{ clause, effect, words: `${what}: ${say(before)} becomes ${say(after)}.` }];
}

/** Entries of two lists by key: those that came, those that went, and those in both. */
export function matched<T>(
  before: readonly T[],
  after: readonly T[],
  keyOf: (entry: T) => string,
): readonly (Compared<T> & { readonly key: string })[] {
  const old = new Map(before.map((entry) => [keyOf(entry), entry]));
  const recent = new Map(after.map((entry) => [keyOf(entry), entry]));
  return [...new Set([...old.keys(), ...recent.keys()])].map((key) => ({
    key,
    before: old.get(key),
    after: recent.get(key),
  }));
}
