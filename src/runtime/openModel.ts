import type { InferenceEngine } from "../core/inference.ts";
import { openEngine } from "../inference/openEngine.ts";
import { openRemoteEngine } from "../inference/remote/openRemoteEngine.ts";
import type { EngineProgress } from "../inference/superviseWorker.ts";
import type { EngineConfig } from "./modelConfig.ts";

/** Opens what a configuration names, whatever it is. @throws what the engines throw */
export function openModel(
  config: EngineConfig,
  options: { readonly onProgress?: (event: EngineProgress) => void; readonly signal?: AbortSignal } = {},
): Promise<InferenceEngine> {
  if ("remote" in config) {
    const { deadlineMs, ...remote } = config.remote;
    return openRemoteEngine({ ...remote, deadlines: { inferMs: deadlineMs }, signal: options.signal });
  }
  const { file, ...local } = config;
  return openEngine({ ...local, modelPath: file, ...options });
}
