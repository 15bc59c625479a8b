import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { accessSync, constants } from "node:fs";
import path from "node:path";

export const repository = path.resolve(import.meta.dirname, "../..");

/** The environment of the machine's own shell: without what our set-up and npm have put into it for this test. */
export const shellEnvironment: NodeJS.ProcessEnv = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(([key]) => !/^npm_|^NODE_|^VITEST|^CI$/i.test(key)),
  ),
  PATH: (process.env["PATH"] ?? "")
    .split(path.delimiter)
    .filter((folder) => !folder.startsWith(repository) && !folder.includes("node-gyp-bin"))
    .join(path.delimiter),
};

/** The Node that `node` means in a shell on this machine; on a developer's machine often older than 24. */
export const shellNode =
  (shellEnvironment["PATH"] ?? "")
    .split(path.delimiter)
    .map((folder) => path.join(folder, "node"))
    .find(isExecutable) ?? process.execPath;
export const shellNodeMajor = Number(
  execFileSync(shellNode, ["-p", "process.versions.node"]).toString().split(".")[0],
);

export type Ended = {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
};

/** Starts a program as a shell in that folder would, with nothing on stdin. */
export function start(folder: string, file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const started = performance.now();
  const child: ChildProcess = spawn(file, args, {
    cwd: folder,
    env: { ...shellEnvironment, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout?.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) =>
      resolve({ code, signal, stdout, stderr, ms: performance.now() - started }),
    );
  });
  const said = async (stream: () => string, words: string): Promise<void> => {
    while (!stream().includes(words) && child.exitCode === null)
      await new Promise((resolve) => setTimeout(resolve, 20));
  };
  return { child, ended, said: (words: string) => said(() => stdout + stderr, words) };
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
