import { createRequire } from "node:module";
import { existsSync } from "node:fs";
import path from "node:path";
import { arch, platform } from "node:process";
import { fileURLToPath } from "node:url";
import type { RuntimeIdentity } from "../core/inference.ts";
import { WorkerFailure } from "./workerFailure.ts";

/**
 * The variant of llama.cpp's CPU code that canonical mode uses where nobody says otherwise: AVX2 and FMA, which x64 processors
 * have had since 2013, so that nearly every checker's processor can run the very same code (docs/decisions/0007). Other
 * architectures have none: their variants were never measured here.
 */
export const PINNED_VARIANT: string | null =
  arch === "x64" && (platform === "linux" || platform === "win32") ? "haswell" : null;

/** The variant a record was made with, as `cpuVariant` takes it; undefined when it names none. */
export function recordedVariant({ libraries }: RuntimeIdentity): string | undefined {
  const names = libraries.map(({ name }) => /^(?:lib)?ggml-cpu-([\w.]+)\.(?:so|dll)$/.exec(name)?.[1]);
  return names.find((name) => name !== undefined);
}

/** The addon's own functions that the binding uses to load its CPU code; its version is pinned, and the tests use them. */
type Addon = {
  setEnv(name: string, value: string | undefined): void;
  loadBackends(folder: string): void;
  /** undefined: no CPU code is loaded yet. */
  getGpuType(): string | false | undefined;
};

/**
 * Loads one variant before the binding looks for the fastest; it then looks no further. False: there is no such file, or this
 * processor can't run it. Only for engines without a GPU, once in a process.
 */
export async function loadVariant(variant: string): Promise<boolean> {
  if (!/^[\w.]+$/.test(variant)) throw new WorkerFailure("request", "that is no name of a CPU variant");
  const [system, prefix, extension] = platform === "win32" ? ["win", "", "dll"] : ["linux", "lib", "so"];
  const name = `${system}-${arch}`;
  const require = createRequire(import.meta.resolve("node-llama-cpp"));
  let entry: string;
  try {
    entry = require.resolve(`@node-llama-cpp/${name}`);
  } catch {
    return false;
  }
  const folder = path.join(path.dirname(entry), "../bins", name);
  const file = path.join(folder, `${prefix}ggml-cpu-${variant}.${extension}`);
  if (!existsSync(file)) return false;
  const addon = require(path.join(folder, "llama-addon.node")) as Addon;
  // llama.cpp loads the file that this variable names, besides what lies in the folder; here lies nothing for it.
  addon.setEnv("GGML_BACKEND_PATH", file);
  addon.loadBackends(path.dirname(fileURLToPath(import.meta.url)));
  addon.setEnv("GGML_BACKEND_PATH", undefined);
  return addon.getGpuType() !== undefined;
}
