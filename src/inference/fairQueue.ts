/** Who asks. Each caller has a line of its own, and the lines take turns. */
export type Caller = symbol;

export type FairQueue<T> = {
  /** How many wait, of all callers. */
  readonly size: number;
  /** False when this caller has as many waiting as it may; nothing was taken then. */
  add(caller: Caller, item: T): boolean;
  /** Of the caller who has waited longest for a turn, what it asked for first; undefined when nobody waits. */
  next(): T | undefined;
  /** Takes it out of its line, wherever it stands. */
  remove(caller: Caller, item: T): void;
};

/** Lines that take turns: a caller with a hundred requests delays another's single one by one request, not by a hundred. */
export function fairQueue<T>(mostOfOneCaller: number): FairQueue<T> {
  // A map keeps the order of insertion: a caller that was served is put behind the others.
  const lines = new Map<Caller, T[]>();
  return {
    get size() {
      return [...lines.values()].reduce((sum, line) => sum + line.length, 0);
    },
    add(caller, item) {
      const line = lines.get(caller);
      if (line === undefined) lines.set(caller, [item]);
      else if (line.length >= mostOfOneCaller) return false;
      else line.push(item);
      return true;
    },
    next() {
      const [first] = lines;
      if (first === undefined) return undefined;
      const [caller, line] = first;
      const item = line.shift();
      lines.delete(caller);
      if (line.length > 0) lines.set(caller, line);
      return item;
    },
    remove(caller, item) {
      const line = lines.get(caller);
      const at = line?.indexOf(item) ?? -1;
      if (line === undefined || at < 0) return;
      line.splice(at, 1);
      if (line.length === 0) lines.delete(caller);
    },
  };
}
