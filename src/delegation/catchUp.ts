/** Whether what the relay kept for us is heard, on the connection that there is. */
export type CatchUp = {
  /** The process of the link says that it has come. */
  reached(): void;
  /** The connection is gone: whatever comes from now on lies at the relay. */
  lost(): void;
  /** An answer is being written down: what has come is heard when that is done. */
  writing(work: Promise<unknown>): void;
  /** @returns whether it is heard within `mostMs` */
  wait(mostMs: number): Promise<boolean>;
  /** Nobody waits any longer. */
  close(): void;
};

export function openCatchUp(): CatchUp {
  let heard = false;
  let connection = 0;
  const waiting = new Set<() => void>();
  const open = new Set<Promise<unknown>>();
  return {
    reached() {
      const reachedOn = connection;
      void Promise.allSettled(open).then(() => {
        if (reachedOn !== connection) return;
        heard = true;
        for (const resolve of waiting) resolve();
      });
    },
    lost() {
      heard = false;
      connection++;
    },
    writing(work) {
      const done: Promise<unknown> = work.catch(() => undefined).finally(() => open.delete(done));
      open.add(done);
    },
    async wait(mostMs) {
      if (heard) return true;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, mostMs);
      waiting.add(resolve);
      await promise;
      clearTimeout(timer);
      waiting.delete(resolve);
      return heard;
    },
    close() {
      for (const resolve of waiting) resolve();
    },
  };
}
