import { setTimeout as sleep } from "node:timers/promises";
import { canonicalize } from "../core/canonical.ts";
import type { Phase } from "./errors.ts";
import {
  EngineBusyError,
  EngineClosedError,
  InferenceCrashedError,
  InferenceTimeoutError,
  ModelUnusableError,
} from "./errors.ts";
import { aborted, toError } from "./failures.ts";
import { fairQueue, type Caller } from "./fairQueue.ts";
import type { Answer, FromWorker, OpenRequest, ReadyMessage, WorkRequest } from "./messages.ts";
import type { Worker, WorkerEvent } from "./spawnWorker.ts";
import { startWorker, type EngineProgress } from "./startWorker.ts";

/** Deaths and hangs in a row after which the engine gives up. */
const MOST_FAILURES = 3;
/** Pause before the worker is started again after the first, second, … failure in a row, in milliseconds. */
const BACK_OFF_MS = [0, 500, 2000] as const;
/** How long a cancelled run may take to come back before it counts as hung, in milliseconds. */
const GRACE_MS = 1000;
/**
 * Requests after which a worker makes room for a fresh one, between two calls. llama.cpp does not give all memory of a context
 * back (1 to 4 MB each, measured), and its bindings had leaks before; a fresh worker costs about a second of loading.
 */
const MOST_REQUESTS = 2000;

export type SupervisorOptions = {
  /** The program of the child process. */
  readonly workerPath: string;
  readonly open: OpenRequest;
  readonly loadMs: number;
  /** For one run as a whole, and for each of its phases. */
  readonly inferMs: number;
  readonly prefillMs?: number;
  readonly generationMs?: number;
  /** Longest that a request waits for its turn. */
  readonly queueMs: number;
  /** Most requests of one caller that wait. */
  readonly mostWaiting: number;
  readonly graceMs?: number;
  /** Requests that one worker serves before it is replaced. */
  readonly mostRequests?: number;
  readonly backOffMs?: readonly number[];
  readonly onProgress?: ((event: EngineProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
};

export type Asker = { readonly caller: Caller; readonly signal?: AbortSignal | undefined };

export type Supervisor = {
  readonly opened: ReadyMessage;
  /** Process id of the worker, or null between two workers. */
  readonly pid: number | null;
  run(request: WorkRequest, asker: Asker): Promise<{ readonly answer: Answer; readonly queueMs: number }>;
  close(): Promise<void>;
};

/** A request, from when it is asked until it is answered or given up. */
type Job = {
  readonly request: WorkRequest;
  readonly signal: AbortSignal | undefined;
  readonly waitingSince: number;
  readonly resolve: (value: { readonly answer: Answer; readonly queueMs: number }) => void;
  readonly reject: (error: Error) => void;
  /** Ends the wait in the queue; false when it has ended before. */
  leaveQueue: () => boolean;
};

/** A job the worker is at. */
type Flight = {
  readonly job: Job;
  readonly queueMs: number;
  phase: Phase;
  enterPhase: (phase: Phase) => void;
  /** Set when the caller was told that it is over, while the worker may still be at it. */
  givenUp: "deadline" | "abort" | null;
  /** The worker has had time to say that it stopped, and has not. */
  overdue: boolean;
  stopClocks: () => void;
};

/**
 * Keeps one worker alive and gives it as many requests at a time as it has sequences, the callers taking turns. Every wait has a
 * deadline. A run that hangs is waited for as long as others get on beside it; a worker that dies costs those it was at,
 * and is replaced before the next one.
 */
export async function superviseWorker(options: SupervisorOptions): Promise<Supervisor> {
  const { open, inferMs, queueMs, mostWaiting } = options;
  const phaseMs = (phase: Phase): number =>
    Math.min(inferMs, (phase === "prefill" ? options.prefillMs : options.generationMs) ?? inferMs);
  const { graceMs = GRACE_MS, mostRequests = MOST_REQUESTS, backOffMs = BACK_OFF_MS } = options;
  const closing = new AbortController();
  const queue = fairQueue<Job>(mostWaiting);
  const flights = new Map<number, Flight>();
  let worker: Worker | null = null;
  let opened: ReadyMessage | null = null;
  let failures = 0;
  let served = 0;
  let unusable: ModelUnusableError | null = null;
  let ended: Promise<void> = Promise.resolve();
  let dispatching: Promise<void> | null = null;

  /** Counts a death or hang; the third in a row ends the engine. */
  function failed(error: Error): Error {
    failures++;
    if (failures < MOST_FAILURES) return error;
    unusable = new ModelUnusableError(`its process failed ${failures} times in a row`, error);
    return unusable;
  }

  /** Ends the worker, if there is one. Resolves when no process is left. */
  function discard(): Promise<void> {
    const old = worker;
    worker = null;
    old?.listen(null);
    old?.hold(false);
    if (old !== null) ended = Promise.all([ended, old.kill()]).then(() => {});
    return ended;
  }

  async function ensureWorker(signal: AbortSignal | undefined): Promise<Worker | Error> {
    if (closing.signal.aborted) return new EngineClosedError();
    if (worker !== null && !worker.dead) return worker;
    await discard();
    const pause = failures === 0 ? 0 : (backOffMs[Math.min(failures, backOffMs.length) - 1] ?? 0);
    try {
      if (pause > 0)
        await sleep(pause, undefined, {
          signal: AbortSignal.any([closing.signal, ...(signal ? [signal] : [])]),
        });
    } catch {
      return closing.signal.aborted ? new EngineClosedError() : aborted("start", signal);
    }
    const started = await startWorker({ ...options, closing: closing.signal, signal });
    if ("error" in started) return started.counts ? failed(started.error) : started.error;
    worker = started.worker;
    served = 0;
    if (opened !== null && identity(opened) !== identity(started.ready)) {
      await discard();
      unusable = new ModelUnusableError("model, runtime or settings changed while the engine was open");
      return unusable;
    }
    opened ??= started.ready;
    const fresh = started.worker;
    fresh.listen((event) => hear(fresh, event));
    // It may have died before anybody listened.
    return fresh.dead ? failed(new InferenceCrashedError("start", "at once", "")) : fresh;
  }

  function hear(from: Worker, event: WorkerEvent): void {
    if (from !== worker) return;
    if (event.kind === "died") return lost(event.how, event.lastOutput);
    const { message } = event;
    const flight = "id" in message && message.id !== null ? flights.get(message.id) : undefined;
    if (flight === undefined) return;
    if (message.type === "phase") flight.enterPhase(message.phase);
    else land(flight, message);
  }

  /** The worker has answered, or said that it stopped. */
  function land(flight: Flight, message: FromWorker): void {
    remove(flight);
    served++;
    if (message.type === "failed") flight.job.reject(toError(message, open.modelPath));
    else if (flight.givenUp === null) {
      failures = 0;
      flight.job.resolve({ answer: message as Answer, queueMs: flight.queueMs });
    }
    settle();
  }

  /** The worker is gone, and whatever it was at. */
  function lost(how: string, lastOutput: string): void {
    const [first] = flights.values();
    const crash = (phase: Phase) => new InferenceCrashedError(phase, how, lastOutput);
    const counts = first !== undefined && [...flights.values()].some(({ givenUp }) => givenUp !== "abort");
    if (counts) failed(crash(first.phase));
    for (const flight of flights.values()) {
      flight.stopClocks();
      flight.job.reject(unusable ?? crash(flight.phase));
    }
    flights.clear();
    void discard();
    settle();
  }

  /** Hung: nobody waits for the worker any more, and it does not say that it stopped. */
  function endWhenHung(): void {
    const all = [...flights.values()];
    if (all.length === 0 || !all.every(({ overdue }) => overdue)) return;
    if (all.some(({ givenUp }) => givenUp === "deadline"))
      failed(new InferenceTimeoutError(all[0]!.phase, inferMs));
    flights.clear();
    void discard();
    settle();
  }

  function remove(flight: Flight): void {
    flight.stopClocks();
    flights.delete(flight.job.request.id);
    endWhenHung();
  }

  /** After every change: is there something to begin, or to end? */
  function settle(): void {
    if (flights.size === 0) {
      worker?.hold(false);
      // Every answer is here, and nobody's is under way.
      if (served >= mostRequests) void discard();
    }
    if (dispatching !== null) return;
    dispatching = dispatch().finally(() => {
      dispatching = null;
      if (mayBegin()) settle();
    });
  }

  const mayBegin = (): boolean =>
    queue.size > 0 &&
    (unusable !== null ||
      closing.signal.aborted ||
      worker === null ||
      (flights.size < open.sequences &&
        served < mostRequests &&
        // No new run beside one that may hang: it would hang as well.
        [...flights.values()].every(({ overdue }) => !overdue)));

  async function dispatch(): Promise<void> {
    while (mayBegin()) {
      const job = queue.next();
      if (job === undefined || !job.leaveQueue()) continue;
      const ensured = unusable ?? (await ensureWorker(job.signal));
      if (closing.signal.aborted) job.reject(new EngineClosedError());
      else if (ensured instanceof Error) job.reject(ensured);
      else if (job.signal?.aborted) job.reject(aborted("queue", job.signal));
      else begin(ensured, job);
    }
  }

  function begin(live: Worker, job: Job): void {
    const { request, signal } = job;
    let grace: NodeJS.Timeout | undefined;
    const giveUp = (how: "deadline" | "abort", error: Error) => {
      if (flight.givenUp !== null) return;
      flight.givenUp = how;
      job.reject(error);
      live.send({ type: "cancel", id: request.id });
      grace = setTimeout(() => {
        flight.overdue = true;
        endWhenHung();
      }, graceMs);
    };
    const onAbort = () => giveUp("abort", aborted(flight.phase, signal));
    const deadline = setTimeout(
      () => giveUp("deadline", new InferenceTimeoutError(flight.phase, inferMs)),
      inferMs,
    );
    const late = (phase: Phase) =>
      setTimeout(() => giveUp("deadline", new InferenceTimeoutError(phase, phaseMs(phase))), phaseMs(phase));
    let phaseDeadline = late("prefill");
    const flight: Flight = {
      job,
      queueMs: Math.round(performance.now() - job.waitingSince),
      phase: "prefill",
      enterPhase(phase) {
        flight.phase = phase;
        clearTimeout(phaseDeadline);
        if (flight.givenUp === null) phaseDeadline = late(phase);
      },
      givenUp: null,
      overdue: false,
      stopClocks() {
        clearTimeout(deadline);
        clearTimeout(phaseDeadline);
        clearTimeout(grace);
        signal?.removeEventListener("abort", onAbort);
      },
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    flights.set(request.id, flight);
    live.hold(true);
    live.send(request);
  }

  function enqueue(request: WorkRequest, { caller, signal }: Asker, job: Omit<Job, "leaveQueue">): void {
    const leave = (error: Error) => {
      if (waiting.leaveQueue()) waiting.reject(error);
    };
    const onAbort = () => leave(aborted("queue", signal));
    const tooLong = setTimeout(
      () => leave(new EngineBusyError("its turn did not come", { queueMs, waiting: queue.size })),
      queueMs,
    );
    let inQueue = true;
    const waiting: Job = {
      ...job,
      leaveQueue() {
        if (!inQueue) return false;
        inQueue = false;
        clearTimeout(tooLong);
        signal?.removeEventListener("abort", onAbort);
        queue.remove(caller, waiting);
        return true;
      },
    };
    if (!queue.add(caller, waiting)) {
      clearTimeout(tooLong);
      return job.reject(new EngineBusyError("too much is waiting already", { mostWaiting }));
    }
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) onAbort();
    settle();
  }

  const first = await ensureWorker(options.signal);
  if (first instanceof Error) throw first;
  if (opened === null) throw new EngineClosedError();
  const atOpening: ReadyMessage = opened;

  return Object.freeze({
    opened: atOpening,
    get pid() {
      return worker === null || worker.dead ? null : worker.pid;
    },
    run(request: WorkRequest, asker: Asker) {
      const { promise, resolve, reject } = Promise.withResolvers<{ answer: Answer; queueMs: number }>();
      enqueue(request, asker, {
        request,
        signal: asker.signal,
        waitingSince: performance.now(),
        resolve,
        reject,
      });
      return promise;
    },
    async close() {
      closing.abort();
      for (const flight of flights.values()) {
        flight.stopClocks();
        flight.job.reject(new EngineClosedError());
      }
      flights.clear();
      await discard();
      settle();
      await dispatching;
      // A worker that was being started while `close` ran.
      await discard();
    },
  });
}

function identity({ mode, model, runtime, settings }: ReadyMessage): string {
  return canonicalize({ mode, model, runtime, settings });
}
