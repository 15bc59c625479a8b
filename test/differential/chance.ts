/** Chance that can be repeated: the same seed gives the same numbers everywhere (mulberry32). */
export type Chance = {
  /** A whole number from 0 to `below` - 1. */
  below(below: number): number;
  between(least: bigint, most: bigint): bigint;
  pick<T>(items: readonly T[]): T;
  /** True once in `n` times. */
  oneIn(n: number): boolean;
};

export function chanceOf(seed: number): Chance {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  const below = (limit: number): number => next() % limit;
  return {
    below,
    between(least, most) {
      let drawn = 0n;
      for (let bits = 0; bits < 128; bits += 32) drawn = (drawn << 32n) | BigInt(next());
      return least + (drawn % (most - least + 1n));
    },
    pick: (items) => items[below(items.length)]!,
    oneIn: (n) => below(n) === 0,
  };
}
