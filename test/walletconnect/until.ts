/** Asks every 20 ms until there is an answer; fails after `milliseconds`. */
export async function until<T>(
  ask: () => T | undefined | false | null | Promise<T | undefined | false | null>,
  what: string,
  milliseconds = 30_000,
): Promise<T> {
  const end = performance.now() + milliseconds;
  for (;;) {
    const found = await ask();
    if (found !== undefined && found !== false && found !== null) return found;
    if (performance.now() > end) throw new Error(`not within ${milliseconds} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));
