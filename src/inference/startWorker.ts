import type { Phase } from "./errors.ts";
import { EngineClosedError, InferenceCrashedError, InferenceTimeoutError } from "./errors.ts";
import { aborted, toError } from "./failures.ts";
import type { OpenRequest, ReadyMessage } from "./messages.ts";
import type { Worker } from "./spawnWorker.ts";
import { spawnWorker } from "./spawnWorker.ts";

export type EngineProgress =
  | { readonly phase: "hashing" | "loading"; /** 0 to 1. */ readonly fraction: number }
  | { readonly phase: "ready" };

export type StartOptions = {
  /** The program of the child process. */
  readonly workerPath: string;
  readonly open: OpenRequest;
  readonly loadMs: number;
  readonly onProgress?: ((event: EngineProgress) => void) | undefined;
  /** The engine is being closed. */
  readonly closing: AbortSignal;
  readonly signal: AbortSignal | undefined;
};

/** `counts`: a death or a hang, not something that the caller or the file brought about. */
export type StartFailure = { readonly error: Error; readonly counts: boolean };

/** Starts a worker and waits until the model is loaded. After a failure no process is left. */
export async function startWorker(
  options: StartOptions,
): Promise<{ readonly worker: Worker; readonly ready: ReadyMessage } | StartFailure> {
  const { closing, loadMs, onProgress, open, signal } = options;
  const worker = spawnWorker(options.workerPath);
  const { promise, resolve } = Promise.withResolvers<ReadyMessage | StartFailure>();
  let phase: Phase = "start";
  // A load cannot be cancelled from inside, and a half-loaded worker is of no use.
  const onAbort = () => resolve({ error: aborted(phase, signal), counts: false });
  const onClose = () => resolve({ error: new EngineClosedError(), counts: false });
  const deadline = setTimeout(
    () => resolve({ error: new InferenceTimeoutError(phase, loadMs), counts: true }),
    loadMs,
  );
  worker.listen((event) => {
    if (event.kind === "died")
      return resolve({ error: new InferenceCrashedError(phase, event.how, event.lastOutput), counts: true });
    const { message } = event;
    if (message.type === "booted") worker.send(open);
    if (message.type === "progress") {
      phase = message.phase;
      onProgress?.({ phase, fraction: message.permille / 1000 });
    }
    if (message.type === "failed") resolve({ error: toError(message, open.modelPath), counts: false });
    if (message.type === "ready") resolve(message);
  });
  signal?.addEventListener("abort", onAbort, { once: true });
  closing.addEventListener("abort", onClose, { once: true });
  if (closing.aborted) onClose();
  else if (signal?.aborted) onAbort();
  worker.hold(true);
  const outcome = await promise;
  clearTimeout(deadline);
  signal?.removeEventListener("abort", onAbort);
  closing.removeEventListener("abort", onClose);
  worker.listen(null);
  worker.hold(false);
  if ("error" in outcome) {
    await worker.kill();
    return outcome;
  }
  onProgress?.({ phase: "ready" });
  return { worker, ready: outcome };
}
