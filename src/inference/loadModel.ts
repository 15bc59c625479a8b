import type { BigIntStats } from "node:fs";
import { stat } from "node:fs/promises";
import { arch, platform } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import type { Llama, LlamaModel, LlamaOptions } from "node-llama-cpp";
import {
  getLlama,
  getLlamaGpuTypes,
  getModuleVersion,
  GgmlType,
  GgufInsights,
  InsufficientMemoryError,
  LlamaLogLevel,
  NoBinaryFoundError,
  readGgufFileInfo,
} from "node-llama-cpp";
import type { EngineSettings } from "../core/inference.ts";
import type { Company } from "./batchOrder.ts";
import { loadVariant, PINNED_VARIANT } from "./cpuVariant.ts";
import { hashFile } from "./hashFile.ts";
import type { FromWorker, OpenRequest, ReadyMessage } from "./messages.ts";
import { modelIdentity } from "./modelIdentity.ts";
import { nativeLibraries } from "./nativeLibraries.ts";
import { openContext, type OpenedContext } from "./openContext.ts";
import { requireMemory } from "./planMemory.ts";
import type { Chat } from "./renderPrompt.ts";
import { openChat } from "./renderPrompt.ts";
import { WorkerFailure } from "./workerFailure.ts";

/** Tokens evaluated at once. At least 4, or other kernels compute other bits (measured); fixed, so that all agree. */
const BATCH_SIZE = 512;

/** Tokens of context where none is asked for. */
const USUAL_CONTEXT = 1024;

/** Lines of llama.cpp's log kept for the error; it says there, and only there, why a file will not load. */
const LOG_LINES = 20;

const LOG_DELAY_MS = 20;

export type LoadedModel = {
  readonly llama: Llama;
  readonly model: LlamaModel;
  readonly chat: Chat;
  readonly opened: OpenedContext;
  /** How runs may share a batch in canonical mode. */
  readonly company: Company;
  /** Whether a sequence can forget the end of what it holds and keep the beginning. */
  readonly keepsPrefixes: boolean;
  readonly ready: ReadyMessage;
  /** Throws when the file is no longer the one that was hashed: llama.cpp reads it through a memory map. */
  readonly checkUnchanged: () => Promise<void>;
};

/** Checks the hash, then loads, then says exactly what was loaded. */
export async function loadModel(
  request: OpenRequest,
  send: (message: FromWorker) => void,
): Promise<LoadedModel> {
  const { modelPath } = request;
  const before = await statOf(modelPath);
  if (!before.isFile()) throw new WorkerFailure("file", "it is no regular file");
  const log: string[] = [];
  // The binding first tries its library in a process of its own; the hash is computed meanwhile. It sees no model yet.
  const starting = start(request, {
    build: "never",
    maxThreads: request.threads,
    progressLogs: false,
    logLevel: LlamaLogLevel.warn,
    logger: (_level, message) => void (log.push(message.trim()) > LOG_LINES && log.shift()),
  });
  starting.catch(() => {});
  const actual = await hashFile(modelPath, (permille) =>
    send({ type: "progress", phase: "hashing", permille }),
  ).catch((error: unknown) => refuse(error, []));
  if (actual !== request.sha256)
    throw new WorkerFailure("hash", "the sha256 differs", { expected: request.sha256, actual });

  try {
    // First, because the native loader follows the parts of a split model by itself, and only this part was hashed.
    const info = await readGgufFileInfo(modelPath, {
      sourceType: "filesystem",
      readTensorInfo: true,
      spliceSplitFiles: false,
      logWarnings: false,
    });
    const parts = Number((info.metadata as { split?: { count?: unknown } }).split?.count ?? 1);
    if (parts > 1) throw new WorkerFailure("file", `it is one of ${parts} parts; merge them into one file`);

    const llama = await starting;
    if (request.gpu === "required" && llama.gpu === false)
      throw new WorkerFailure("gpu", "no GPU was found that llama.cpp can use");
    const mode = request.mode === "auto" ? (llama.gpu === false ? "canonical" : "fast") : request.mode;
    const contextSize = contextOf(request, await GgufInsights.from(info, llama));
    const planned = {
      contextSize,
      batchSize: BATCH_SIZE,
      sequences: request.sequences,
      flashAttention: mode === "fast",
    };
    if (llama.gpu === false) await requireMemory(llama, info, planned);
    let told = -1;
    const model = await llama.loadModel({
      modelPath,
      checkTensors: true,
      gpuLayers: mode === "canonical" ? 0 : { fitContext: { contextSize: contextSize * request.sequences } },
      onLoadProgress(fraction) {
        const permille = Math.min(1000, Math.max(0, Math.floor(fraction * 1000)));
        if (permille - told >= 10) send({ type: "progress", phase: "loading", permille: (told = permille) });
      },
    });
    if (request.gpu === "required" && model.gpuLayers === 0)
      throw new WorkerFailure("gpu", "not one layer of the model fits on it beside the context");
    const wished: EngineSettings = {
      contextSize,
      batchSize: Math.min(BATCH_SIZE, contextSize),
      threads: request.threads,
      flashAttention: mode === "fast" && model.flashAttentionSupported,
      gpuLayers: model.gpuLayers,
      sequences: request.sequences,
    };
    const company = exactCompany(model);
    const opened = await openContext(model, wished, mode === "fast" ? "mixed" : company);
    const settings = { ...wished, flashAttention: opened.context.flashAttention === true };
    let known = fingerprint(before);
    const checkUnchanged = async () => {
      const found = fingerprint(await statOf(modelPath));
      if (found === known) return;
      // A hard link or a touch changes the stamps but not the content; that much is worth reading it again.
      if ((await hashFile(modelPath)) !== actual)
        throw new WorkerFailure("file", "it was changed after its hash had been checked");
      known = found;
    };
    // Between hashing and loading the path could have been pointed at another file.
    await checkUnchanged();
    const ready: ReadyMessage = {
      type: "ready",
      mode,
      model: modelIdentity(modelPath, actual, Number(before.size), model.fileInfo, {
        contextLength: model.trainContextSize,
        parameters: model.fileInsights.totalParameters,
      }),
      runtime: {
        binding: `node-llama-cpp@${await getModuleVersion()}`,
        llamaCpp: llama.llamaCppRelease.release,
        backend: llama.gpu === false ? "cpu" : llama.gpu,
        devices: llama.gpu === false ? [] : await llama.getGpuDeviceNames(),
        libraries: [...(await nativeLibraries())],
        platform: `${platform}-${arch}`,
      },
      settings,
    };
    const { isHybrid, isRecurrent, swaSize } = model.fileInsights;
    const keepsPrefixes = !isHybrid && !isRecurrent && swaSize === undefined;
    return { llama, model, opened, company, keepsPrefixes, chat: openChat(model), ready, checkUnchanged };
  } catch (error) {
    // The log arrives through another thread, a moment later than the error.
    await sleep(LOG_DELAY_MS);
    return refuse(error, log);
  }
}

/** Never less than was asked for without a word: prompts would be refused for which it would have been enough. */
function contextOf(
  { contextSize }: OpenRequest,
  { trainContextSize: declared = Infinity }: GgufInsights,
): number {
  if (contextSize === null) return Math.min(USUAL_CONTEXT, declared);
  if (contextSize <= declared) return contextSize;
  throw new WorkerFailure("request", "the context is larger than the model was trained for", {
    contextSize,
    declared,
  });
}

/**
 * Starts the binding on the GPU, or with the CPU variant that was asked for. Which one was loaded shows in the record.
 */
async function start({ mode, cpuVariant }: OpenRequest, options: Omit<LlamaOptions, "gpu">): Promise<Llama> {
  const onGpu =
    mode === "fast" ||
    (mode === "auto" && (await getLlamaGpuTypes("supported")).some((type) => type !== false));
  if (onGpu || cpuVariant === "best") return await getLlama({ ...options, gpu: onGpu ? "auto" : false });
  const variant = cpuVariant === "pinned" ? PINNED_VARIANT : cpuVariant;
  // Where the pinned one can't be had the best one has to do: the record names it.
  if (variant !== null && !(await loadVariant(variant)) && cpuVariant !== "pinned")
    throw new WorkerFailure("variant", "this processor can't run it, or llama.cpp has none of that name", {
      variant,
    });
  return await getLlama({ ...options, gpu: false });
}

/** Only with Q8_0 weights does a row of a batch come out the same whatever the other rows are (measured). */
function exactCompany({ fileInfo }: LlamaModel): Company {
  const matrices = (fileInfo.fullTensorInfo ?? []).filter(({ dimensions }) => dimensions.length > 1);
  const all = matrices.every(({ ggmlType }) => ggmlType === GgmlType.Q8_0);
  return matrices.length > 0 && all ? "answers" : "alone";
}

async function statOf(path: string): Promise<BigIntStats> {
  return await stat(path, { bigint: true }).catch((error: unknown) => refuse(error, []));
}

function fingerprint({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(":");
}

/** What the binding, llama.cpp or the file system threw, as a failure with a name. */
function refuse(error: unknown, log: readonly string[]): never {
  if (error instanceof WorkerFailure && error.code !== "gpu") throw error;
  const said = error instanceof Error ? error.message || error.name : String(error);
  const facts = { reason: said, ...(log.length > 0 && { log: log.slice(-3).join(" | ").slice(0, 400) }) };
  // Why the GPU could not be used stands in the log only.
  if (error instanceof WorkerFailure) throw new WorkerFailure("gpu", error.shortMessage, facts);
  if (error instanceof InsufficientMemoryError) throw new WorkerFailure("memory", said, facts);
  if (error instanceof NoBinaryFoundError)
    throw new WorkerFailure(
      "file",
      "there is no llama.cpp binary for this machine, and none is ever built here",
      facts,
    );
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ENOENT") throw new WorkerFailure("file", "there is no such file", facts);
  if (code === "EACCES" || code === "EPERM")
    throw new WorkerFailure("file", "this process may not read it", facts);
  throw new WorkerFailure("file", "it is damaged or no GGUF that llama.cpp knows", facts);
}
