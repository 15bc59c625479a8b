import { measureBlockTime, type BlockTime } from "../chain/blockTime.ts";
import { hashFile } from "../inference/hashFile.ts";
import { readConfig } from "./config.ts";
import { bundledModel } from "./bundledModel.ts";
import { enginesOf, type EngineConfig } from "./modelConfig.ts";
import { modelFileOf } from "./models.ts";
import type { Prices } from "./prices.ts";

export type BenchSubjects = {
  readonly engines: readonly EngineConfig[];
  readonly prices: Prices | undefined;
  /** RPC of the first configuration. */
  readonly rpc: string | undefined;
};

/**
 * What is to be compared: GGUF files, names in the store, and configurations (`*.json`), of which every engine of the `model` section
 * counts. The bundled clerk when nothing is named. Prices and RPC are those of the first configuration that has them.
 *
 * @throws ConfigError, ModelFileError and what the store throws
 */
export async function benchSubjects(
  words: readonly string[],
  { contextSize, store }: { readonly contextSize?: number | undefined; readonly store?: string | undefined },
): Promise<BenchSubjects> {
  const engines: EngineConfig[] = [];
  let [prices, rpc]: [Prices | undefined, string | undefined] = [undefined, undefined];
  for (const word of words.length === 0 ? [bundledModel] : words)
    if (word.endsWith(".json")) {
      const config = await readConfig(word);
      engines.push(...enginesOf(config.model));
      prices ??= config.prices;
      rpc ??= config.chain.rpc;
    } else {
      const { manifest, path } = await modelFileOf(word, store);
      const sha256 = manifest?.sha256 ?? (await hashFile(path));
      const context = contextSize === undefined ? {} : { contextSize };
      engines.push({ file: path, sha256, mode: "auto", ...context, threads: 1 });
    }
  return { engines, prices, rpc };
}

export const blockTimeOf = (rpc: string): Promise<BlockTime | null> => measureBlockTime(rpc);
export type { BlockTime } from "../chain/blockTime.ts";
