import type {
  BrokenEngine,
  Inference,
  InferenceEngine,
  Prompt,
  ReCheck,
  ReExecution,
  Sampling,
  Tolerance,
  Unverifiable,
} from "../core/inference.ts";
import { isBreakage, nameOf, NoEngineAnsweredError } from "./breakage.ts";
import { REMOTE, unverifiable } from "./compareRuns.ts";
import {
  EngineClosedError,
  InferenceTimeoutError,
  InvalidRequestError,
  ModelUnusableError,
} from "./errors.ts";

/** An engine of a ladder, and what it is called in records. */
export type Rung = {
  readonly name: string;
  readonly open: (signal: AbortSignal) => Promise<InferenceEngine>;
};

type Options = { readonly signal?: AbortSignal };

type Step = {
  readonly rung: Rung;
  engine?: InferenceEngine | undefined;
  opening?: Promise<InferenceEngine> | undefined;
  rest?: { readonly until: number; readonly error: unknown };
};

/** How long a rung that could not be opened is left alone. */
const REST_MS = 30_000;

/**
 * Several engines in order, under one deadline. The next one is asked only when one breaks — dies, is late, is not there — never
 * because of what it answers or refuses. What broke before the answer is in the record (`fallback`), and the record is the one of the
 * engine that answered: where that is a server, the decision is unverifiable.
 *
 * Each engine gets an equal share of what is left of the deadline; what one leaves over goes to those after it.
 *
 * @throws what the first engine throws, unless it is a breakage; NoEngineAnsweredError when nothing can be opened
 */
export async function openLadder(
  rungs: readonly Rung[],
  options: { readonly deadlineMs: number; readonly signal?: AbortSignal | undefined },
): Promise<InferenceEngine> {
  const { deadlineMs } = options;
  if (rungs.length === 0) throw new InvalidRequestError("a ladder has no engine");
  if (!Number.isSafeInteger(deadlineMs) || deadlineMs < 1)
    throw new InvalidRequestError("deadlineMs is not a positive integer", { deadlineMs });
  const closing = new AbortController();
  const steps: Step[] = rungs.map((rung) => ({ rung }));

  /** The rung's engine; opened at most once at a time, whoever waits for it. @throws what opening it throws, or the signal's reason */
  async function engineOf(step: Step, signal: AbortSignal | undefined): Promise<InferenceEngine> {
    if (step.engine) return step.engine;
    if (step.rest && performance.now() < step.rest.until) throw step.rest.error;
    step.opening ??= openOne(step).finally(() => (step.opening = undefined));
    return unlessAborted(step.opening, signal);
  }

  async function openOne(step: Step): Promise<InferenceEngine> {
    try {
      const engine = await step.rung.open(closing.signal);
      if (!closing.signal.aborted) return (step.engine = engine);
      await engine.close();
      throw new EngineClosedError();
    } catch (error) {
      if (isBreakage(error)) step.rest = { until: performance.now() + REST_MS, error };
      throw error;
    }
  }

  /** Runs one rung within its share of the time. */
  async function within<T>(
    shareMs: number,
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const late = new AbortController();
    const timer = setTimeout(
      () => late.abort(new DOMException("its share of the deadline passed", "TimeoutError")),
      shareMs,
    );
    try {
      return await work(AbortSignal.any([late.signal, ...(signal ? [signal] : [])]));
    } catch (error) {
      // In an engine's queue, or while it opens, a share that passes looks like a caller who leaves.
      if (late.signal.aborted && !signal?.aborted && !isBreakage(error))
        throw new InferenceTimeoutError("start", Math.round(shareMs), error);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async function infer(prompt: Prompt, sampling: Sampling, { signal }: Options = {}): Promise<Inference> {
    const started = performance.now();
    const broken: BrokenEngine[] = [];
    let first: unknown;
    for (const [index, step] of steps.entries()) {
      if (closing.signal.aborted) throw new EngineClosedError();
      const begun = performance.now();
      const left = deadlineMs - (begun - started);
      try {
        if (left <= 0) throw new InferenceTimeoutError("start", deadlineMs);
        const inference = await within(left / (steps.length - index), signal, async (share) =>
          (await engineOf(step, share)).infer(prompt, sampling, { signal: share }),
        );
        return broken.length === 0
          ? inference
          : Object.freeze({ ...inference, fallback: Object.freeze(broken) });
      } catch (error) {
        if (signal?.aborted || closing.signal.aborted) throw error;
        // What the first engine refuses is the answer. What a lower one refuses says nothing: it only stands in.
        if (index === 0 && !isBreakage(error)) throw error;
        if (error instanceof ModelUnusableError) await rest(step, error);
        first ??= error;
        broken.push(
          Object.freeze({
            engine: step.rung.name,
            error: nameOf(error),
            ms: Math.round(performance.now() - begun),
          }),
        );
      }
    }
    throw new NoEngineAnsweredError(broken, first);
  }

  /** An engine that takes no more calls is opened anew, later. */
  async function rest(step: Step, error: unknown): Promise<void> {
    const { engine } = step;
    step.engine = undefined;
    step.rest = { until: performance.now() + REST_MS, error };
    await engine?.close();
  }

  /** Who can say most about a record: an engine with its model, else one with any, else the first. */
  async function checkerOf(recorded: Inference, signal: AbortSignal | undefined): Promise<InferenceEngine> {
    const { sha256 } = recorded.model;
    const engines: InferenceEngine[] = [];
    let error: unknown;
    for (const step of steps)
      try {
        engines.push(await engineOf(step, signal));
      } catch (reason) {
        error ??= reason;
      }
    const found =
      engines.find(({ model }) => sha256 !== null && model.sha256 === sha256) ??
      engines.find(({ model }) => model.sha256 !== null) ??
      engines[0];
    if (!found) throw error;
    return found;
  }

  for (const step of steps)
    try {
      await engineOf(step, options.signal);
    } catch (error) {
      if (isBreakage(error) && !options.signal?.aborted) continue;
      await closeAll();
      throw error;
    }
  if (steps.every(({ engine }) => engine === undefined)) {
    const failures = steps.map(({ rest, rung }) => ({
      engine: rung.name,
      error: nameOf(rest?.error),
      ms: 0,
    }));
    throw new NoEngineAnsweredError(failures, steps[0]?.rest?.error);
  }
  async function closeAll(): Promise<void> {
    closing.abort();
    for (const { engine } of steps) await engine?.close();
  }
  /** What the ladder is called by: its first engine that is there. */
  let face = steps.find(({ engine }) => engine !== undefined)!.engine!;
  const current = () => (face = steps.find(({ engine }) => engine !== undefined)?.engine ?? face);

  return Object.freeze({
    get mode() {
      return current().mode;
    },
    get model() {
      return current().model;
    },
    get runtime() {
      return current().runtime;
    },
    get settings() {
      return current().settings;
    },
    infer,
    measure: (prompt: Prompt, how: Options = {}) => current().measure(prompt, how),
    async reExecute(recorded: Inference, how: Options = {}): Promise<ReExecution> {
      // No engine knows more about it, and none has to be there to say so.
      if (recorded.mode === "remote") return unverifiable(recorded, REMOTE);
      return (await checkerOf(recorded, how.signal)).reExecute(recorded, how);
    },
    async reCheck(
      recorded: Inference,
      tolerance: Tolerance,
      how: Options = {},
    ): Promise<ReCheck | Unverifiable> {
      if (recorded.mode === "remote") return unverifiable(recorded, REMOTE);
      return (await checkerOf(recorded, how.signal)).reCheck(recorded, tolerance, how);
    },
    close: closeAll,
  });
}

/** The promise's value, unless the signal aborts before: then its reason. The promise goes on. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason as Error);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
