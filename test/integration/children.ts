import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { afterAll } from "vitest";

import type { LocalChainOptions } from "../../src/testing/localChain.ts";
import type { AgentOrder } from "./programs/agent.ts";

/** Compiled code is kept between the children of one run: they start in half the time. */
const env = { ...process.env, NODE_COMPILE_CACHE: mkdtempSync(join(tmpdir(), "bursar-compiled-")) };
afterAll(() => rmSync(env.NODE_COMPILE_CACHE, { recursive: true, force: true }));

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export type Ended = {
  readonly signal: NodeJS.Signals | null;
  /** Lines it said, in order. */
  readonly lines: readonly string[];
  readonly stderr: string;
};

export type AgentProcess = {
  readonly ended: Promise<Ended>;
  kill(): void;
  said(words: string): Promise<void>;
};

/** Starts the agent as a process of its own. `limitKiB`: no file may grow beyond that, as on a disk that is full. */
export function startAgent(order: AgentOrder, limitKiB?: number): AgentProcess {
  const program = [
    "--disable-warning=ExperimentalWarning",
    "--conditions=source",
    here("./programs/agent.ts"),
    JSON.stringify(order),
  ];
  const child =
    limitKiB === undefined
      ? spawn(process.execPath, program, { env, stdio: ["ignore", "pipe", "pipe"] })
      : spawn("bash", ["-c", `ulimit -f ${limitKiB}; exec "$0" "$@"`, process.execPath, ...program], {
          env,
          stdio: ["ignore", "pipe", "pipe"],
        });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = once(child, "close").then(([, signal]) => ({
    signal: signal as NodeJS.Signals | null,
    lines: stdout.split("\n").filter(Boolean),
    stderr,
  }));
  return {
    ended,
    kill: () => void child.kill("SIGKILL"),
    async said(words) {
      while (!stdout.includes(words)) {
        if (child.exitCode !== null || child.signalCode !== null)
          throw new Error(`The agent ended before it said "${words}":\n${stdout}${stderr}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
  };
}

export type KillableChain = { readonly url: string; readonly port: number; kill(): Promise<void> };

/** The chain's own process, with a handle for `kill -9`. Port 0 takes any free one. */
export async function startKillableChain(
  options: LocalChainOptions & { readonly port?: number },
): Promise<KillableChain> {
  const child = fork(here("../../src/testing/chainWorker.ts"), [JSON.stringify(options)], {
    execArgv: ["--disable-warning=ExperimentalWarning", "--conditions=source"],
    env,
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const [{ error, url }] = (await once(child, "message")) as [{ url: string; error?: { message: string } }];
  if (error) throw new Error(error.message);
  return {
    url,
    port: Number(new URL(url).port),
    async kill() {
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    },
  };
}
