import { fileURLToPath } from "node:url";
import { resolve } from "node:path";
import type { Hex } from "viem";
import type {
  Inference,
  LocalEngine,
  LocalInference,
  ModelIdentity,
  Prompt,
  PromptMeasure,
  ReCheck,
  ReExecution,
  Sampling,
  RuntimeIdentity,
  Tolerance,
  Unverifiable,
} from "../core/inference.ts";
import {
  compareRuns,
  firstDifference,
  mismatch,
  modelDifference,
  runtimeDifferences,
  REMOTE,
  unverifiable,
} from "./compareRuns.ts";
import { compareOpinion } from "./compareOpinion.ts";
import { InvalidRequestError } from "./errors.ts";
import type { Caller } from "./fairQueue.ts";
import { type Anchor, fingerprintPlaces } from "./fingerprint.ts";
import { fingerprintsSchema, MOST_SEQUENCES, settingsSchema } from "./messages.ts";
import { deepFreeze, parseRequest, withoutSchema } from "./request.ts";
import type { EngineProgress } from "./startWorker.ts";
import { superviseWorker, type Supervisor } from "./superviseWorker.ts";

export type OpenEngineOptions = {
  /** A GGUF file. */
  readonly modelPath: string;
  /** What the file must hash to. There is no way around it: caches and downloads check nothing. */
  readonly sha256: Hex;
  /**
   * canonical: CPU, byte-exact, greedy only. fast: GPU where there is one, flash attention.
   * auto: fast when there is a usable GPU, else canonical.
   */
  readonly mode: "auto" | "canonical" | "fast";
  /**
   * required: refuses to open where no GPU can be used, or no layer fits on it. auto, when not given: the CPU has to do there,
   * and the record says so.
   */
  readonly gpu?: "auto" | "required";
  /** Tokens of prompt and answer together, no more than the file declares. When not given 1024, or what the file declares. */
  readonly contextSize?: number;
  /** CPU threads. 1 when not given: threads that spin on shared cores are slower than one. */
  readonly threads?: number;
  /** Runs at a time, 1 when not given, 16 at most. They share the weights; each costs the memory of a context. */
  readonly sequences?: number;
  /**
   * Which of llama.cpp's CPU variants computes in canonical mode: "pinned" (when not given) is the one that most machines can run
   * again, "best" the fastest one here, else the name of one (`haswell`).
   */
  readonly cpuVariant?: string;
  /**
   * In milliseconds. Loading includes hashing, 120 s when not given; inferring is prompt and answer together, the queue not counted,
   * 60 s, and of these no more than `prefillMs` until the first token and `generationMs` after it; the queue 600 s.
   */
  readonly deadlines?: {
    readonly loadMs?: number;
    readonly inferMs?: number;
    readonly prefillMs?: number;
    readonly generationMs?: number;
    readonly queueMs?: number;
  };
  /** Most calls of one caller that may wait for their turn, 256 when not given. */
  readonly mostWaiting?: number;
  readonly onProgress?: (event: EngineProgress) => void;
  /** Aborts the opening. */
  readonly signal?: AbortSignal;
};

/** A worker and whatever it is: several engines may talk to one. */
export type OpenedWorker = {
  /** An engine whose calls wait in this caller's line. Closing it does what `close` does. */
  engineFor(caller: Caller, close: () => Promise<void>): LocalEngine;
  close(): Promise<void>;
};

/**
 * Opens a model in a child process of its own and returns the engine that talks to it. This process stays free of
 * native code: it may hold keys.
 *
 * @throws ModelHashMismatchError, ModelFileError, ModelTooLargeError, CpuVariantError, GpuUnavailableError,
 * InferenceTimeoutError, InferenceCrashedError
 */
export async function openEngine(options: OpenEngineOptions): Promise<LocalEngine> {
  const opened = await openWorker(options);
  return opened.engineFor(Symbol("the only caller"), opened.close);
}

/** The same for several callers who take turns. @throws as `openEngine` */
export async function openWorker(options: OpenEngineOptions): Promise<OpenedWorker> {
  const { contextSize = null, threads = 1, sequences = 1, cpuVariant = "pinned", deadlines = {} } = options;
  const { gpu = "auto", mostWaiting = 256 } = options;
  if (gpu === "required" && options.mode === "canonical")
    throw new InvalidRequestError("canonical mode computes on the CPU; a GPU needs mode auto or fast");
  const { loadMs = 120_000, inferMs = 60_000, queueMs = 600_000 } = deadlines;
  const { prefillMs = inferMs, generationMs = inferMs } = deadlines;
  const sha256 = options.sha256.toLowerCase() as Hex;
  if (!/^0x[0-9a-f]{64}$/.test(sha256))
    throw new InvalidRequestError("the expected sha256 is not 0x and 64 hex digits");
  const times = { loadMs, inferMs, prefillMs, generationMs, queueMs };
  const numbers = { ...(contextSize !== null && { contextSize }), threads, sequences, ...times, mostWaiting };
  for (const [name, value] of Object.entries(numbers))
    if (!Number.isSafeInteger(value) || value < 1)
      throw new InvalidRequestError(`${name} is not a positive integer`, { [name]: value });
  if (sequences > MOST_SEQUENCES)
    throw new InvalidRequestError(`more than ${MOST_SEQUENCES} sequences are not possible`, { sequences });

  const supervisor = await superviseWorker({
    workerPath: workerPath(),
    open: {
      type: "open",
      modelPath: resolve(options.modelPath),
      sha256,
      mode: options.mode,
      gpu,
      contextSize,
      threads,
      sequences,
      cpuVariant,
    },
    ...times,
    mostWaiting,
    onProgress: options.onProgress,
    signal: options.signal,
  });
  deepFreeze(supervisor.opened);
  let nextId = 0;
  return Object.freeze({
    engineFor: (caller: Caller, close: () => Promise<void>) =>
      engineOf(supervisor, caller, () => nextId++, close),
    close: supervisor.close,
  });
}

function engineOf(
  supervisor: Supervisor,
  caller: Caller,
  newId: () => number,
  close: () => Promise<void>,
): LocalEngine {
  const { mode, settings } = supervisor.opened;
  const model: ModelIdentity = supervisor.opened.model;
  const runtime: RuntimeIdentity = supervisor.opened.runtime;

  async function infer(
    prompt: Prompt,
    sampling: Sampling,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<LocalInference> {
    const asked = withoutSchema(parseRequest(prompt, sampling));
    if (mode === "canonical" && sampling.kind !== "greedy")
      throw new InvalidRequestError("canonical mode is greedy; sampling needs an engine in fast mode");
    const { answer, queueMs } = await supervisor.run(
      { type: "infer", id: newId(), ...asked },
      { caller, signal },
    );
    if (answer.type !== "result") throw new InvalidRequestError("the worker answered another question");
    const { promptTokens, outputTokens, text, stopReason, fingerprints, prefillMs, generationMs } = answer;
    const { options, thought } = answer;
    return deepFreeze({
      mode,
      model,
      runtime,
      settings,
      ...asked,
      promptTokens,
      outputTokens,
      text,
      stopReason,
      fingerprints,
      ...(thought && { thought }),
      ...(options && { options }),
      timing: {
        prefillMs,
        generationMs,
        queueMs,
        ...(mode === "fast" && { reusedTokens: answer.reusedTokens }),
      },
    });
  }

  async function measure(
    prompt: Prompt,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<PromptMeasure> {
    const asked = parseRequest(prompt, { kind: "greedy" }).prompt;
    const { answer } = await supervisor.run(
      { type: "measure", id: newId(), prompt: asked },
      { caller, signal },
    );
    if (answer.type !== "measured") throw new InvalidRequestError("the worker answered another question");
    const { contextSize, promptTokens, roomTokens } = answer;
    return Object.freeze({ promptTokens, contextSize, roomTokens });
  }

  async function reExecute(
    recorded: Inference,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<ReExecution> {
    if (recorded.mode === "remote") return unverifiable(recorded, REMOTE);
    const other = modelDifference(recorded, { model, runtime });
    if (other !== null) return mismatch(recorded.outputTokens, [], 0, other);
    const asked = parseRequest(recorded.prompt, recorded.sampling);
    const recordedSettings = settingsSchema.safeParse(recorded.settings);
    if (!recordedSettings.success) throw new InvalidRequestError("the recorded settings are not settings");
    const promptTokens = tokensOf(recorded.promptTokens);
    tokensOf(recorded.outputTokens);
    const { answer } = await supervisor.run(
      {
        type: "repeat",
        id: newId(),
        ...asked,
        promptTokens,
        settings: recordedSettings.data,
        anchor: anchorOf(recorded),
      },
      { caller, signal },
    );
    const differences = [
      ...(recorded.mode === "canonical"
        ? []
        : [`recorded in ${recorded.mode} mode, which promises no equal bytes`]),
      ...(recordedSettings.data.gpuLayers === settings.gpuLayers
        ? []
        : ["another number of layers on the GPU"]),
      ...runtimeDifferences(recorded.runtime, runtime),
    ];
    if (answer.type === "result") return compareRuns(recorded, answer, differences);
    if (answer.type !== "rendered") throw new InvalidRequestError("the worker answered another question");
    const index = firstDifference(promptTokens, answer.promptTokens) ?? 0;
    return mismatch(
      promptTokens,
      answer.promptTokens,
      index,
      `template: the recorded messages do not render to the recorded prompt (prompt token ${index})`,
      differences,
    );
  }

  async function reCheck(
    recorded: LocalInference,
    tolerance: Tolerance,
    options?: { readonly signal?: AbortSignal },
  ): Promise<ReCheck>;
  async function reCheck(
    recorded: Inference,
    tolerance: Tolerance,
    options?: { readonly signal?: AbortSignal },
  ): Promise<ReCheck | Unverifiable>;
  async function reCheck(
    recorded: Inference,
    tolerance: Tolerance,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<ReCheck | Unverifiable> {
    if (recorded.mode === "remote") return unverifiable(recorded, REMOTE);
    const refused = (why: string): ReCheck =>
      Object.freeze({
        verdict: "MISMATCH",
        tokens: recorded.outputTokens.length,
        flips: 0,
        worstMarginMilli: 0,
        worstFingerprintMilli: null,
        tolerance,
        why,
      });
    const other = modelDifference(recorded, { model, runtime });
    if (other !== null) return refused(other);
    const asked = parseRequest(recorded.prompt, recorded.sampling);
    const fingerprints = fingerprintsSchema.safeParse(recorded.fingerprints);
    if (!fingerprints.success) throw new InvalidRequestError("the recorded fingerprints are none");
    const { answer } = await supervisor.run(
      {
        type: "check",
        id: newId(),
        ...asked,
        promptTokens: tokensOf(recorded.promptTokens),
        outputTokens: tokensOf(recorded.outputTokens),
        ended: recorded.stopReason !== "maxTokens",
        thought: recorded.thought ?? null,
        rows: fingerprints.data.rows.map(({ at, tokens }) => ({ at, tokens })),
      },
      { caller, signal },
    );
    if (answer.type === "rendered")
      return refused("template: the recorded messages do not render to the recorded prompt");
    if (answer.type === "otherThought")
      return refused("thought: these tokens hold no thought that ends where and how it is said to");
    if (answer.type !== "checked") throw new InvalidRequestError("the worker answered another question");
    return compareOpinion(recorded, answer, tolerance);
  }

  return Object.freeze({
    mode,
    model,
    runtime,
    settings,
    infer,
    measure,
    reExecute,
    reCheck,
    close,
  });
}

/** Where the fingerprints of a record are counted from; an end where both are possible. */
function anchorOf({ fingerprints, promptTokens }: Inference): Anchor {
  const fromEnd = fingerprintPlaces(promptTokens.length, "end");
  return fingerprints.rows.every(({ at }, index) => at === fromEnd[index]) ? "end" : "start";
}

/** The worker's program lies beside this file: `.ts` in the sources, `.js` in the package. */
function workerPath(): string {
  return fileURLToPath(
    new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url),
  );
}

function tokensOf(tokens: readonly number[]): number[] {
  if (!tokens.every((token) => Number.isSafeInteger(token) && token >= 0))
    throw new InvalidRequestError("a recorded token is not a natural number");
  return [...tokens];
}
