import type { GgufFileInfo, Llama } from "node-llama-cpp";
import { GgufInsights } from "node-llama-cpp";
import type { EngineSettings } from "../core/inference.ts";
import { freeMemory } from "./freeMemory.ts";
import { WorkerFailure } from "./workerFailure.ts";

type Shape = Pick<EngineSettings, "contextSize" | "batchSize" | "sequences" | "flashAttention">;

/**
 * Refuses a model that with its context does not fit into the memory there is, before any of it is loaded. Estimates of the
 * binding for the file's header: the weights, the context for all sequences, and what one batch needs.
 * For the CPU; on a GPU the binding chooses the layers that fit, with the context, and refuses by itself.
 *
 * @param info read with its tensors
 */
export async function requireMemory(llama: Llama, info: GgufFileInfo, shape: Shape): Promise<void> {
  const insights = await GgufInsights.from(info, llama);
  const { batchSize, contextSize, flashAttention, sequences } = shape;
  const weights = insights.estimateModelResourceRequirements({ gpuLayers: 0 }).cpuRam;
  const context = insights.estimateContextResourceRequirements({
    contextSize,
    batchSize: Math.min(batchSize, contextSize),
    modelGpuLayers: 0,
    sequences,
    flashAttention,
  }).cpuRam;
  const free = await freeMemory();
  if (weights + context <= free) return;
  throw new WorkerFailure("memory", "model and context are larger than the free memory", {
    needBytes: Math.ceil(weights + context),
    weightsBytes: Math.ceil(weights),
    contextBytes: Math.ceil(context),
    freeBytes: Math.floor(free),
    contextSize,
    sequences,
  });
}
