import { setTimeout as sleep } from "node:timers/promises";
import { canonicalize } from "../core/canonical.ts";
import type { Phase } from "./errors.ts";
import {
  EngineClosedError,
  GpuUnavailableError,
  InferenceAbortedError,
  InferenceCrashedError,
  InferenceTimeoutError,
  InvalidRequestError,
  ModelFileError,
  ModelHashMismatchError,
  ModelTooLargeError,
  ModelUnusableError,
  PromptTooLongError,
} from "./errors.ts";
import type { Answer, Failure, FromWorker, OpenRequest, ReadyMessage, WorkRequest } from "./messages.ts";
import type { Worker, WorkerEvent } from "./spawnWorker.ts";
import { spawnWorker } from "./spawnWorker.ts";

/** Deaths and hangs in a row after which the engine gives up. */
const MOST_FAILURES = 3;
/** Pause before the worker is started again after the first, second, … failure in a row, in milliseconds. */
const BACK_OFF_MS = [0, 500, 2000] as const;
/** How long a cancelled worker may take to come back before it counts as hung, in milliseconds. */
const GRACE_MS = 1000;
/**
 * Requests after which a worker makes room for a fresh one, between two calls. llama.cpp does not give all memory of a context
 * back (1 to 4 MB each, measured), and its bindings had leaks before; a fresh worker costs about a second of loading.
 */
const MOST_REQUESTS = 2000;

export type EngineProgress =
  | { readonly phase: "hashing" | "loading"; /** 0 to 1. */ readonly fraction: number }
  | { readonly phase: "ready" };

export type SupervisorOptions = {
  /** The program of the child process. */
  readonly workerPath: string;
  readonly open: OpenRequest;
  readonly loadMs: number;
  readonly inferMs: number;
  readonly graceMs?: number;
  /** Requests that one worker serves before it is replaced. */
  readonly mostRequests?: number;
  readonly backOffMs?: readonly number[];
  readonly onProgress?: ((event: EngineProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
};

export type Supervisor = {
  readonly opened: ReadyMessage;
  /** Process id of the worker, or null between two workers. */
  readonly pid: number | null;
  run(request: WorkRequest, signal?: AbortSignal): Promise<Answer>;
  close(): Promise<void>;
};

/** What one exchange with the worker came to. `spoilt`: the worker may not be used again. */
type Outcome<T> = { readonly value: T } | { readonly error: Error; readonly spoilt?: "failure" | "abort" };

/**
 * Keeps one worker alive and gives it one request at a time, first come first served. Every wait has a deadline;
 * a worker that dies or hangs costs its own request and is replaced before the next one.
 */
export async function superviseWorker(options: SupervisorOptions): Promise<Supervisor> {
  const graceMs = options.graceMs ?? GRACE_MS;
  const backOffMs = options.backOffMs ?? BACK_OFF_MS;
  const mostRequests = options.mostRequests ?? MOST_REQUESTS;
  const closing = new AbortController();
  let worker: Worker | null = null;
  let opened: ReadyMessage | null = null;
  let failures = 0;
  let served = 0;
  let unusable: ModelUnusableError | null = null;
  let tail: Promise<void> = Promise.resolve();

  /** Counts a death or hang; the third in a row ends the engine. */
  function failed(error: Error): Error {
    failures++;
    if (failures < MOST_FAILURES) return error;
    unusable = new ModelUnusableError(`its process failed ${failures} times in a row`, error);
    return unusable;
  }

  async function discard(): Promise<void> {
    const old = worker;
    worker = null;
    await old?.kill();
  }

  /** Starts a worker and waits until the model is loaded. */
  async function start(signal: AbortSignal | undefined): Promise<Outcome<ReadyMessage>> {
    const fresh = spawnWorker(options.workerPath);
    served = 0;
    worker = fresh;
    const outcome = await exchange<ReadyMessage>(fresh, {
      phase: "start",
      deadlineMs: options.loadMs,
      // The load cannot be cancelled from inside, and a half-loaded worker is of no use.
      cancel: null,
      signal,
      onMessage(message, setPhase) {
        if (message.type === "booted") fresh.send(options.open);
        if (message.type === "progress") {
          setPhase(message.phase);
          options.onProgress?.({ phase: message.phase, fraction: message.permille / 1000 });
        }
        if (message.type === "failed")
          return { error: toError(message, options.open.modelPath), spoilt: "abort" };
        return message.type === "ready" ? { value: message } : null;
      },
    });
    if ("error" in outcome) await discard();
    else options.onProgress?.({ phase: "ready" });
    return outcome;
  }

  async function ensureWorker(signal: AbortSignal | undefined): Promise<Outcome<Worker>> {
    if (worker !== null && !worker.dead) return { value: worker };
    const pause = failures === 0 ? 0 : (backOffMs[Math.min(failures, backOffMs.length) - 1] ?? 0);
    const stop = AbortSignal.any([closing.signal, ...(signal ? [signal] : [])]);
    try {
      if (pause > 0) await sleep(pause, undefined, { signal: stop });
    } catch {
      return { error: closing.signal.aborted ? new EngineClosedError() : aborted("start", signal) };
    }
    const outcome = await start(signal);
    if ("error" in outcome) return outcome.spoilt === "failure" ? { error: failed(outcome.error) } : outcome;
    if (opened !== null && identity(opened) !== identity(outcome.value)) {
      await discard();
      unusable = new ModelUnusableError("model, runtime or settings changed while the engine was open");
      return { error: unusable };
    }
    opened ??= outcome.value;
    return worker === null ? { error: new EngineClosedError() } : { value: worker };
  }

  /** Sends nothing by itself except the cancellation; settles once the worker is free, dead, or hung. */
  async function exchange<T>(
    live: Worker,
    wait: {
      readonly phase: Phase;
      readonly deadlineMs: number;
      readonly cancel: (() => void) | null;
      readonly signal: AbortSignal | undefined;
      /** Told at once when the caller need not wait longer, while the worker may still be busy. */
      readonly onGivenUp?: (error: Error) => void;
      readonly onMessage: (message: FromWorker, setPhase: (phase: Phase) => void) => Outcome<T> | null;
    },
  ): Promise<Outcome<T>> {
    const { promise, resolve } = Promise.withResolvers<Outcome<T>>();
    let phase = wait.phase;
    let givenUp: { readonly error: Error; readonly spoilt: "failure" | "abort" } | null = null;
    let graceTimer: NodeJS.Timeout | undefined;

    const giveUp = (error: Error, spoilt: "failure" | "abort") => {
      if (givenUp !== null) return;
      givenUp = { error, spoilt };
      wait.onGivenUp?.(error);
      if (wait.cancel === null) return resolve(givenUp);
      wait.cancel();
      graceTimer = setTimeout(() => resolve({ error, spoilt }), graceMs);
    };
    const onAbort = () => giveUp(aborted(phase, wait.signal), "abort");
    const onClose = () => resolve({ error: new EngineClosedError(), spoilt: "abort" });
    const deadline = setTimeout(
      () => giveUp(new InferenceTimeoutError(phase, wait.deadlineMs), "failure"),
      wait.deadlineMs,
    );
    live.listen((event: WorkerEvent) => {
      if (event.kind === "died") {
        const error = new InferenceCrashedError(phase, event.how, event.lastOutput);
        return resolve(givenUp ?? { error, spoilt: "failure" });
      }
      const outcome = wait.onMessage(event.message, (next) => (phase = next));
      // An answer that comes after the caller was told otherwise only shows that the worker is well.
      if (outcome !== null) resolve(givenUp === null ? outcome : { error: givenUp.error });
    });
    wait.signal?.addEventListener("abort", onAbort, { once: true });
    closing.signal.addEventListener("abort", onClose, { once: true });
    if (closing.signal.aborted) onClose();
    else if (wait.signal?.aborted) onAbort();
    live.hold(true);
    try {
      return await promise;
    } finally {
      clearTimeout(deadline);
      clearTimeout(graceTimer);
      wait.signal?.removeEventListener("abort", onAbort);
      closing.signal.removeEventListener("abort", onClose);
      live.listen(null);
      live.hold(false);
    }
  }

  async function work(
    request: WorkRequest,
    signal: AbortSignal | undefined,
    onGivenUp: (error: Error) => void,
  ): Promise<Outcome<Answer>> {
    if (closing.signal.aborted) return { error: new EngineClosedError() };
    if (unusable !== null) return { error: unusable };
    if (signal?.aborted) return { error: aborted("queue", signal) };
    const ensured = await ensureWorker(signal);
    if ("error" in ensured) return ensured;
    const live = ensured.value;
    const exchanged = exchange<Answer>(live, {
      phase: "prefill",
      deadlineMs: options.inferMs,
      cancel: () => live.send({ type: "cancel", id: request.id }),
      signal,
      onGivenUp,
      onMessage(message, setPhase) {
        if (!("id" in message) || message.id !== request.id) return null;
        if (message.type === "phase") setPhase(message.phase);
        if (message.type === "failed") return { error: toError(message, options.open.modelPath) };
        return message.type === "phase" ? null : { value: message };
      },
    });
    live.send(request);
    const outcome = await exchanged;
    served++;
    if ("value" in outcome) {
      failures = 0;
      // The answer is here, and nobody else's is under way.
      if (served >= mostRequests) await discard();
    } else if (outcome.spoilt !== undefined) {
      await discard();
      if (outcome.spoilt === "failure") return { error: failed(outcome.error) };
    }
    return outcome;
  }

  const first = await ensureWorker(options.signal);
  if ("error" in first) throw first.error;
  if (opened === null) throw new EngineClosedError();
  const atOpening: ReadyMessage = opened;

  return Object.freeze({
    opened: atOpening,
    get pid() {
      return worker === null || worker.dead ? null : worker.pid;
    },
    run(request: WorkRequest, signal?: AbortSignal) {
      const { promise, resolve, reject } = Promise.withResolvers<Answer>();
      // A caller who gives up while others are served need not wait for his turn to be told so.
      const onAbort = () => reject(aborted("queue", signal));
      signal?.addEventListener("abort", onAbort, { once: true });
      tail = tail.then(async () => {
        signal?.removeEventListener("abort", onAbort);
        const outcome = await work(request, signal, reject);
        if ("error" in outcome) reject(outcome.error);
        else resolve(outcome.value);
      });
      return promise;
    },
    async close() {
      closing.abort();
      await discard();
      await tail;
      // A worker that was being started while `close` ran.
      await discard();
    },
  });
}

function aborted(phase: Phase | "queue", signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  // `AbortSignal.timeout` is the caller's own deadline: the same error as for the engine's.
  if (reason instanceof Error && reason.name === "TimeoutError" && phase !== "queue")
    return new InferenceTimeoutError(phase, undefined, reason);
  return new InferenceAbortedError(phase, reason);
}

function identity({ mode, model, runtime, settings }: ReadyMessage): string {
  return canonicalize({ mode, model, runtime, settings });
}

function toError(failure: Failure, file: string): Error {
  const { message, facts } = failure;
  switch (failure.code) {
    case "hash":
      return new ModelHashMismatchError(file, facts["expected"] ?? "", facts["actual"] ?? "");
    case "file":
      return new ModelFileError(message, { file, ...facts });
    case "gpu":
      return new GpuUnavailableError(message, { file, ...facts });
    case "memory":
      return new ModelTooLargeError({ file, ...facts });
    case "promptTooLong":
      return new PromptTooLongError(
        Number(facts["tokens"]),
        Number(facts["maxTokens"]),
        Number(facts["contextSize"]),
        Number(facts["thoughtTokens"] ?? 0),
      );
    case "request":
      return new InvalidRequestError(message, facts);
    case "cancelled":
      return new InferenceAbortedError("generation", undefined);
  }
}
