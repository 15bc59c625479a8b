import type { Token } from "node-llama-cpp";
import type { EngineSettings } from "../core/inference.ts";
import type { Generation } from "./generate.ts";
import { generate } from "./generate.ts";
import type { LoadedModel, OpenedContext } from "./loadModel.ts";
import { openContext } from "./loadModel.ts";
import type { Answer, CheckRequest, FromWorker, WorkRequest } from "./messages.ts";
import { teacherForce } from "./teacherForce.ts";
import { renderPrompt } from "./renderPrompt.ts";
import { WorkerFailure } from "./workerFailure.ts";

/** One request, in the worker: render, refuse or evaluate, answer. */
export async function runRequest(
  loaded: LoadedModel,
  request: WorkRequest,
  send: (message: FromWorker) => void,
  cancelled: () => boolean,
): Promise<Answer> {
  const { id, prompt, sampling } = request;
  await loaded.checkUnchanged();
  const rendered: readonly number[] = renderPrompt(loaded.model, loaded.wrapper, prompt.messages);
  // Also keeps ids that are in no vocabulary away from native code: a record may come from anybody.
  if (request.type !== "infer" && !sameTokens(rendered, request.promptTokens))
    return { type: "rendered", id, promptTokens: [...rendered] };
  if (request.type === "check") return await check(loaded, request);

  const settings = request.type === "repeat" ? request.settings : loaded.ready.settings;
  const run = (opened: OpenedContext): Promise<Generation> =>
    generate(
      { llama: loaded.llama, model: loaded.model, sequence: opened.sequence },
      {
        promptTokens: rendered,
        grammar: prompt.grammar,
        maxTokens: prompt.maxTokens,
        sampling,
        contextSize: settings.contextSize,
      },
      { cancelled, onFirstToken: () => send({ type: "phase", id, phase: "generation" }) },
    );
  const generation = sameArithmetic(settings, loaded.ready.settings)
    ? await run(loaded)
    : await inOwnContext(loaded, settings, run);
  const { fingerprints, outputTokens, text, stopReason, prefillMs, generationMs } = generation;
  return {
    type: "result",
    id,
    promptTokens: [...rendered],
    outputTokens: [...outputTokens],
    text,
    stopReason,
    fingerprints: {
      every: fingerprints.every,
      rows: fingerprints.rows.map(({ at, logitsMilli, tokens }) => ({
        at,
        tokens: [...tokens],
        logitsMilli: [...logitsMilli],
      })),
    },
    prefillMs,
    generationMs,
  };
}

/** A record in one pass, in this engine's own context: other settings are what the tolerance is for. */
async function check(loaded: LoadedModel, request: CheckRequest): Promise<Answer> {
  const { id, outputTokens, promptTokens, rows } = request;
  const { contextSize } = loaded.ready.settings;
  const evaluated = promptTokens.length + outputTokens.length;
  if (evaluated > contextSize)
    throw new WorkerFailure("promptTooLong", "prompt and answer do not fit", {
      tokens: promptTokens.length,
      maxTokens: outputTokens.length,
      contextSize,
    });
  const vocabulary = loaded.model.fileInfo.metadata.tokenizer?.ggml?.tokens.length ?? 0;
  const inVocabulary = (token: number) => token < vocabulary;
  if (
    ![...outputTokens, ...rows.flatMap(({ tokens }) => tokens)].every(inVocabulary) ||
    !rows.every(({ at }) => at < promptTokens.length)
  )
    throw new WorkerFailure(
      "request",
      "the record names tokens that are in no vocabulary, or places beyond its prompt",
    );
  const opinion = await teacherForce(
    { llama: loaded.llama, model: loaded.model, sequence: loaded.sequence },
    request,
  );
  return {
    type: "checked",
    id,
    steps: opinion.steps.map((step) => ({ ...step })),
    rows: opinion.rows.map((row) => [...row]),
    text: loaded.model.detokenize(outputTokens as Token[]),
  };
}

/**
 * Whether two settings compute the same bits on the same machine (measured): threads count only with flash attention.
 * Layers on the GPU belong to the loaded model and can't be changed here.
 */
export function sameArithmetic(a: EngineSettings, b: EngineSettings): boolean {
  return (
    a.contextSize === b.contextSize &&
    a.batchSize === b.batchSize &&
    a.sequences === b.sequences &&
    a.flashAttention === b.flashAttention &&
    (!a.flashAttention || a.threads === b.threads)
  );
}

/** Most parallel sequences a recorded context may ask for; each costs a whole context of memory. */
const MOST_SEQUENCES = 16;

/**
 * The last context that was opened for recorded settings. Kept, because a verifier asks for the same ones many times
 * and llama.cpp does not give all memory of a context back (measured: 1 to 4 MB each).
 */
let other: { readonly settings: EngineSettings; readonly opened: OpenedContext } | null = null;

async function inOwnContext(
  loaded: LoadedModel,
  settings: EngineSettings,
  run: (opened: OpenedContext) => Promise<Generation>,
): Promise<Generation> {
  const { contextSize, batchSize, sequences } = settings;
  if (contextSize > loaded.model.trainContextSize || batchSize > contextSize || sequences > MOST_SEQUENCES)
    throw new WorkerFailure("request", "the recorded settings are none this engine would have used", {
      contextSize,
      batchSize,
      sequences,
    });
  if (other === null || !sameArithmetic(other.settings, settings)) {
    await other?.opened.context.dispose();
    other = null;
    const opened = await openContext(loaded.model, settings).catch((error: unknown) => {
      throw new WorkerFailure("memory", error instanceof Error ? error.message : String(error), {
        contextSize,
        sequences,
      });
    });
    other = { settings, opened };
  }
  return await run(other.opened);
}

function sameTokens(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((token, index) => token === b[index]);
}
