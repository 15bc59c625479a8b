import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

import { BaseError } from "../core/errors.ts";
import type { LocalChainOptions } from "./localChain.ts";

/** The local chain's process did not come up. */
export class LocalChainStartError extends BaseError {
  override readonly name = "LocalChainStartError";
}

export type ChainProcess = { readonly url: string; close(): Promise<void> };

/** Starts a local chain in a process of its own, as a real node would be. It ends with this process, also on `kill -9`. */
export async function startChainProcess(
  options: LocalChainOptions & { readonly port?: number } = {},
): Promise<ChainProcess> {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const child = fork(
    fileURLToPath(new URL(`./chainWorker.${extension}`, import.meta.url)),
    [JSON.stringify(options)],
    {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    },
  );
  let stderr = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr = (stderr + chunk.toString("utf8")).slice(-2000);
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    child.once("message", (message: { url?: string; error?: { name: string; message: string } }) => {
      if (message.url) resolve(message.url);
      else reject(new LocalChainStartError(message.error?.message ?? "The local chain did not start."));
    });
    child.once("exit", (code) =>
      reject(
        new LocalChainStartError("The local chain did not start.", {
          facts: { code: code ?? "killed", stderr: stderr.split("\n")[0] ?? "" },
        }),
      ),
    );
  });
  return {
    url,
    async close() {
      if (child.exitCode === null) child.kill("SIGTERM");
      await exited;
    },
  };
}
