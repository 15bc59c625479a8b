/** `first`: money is under way. `last`: nobody waits for it. */
export type Urgency = "first" | "usual" | "last";

/** So many at once; the rest wait in line, the more urgent before the others, and among equals whoever asked first. */
export type Turns = { take<T>(urgency: Urgency, work: () => Promise<T>): Promise<T> };

const order: readonly Urgency[] = ["first", "usual", "last"];

/**
 * A bound on what happens at once. Whoever has had a turn and wants another goes to the end of its line, so many agents get as far as
 * each other, however much each of them has to do.
 */
export function openTurns(most: number): Turns {
  let free = most;
  const lines: Readonly<Record<Urgency, (() => void)[]>> = { first: [], usual: [], last: [] };
  const leave = (): void => {
    for (const urgency of order) {
      const next = lines[urgency].shift();
      if (next) return next();
    }
    free++;
  };
  return {
    async take(urgency, work) {
      if (free > 0) free--;
      else await new Promise<void>((resolve) => lines[urgency].push(resolve));
      try {
        return await work();
      } finally {
        leave();
      }
    },
  };
}
