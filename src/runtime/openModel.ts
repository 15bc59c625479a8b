import { basename } from "node:path";

import type { InferenceEngine } from "../core/inference.ts";
import { openEnergyMeter } from "../inference/energy.ts";
import { hedge as hedged } from "../inference/hedge.ts";
import { openLadder } from "../inference/ladder.ts";
import { metered } from "../inference/metered.ts";
import { openRemoteEngine } from "../inference/remote/openRemoteEngine.ts";
import { shareEngine } from "../inference/shareEngine.ts";
import type { EngineProgress } from "../inference/startWorker.ts";
import { enginesOf, type EngineConfig, type ModelConfig, type RemoteModel } from "./modelConfig.ts";

type Options = {
  readonly onProgress?: (event: EngineProgress) => void;
  readonly signal?: AbortSignal | undefined;
};

/** Opens what a configuration names: one engine, or several in order. @throws what the engines throw */
export function openModel(config: ModelConfig, options: Options = {}): Promise<InferenceEngine> {
  const engines = enginesOf(config);
  if (engines.length === 1) return openOne(engines[0]!, options);
  const rungs = engines.map((one) => ({
    name: engineName(one),
    open: (signal: AbortSignal) => openOne(one, { ...options, signal }),
  }));
  return openLadder(rungs, { deadlineMs: config.deadlineMs ?? 120_000, signal: options.signal });
}

/** What an engine is called in records and reports. */
export const engineName = (config: EngineConfig): string =>
  "remote" in config ? `${config.remote.model} at ${new URL(config.remote.url).host}` : basename(config.file);

async function openOne(config: EngineConfig, options: Options): Promise<InferenceEngine> {
  if ("remote" in config) return openServer(config, options.signal);
  const { file, ...local } = config;
  const engine = await shareEngine({
    ...local,
    modelPath: file,
    ...(options.onProgress ? { onProgress: options.onProgress } : {}),
    ...(options.signal ? { signal: options.signal } : {}),
  });
  const meter = await openEnergyMeter({ nvidiaSmi: engine.runtime.backend === "cuda" ? "nvidia-smi" : null });
  return meter ? metered(engine, meter) : engine;
}

async function openServer(
  { remote: { deadlineMs, hedge, ...remote } }: RemoteModel,
  signal: AbortSignal | undefined,
): Promise<InferenceEngine> {
  const deadlines = { inferMs: deadlineMs };
  const first = await openRemoteEngine({ ...remote, deadlines, signal });
  if (!hedge) return first;
  const { minSamples, url, ...other } = hedge;
  if (url === undefined) return hedged(first, first, { minSamples });
  try {
    const { apiKeyFile: _, allowHttp: __, ...shared } = remote;
    // It is there for bad days, and may have one itself: what is wrong with it then stands in the record.
    const second = await openRemoteEngine({ ...shared, ...other, url, deadlines, signal, unasked: true });
    return hedged(first, second, { minSamples });
  } catch (error) {
    await first.close();
    throw error;
  }
}
