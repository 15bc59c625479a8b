import { env } from "node:process";

/**
 * The only variables the worker gets: what a program needs to start, and what GPU drivers look for.
 * Nothing else of the environment of the process that holds the keys.
 */
const PASSED_ON = [
  "PATH",
  // CUDA and Vulkan keep compiled kernels below the home folder.
  "HOME",
  "TMPDIR",
  "LANG",
  "LC_ALL",
  "LD_LIBRARY_PATH",
  "CUDA_VISIBLE_DEVICES",
  "CUDA_DEVICE_ORDER",
  "CUDA_HOME",
  "CUDA_PATH",
  "CUDA_CACHE_PATH",
  "NVIDIA_VISIBLE_DEVICES",
  "NVIDIA_DRIVER_CAPABILITIES",
  "HIP_VISIBLE_DEVICES",
  "ROCR_VISIBLE_DEVICES",
  "VK_ICD_FILENAMES",
  "VK_DRIVER_FILES",
  "GGML_VK_VISIBLE_DEVICES",
  "XDG_RUNTIME_DIR",
  // Windows programs do not start without these.
  "SystemRoot",
  "SystemDrive",
  "windir",
  "TEMP",
  "TMP",
] as const;

/**
 * libuv's pool runs evaluation and sampling. With its four threads the same batch of 8 rows costs 1.0 to 2.1 times the CPU time
 * (measured, docs/inference.md); evaluation has threads of its own, so there is nothing to gain.
 */
const ONE_POOL_THREAD = { UV_THREADPOOL_SIZE: "1" } as const;

/**
 * The environment of the worker process. It reads this process's environment for one purpose only: to pass less of it
 * on than `fork` would by itself.
 */
export function workerEnvironment(
  source: Readonly<Record<string, string | undefined>> = env,
): Readonly<Record<string, string>> {
  const picked: Record<string, string> = {};
  for (const name of PASSED_ON) {
    const value = source[name];
    if (value !== undefined) picked[name] = value;
  }
  return Object.freeze({ ...picked, ...ONE_POOL_THREAD });
}
