import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { createInterface } from "node:readline";

/** Something of the system is missing that this bench can't do without. */
export class BenchError extends Error {
  override readonly name = "BenchError";
}

/** What one run of the yardstick took; times in milliseconds of CPU. */
export type RawRun = {
  readonly promptMs: number;
  readonly generationMs: number;
  /** Tokens that it evaluated, prompts and answers together. */
  readonly evaluated: number;
  /** What it wrote, one list a sequence. */
  readonly written: readonly (readonly number[])[];
};

export type RawProgram = {
  /** Evaluates the prompts side by side and writes `tokens` tokens after each. */
  run(prompts: readonly (readonly number[])[], tokens: number): Promise<RawRun>;
  /** CPU time a process has used until now, in milliseconds, by the same clock. */
  cpuMs(pid: number): Promise<number>;
  close(): Promise<void>;
};

const libraries = ["libllama.v0.5.0.so", "libggml.v0.5.0.so", "libggml-base.so"];
const nodeLlama = path.join(import.meta.dirname, "../../node_modules/node-llama-cpp");

/** The folder of the native libraries in the binding's npm package: the very files that the engine loads. */
export function librariesFolder(): string {
  const name = "linux-x64";
  if (process.platform !== "linux" || process.arch !== "x64")
    throw new BenchError("This bench needs Linux on x64: it measures the CPU time of processes there.");
  const entry = createRequire(path.join(nodeLlama, "dist/index.js")).resolve(`@node-llama-cpp/${name}`);
  return path.join(path.dirname(entry), "../bins", name);
}

/**
 * Builds `raw.c` against the headers of the llama.cpp release that the npm package carries, once, into `folder`.
 *
 * @throws BenchError when git or a C compiler is missing
 */
export function buildRaw(folder: string): string {
  mkdirSync(folder, { recursive: true });
  const headers = path.join(folder, "headers");
  if (!existsSync(path.join(headers, "include/llama.h"))) {
    rmSync(headers, { recursive: true, force: true });
    const clone = path.join(folder, "llama.cpp");
    rmSync(clone, { recursive: true, force: true });
    need("git", [
      "clone",
      "--quiet",
      "--no-checkout",
      path.join(nodeLlama, "llama/gitRelease.bundle"),
      clone,
    ]);
    mkdirSync(headers);
    need("git", ["-C", clone, "--work-tree", headers, "checkout", "HEAD", "--", "include", "ggml/include"]);
    rmSync(clone, { recursive: true, force: true });
  }
  const program = path.join(folder, `raw-${process.pid}`);
  const from = librariesFolder();
  need(process.env["CC"] ?? "cc", [
    "-O2",
    `-I${headers}/include`,
    `-I${headers}/ggml/include`,
    path.join(import.meta.dirname, "raw.c"),
    "-o",
    program,
    ...libraries.map((name) => path.join(from, name)),
    `-Wl,-rpath,${from}`,
  ]);
  process.on("exit", () => rmSync(program, { force: true }));
  return program;
}

function need(program: string, args: readonly string[]): void {
  try {
    execFileSync(program, [...args], { stdio: ["ignore", "ignore", "pipe"] });
  } catch (error) {
    const { code, stderr } = error as NodeJS.ErrnoException & { readonly stderr?: Buffer };
    if (code === "ENOENT")
      throw new BenchError(
        `There is no \`${program}\` here. The yardstick is a C program that is built on the spot: install git and a C compiler (Debian: apt-get install git gcc libc6-dev), or name one in CC.`,
      );
    throw new BenchError(`\`${program}\` failed:\n${String(stderr)}`);
  }
}

/** Starts the yardstick with its own context for so many sequences, computing with this CPU variant. */
export async function startRaw(options: {
  readonly program: string;
  readonly modelPath: string;
  readonly variant: string;
  readonly contextSize: number;
  readonly sequences: number;
}): Promise<RawProgram> {
  const { contextSize, modelPath, program, sequences, variant } = options;
  const child = spawn(
    program,
    [modelPath, path.join(librariesFolder(), variant), String(contextSize), String(sequences)],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<readonly string[]> => {
    const { done, value } = await lines.next();
    if (done) throw new BenchError("The yardstick ended before its time; what it said is above.");
    return value.split(" ");
  };
  await answer();
  return {
    async run(prompts, tokens) {
      for (const prompt of prompts) child.stdin.write(`run ${tokens} ${prompt.join(" ")}\n`);
      child.stdin.write("go\n");
      const [, prompt, generation, evaluated, ...ids] = await answer();
      const written = ids
        .join(" ")
        .split(",")
        .map((list) => list.trim().split(" ").map(Number));
      return {
        promptMs: Number(prompt) / 1e6,
        generationMs: Number(generation) / 1e6,
        evaluated: Number(evaluated),
        written,
      };
    },
    async cpuMs(pid) {
      child.stdin.write(`cpu ${pid}\n`);
      return Number((await answer())[1]) / 1e6;
    },
    close: () => ended(child),
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.stdin?.end();
  await gone;
}
