import type { Token } from "node-llama-cpp";
import { canonicalize } from "../core/canonical.ts";
import type { EngineSettings, Prompt } from "../core/inference.ts";
import type { Generation } from "./generate.ts";
import { generate } from "./generate.ts";
import type { LoadedModel } from "./loadModel.ts";
import {
  MOST_SEQUENCES,
  type Answer,
  type CheckRequest,
  type FromWorker,
  type WorkRequest,
} from "./messages.ts";
import { openContext, type OpenedContext, type Seat } from "./openContext.ts";
import { teacherForce } from "./teacherForce.ts";
import { longestBridge, thoughtIn } from "./thoughtSpan.ts";
import { tokenizeOptions, weighOptions } from "./weighOptions.ts";
import { WorkerFailure } from "./workerFailure.ts";

/** One request, in the worker: render, refuse or evaluate, answer. */
export async function runRequest(
  loaded: LoadedModel,
  request: WorkRequest,
  send: (message: FromWorker) => void,
  cancelled: () => boolean,
): Promise<Answer> {
  const { id, prompt } = request;
  await loaded.checkUnchanged();
  const rendered = loaded.chat.render(prompt.messages, prompt.thought !== undefined);
  if (rendered.length === 0) throw new WorkerFailure("request", "the prompt renders to no token");
  if (request.type === "measure") {
    const { contextSize } = loaded.ready.settings;
    const roomTokens = contextSize - needOf(loaded, prompt, rendered.length).total;
    return { type: "measured", id, promptTokens: rendered.length, contextSize, roomTokens };
  }
  // Also keeps ids that are in no vocabulary away from native code: a record may come from anybody.
  if (request.type !== "infer" && !sameTokens(rendered, request.promptTokens))
    return { type: "rendered", id, promptTokens: [...rendered] };
  if (request.type === "check") return await check(loaded, request);

  const settings = request.type === "repeat" ? possible(request.settings, loaded) : loaded.ready.settings;
  requireRoom(loaded, prompt, rendered.length, settings.contextSize);
  const { syntax } = needOf(loaded, prompt, rendered.length);
  // Never in canonical mode, and not where a sequence can't forget its end without losing its beginning (recurrent models, windows).
  const reuse = request.type === "infer" && loaded.ready.mode === "fast" && loaded.keepsPrefixes;
  const run = (seat: Seat): Promise<Generation> =>
    generate(
      { llama: loaded.llama, model: loaded.model, seat },
      {
        promptTokens: rendered,
        grammar: prompt.grammar,
        maxTokens: prompt.maxTokens,
        thought: syntax && prompt.thought ? { syntax, maxTokens: prompt.thought.maxTokens } : null,
        options: prompt.options ? tokenizeOptions(loaded.model, prompt.options) : null,
        sampling: request.sampling,
        anchor: request.type === "repeat" ? request.anchor : reuse ? "start" : "end",
        reuse,
      },
      { cancelled, onFirstToken: () => send({ type: "phase", id, phase: "generation" }) },
    );
  const generation = sameArithmetic(settings, loaded.ready.settings)
    ? await loaded.opened.use(run, reuse ? rendered : [])
    : await inOwnContext(loaded, settings, run);
  return { type: "result", id, promptTokens: [...rendered], ...mutable(generation) };
}

/** The same without `readonly`: what goes through the channel is copied anyway. */
function mutable({ fingerprints, options, outputTokens, ...rest }: Generation) {
  return {
    ...rest,
    outputTokens: [...outputTokens],
    options: options && options.map((option) => ({ ...option })),
    fingerprints: {
      every: fingerprints.every,
      rows: fingerprints.rows.map(({ at, logitsMilli, tokens }) => ({
        at,
        tokens: [...tokens],
        logitsMilli: [...logitsMilli],
      })),
    },
  };
}

/** Tokens that prompt, thought and answer take at most. The last token written is never evaluated, so they may fill the context exactly. */
function needOf({ chat, model }: LoadedModel, prompt: Prompt, promptTokens: number) {
  const syntax = prompt.thought === undefined ? null : chat.thought;
  const thoughtTokens =
    prompt.thought && syntax ? prompt.thought.maxTokens + longestBridge(model, syntax) : 0;
  const options = prompt.options ? tokenizeOptions(model, prompt.options) : [];
  const answer = Math.max(prompt.maxTokens, ...options.map(({ tokens }) => tokens.length));
  return { syntax, thoughtTokens, answer, total: promptTokens + thoughtTokens + answer };
}

/** Refuses what could outgrow its context, before a token is evaluated. */
function requireRoom(loaded: LoadedModel, prompt: Prompt, promptTokens: number, contextSize: number): void {
  const { answer, thoughtTokens, total } = needOf(loaded, prompt, promptTokens);
  if (total > contextSize)
    throw new WorkerFailure("promptTooLong", "prompt, thought and answer do not fit", {
      tokens: promptTokens,
      thoughtTokens,
      maxTokens: answer,
      contextSize,
    });
}

/** A record in one pass, in this engine's own context: other settings are what the tolerance is for. */
async function check(loaded: LoadedModel, request: CheckRequest): Promise<Answer> {
  const { id, outputTokens, prompt, promptTokens, rows, thought } = request;
  const { model } = loaded;
  const { contextSize } = loaded.ready.settings;
  const answerAt = thought === null ? 0 : thought.tokens + thought.forced;
  const options = prompt.options ? tokenizeOptions(model, prompt.options) : null;
  const behind = [
    outputTokens.length,
    ...(options ?? []).map(({ tokens }) => Math.min(answerAt, outputTokens.length) + tokens.length),
  ];
  if (promptTokens.length + Math.max(...behind) > contextSize)
    throw new WorkerFailure("promptTooLong", "prompt and answer do not fit", {
      tokens: promptTokens.length,
      maxTokens: Math.max(...behind),
      contextSize,
    });
  const vocabulary = model.fileInfo.metadata.tokenizer?.ggml?.tokens.length ?? 0;
  const inVocabulary = (token: number) => token < vocabulary;
  if (
    ![...outputTokens, ...rows.flatMap(({ tokens }) => tokens)].every(inVocabulary) ||
    !rows.every(({ at }) => at < promptTokens.length)
  )
    throw new WorkerFailure(
      "request",
      "the record names tokens that are in no vocabulary, or places beyond its prompt",
    );
  const { syntax } = needOf(loaded, prompt, promptTokens.length);
  const there =
    syntax && prompt.thought && thought
      ? thoughtIn(model, syntax, outputTokens, thought, prompt.thought.maxTokens)
      : null;
  if ((thought === null) !== (prompt.thought === undefined) || canonicalize(there) !== canonicalize(thought))
    return { type: "otherThought", id };
  const prefix = [...promptTokens, ...outputTokens.slice(0, answerAt)] as Token[];
  const { opinion, weights } = await loaded.opened.use(async (seat) => ({
    opinion: await teacherForce({ llama: loaded.llama, model, seat }, request),
    weights: options && [...(await weighOptions(seat, prefix, options))],
  }));
  return {
    type: "checked",
    id,
    steps: opinion.steps.map((step) => ({ ...step })),
    rows: opinion.rows.map((row) => [...row]),
    text: model.detokenize(outputTokens.slice(answerAt) as Token[]),
    options: weights,
    optionTokens: (options ?? []).map(({ tokens }) => tokens.length),
  };
}

/**
 * Whether two settings compute the same bits on the same machine (measured): threads and the number of sequences count only with
 * flash attention. Layers on the GPU belong to the loaded model and can't be changed here.
 */
export function sameArithmetic(a: EngineSettings, b: EngineSettings): boolean {
  return (
    a.contextSize === b.contextSize &&
    a.batchSize === b.batchSize &&
    a.flashAttention === b.flashAttention &&
    (!a.flashAttention || (a.threads === b.threads && a.sequences === b.sequences))
  );
}

/**
 * The last context that was opened for recorded settings. Kept, because a verifier asks for the same ones many times
 * and llama.cpp does not give all memory of a context back (measured: 1 to 4 MB each).
 */
let other: { readonly settings: EngineSettings; readonly opened: OpenedContext } | null = null;
let othersTurn: Promise<unknown> = Promise.resolve();

/** One run at a time, in a context that may first have to replace the last one. */
function inOwnContext(
  loaded: LoadedModel,
  settings: EngineSettings,
  run: (seat: Seat) => Promise<Generation>,
): Promise<Generation> {
  const turn = othersTurn.then(async () => await (await otherContext(loaded, settings)).use(run));
  othersTurn = turn.catch(() => {});
  return turn;
}

async function otherContext(loaded: LoadedModel, settings: EngineSettings): Promise<OpenedContext> {
  const { contextSize, sequences } = settings;
  if (other === null || !sameArithmetic(other.settings, settings)) {
    await other?.opened.context.dispose();
    other = null;
    const opened = await openContext(loaded.model, settings, loaded.company).catch((error: unknown) => {
      throw new WorkerFailure("memory", error instanceof Error ? error.message : String(error), {
        contextSize,
        sequences,
      });
    });
    other = { settings, opened };
  }
  return other.opened;
}

/** Recorded settings that some engine may have had; a record may come from anybody. */
function possible(settings: EngineSettings, { model }: LoadedModel): EngineSettings {
  const { contextSize, batchSize, sequences } = settings;
  if (contextSize > model.trainContextSize || batchSize > contextSize || sequences > MOST_SEQUENCES)
    throw new WorkerFailure("request", "the recorded settings are none this engine would have used", {
      contextSize,
      batchSize,
      sequences,
    });
  return settings;
}

function sameTokens(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((token, index) => token === b[index]);
}
