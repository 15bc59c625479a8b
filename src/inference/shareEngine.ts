import { resolve } from "node:path";
import { canonicalize } from "../core/canonical.ts";
import type { LocalEngine } from "../core/inference.ts";
import { InferenceAbortedError } from "./errors.ts";
import type { EngineProgress } from "./startWorker.ts";
import { openWorker, type OpenedWorker, type OpenEngineOptions } from "./openEngine.ts";

/** A worker that several users of this process have in common. */
type Shared = {
  readonly opening: Promise<OpenedWorker>;
  /** Ends the opening when nobody waits for it any more. */
  readonly stop: AbortController;
  readonly listeners: Set<(event: EngineProgress) => void>;
  users: number;
  /** Set once the last user has left. */
  closed: Promise<void> | null;
};

const workers = new Map<string, Shared>();

/**
 * Like `openEngine`, but whoever asks for the same file with the same options in this process gets the same worker: one copy of
 * the weights, one queue in which the users take turns. It ends when its last user has closed its engine.
 *
 * @throws as `openEngine`
 */
export async function shareEngine(options: OpenEngineOptions): Promise<LocalEngine> {
  const { onProgress, signal, ...asked } = options;
  const key = canonicalize({
    ...asked,
    modelPath: resolve(asked.modelPath),
    sha256: asked.sha256.toLowerCase(),
    deadlines: { ...asked.deadlines },
  });
  const before = workers.get(key);
  // One that is being closed holds memory which the next one needs.
  if (before?.closed) await before.closed;
  const shared = workers.get(key) ?? begin(key, asked);
  shared.users++;
  if (onProgress) shared.listeners.add(onProgress);
  let left = false;
  const leave = async (): Promise<void> => {
    if (left) return await (shared.closed ?? Promise.resolve());
    left = true;
    if (onProgress) shared.listeners.delete(onProgress);
    if (--shared.users > 0) return;
    shared.closed = end(key, shared);
    await shared.closed;
  };
  try {
    const opened = await orAbort(shared.opening, signal);
    return opened.engineFor(Symbol("a user of a shared engine"), leave);
  } catch (error) {
    await leave();
    throw error;
  }
}

function begin(key: string, asked: OpenEngineOptions): Shared {
  const stop = new AbortController();
  const listeners: Shared["listeners"] = new Set();
  const opening = openWorker({
    ...asked,
    signal: stop.signal,
    onProgress: (event) => listeners.forEach((listen) => listen(event)),
  });
  opening.catch(() => {});
  const shared: Shared = { opening, stop, listeners, users: 0, closed: null };
  workers.set(key, shared);
  return shared;
}

async function end(key: string, { opening, stop }: Shared): Promise<void> {
  stop.abort();
  await opening.then(
    (opened) => opened.close(),
    () => {},
  );
  workers.delete(key);
}

async function orAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(new InferenceAbortedError("start", signal.reason));
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
