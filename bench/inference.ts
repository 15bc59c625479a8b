// What the runtime costs on top of llama.cpp: CPU time per token of the engine's worker process, beside a C program on llama.cpp's own API
// that is linked to the same libraries and given the same token ids. See bench/README.md.
import { readdirSync, readFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

import type { LocalEngine, LocalInference, Prompt } from "../src/core/inference.ts";
import { openEngine } from "../src/inference/openEngine.ts";
import { BenchError, buildRaw, type RawProgram, startRaw } from "./inference/rawProgram.ts";
import { writeRandomModel } from "./inference/writeRandomModel.ts";

const help = `npm run bench:inference [-- options]

CPU time per token of the engine (openEngine, its child process, everything in it) over that of a C program on llama.cpp's own
API: same libraries, same model (144 million random weights, Q8_0), same token ids, one thread each, flash attention off.
Builds the program with the system's C compiler, writes the model into cache/ the first time (154 MB).

  --json             one JSON object on stdout: rows[] { sequences, phase, ratio, … }
  --rounds N         measurements of each, one after the other in turn; the median counts (default 7)
  --sequences LIST   default 1,4,8
  --prompt N         tokens of a prompt, about (default 256)
  --answer N         tokens of an answer (default 65)
  --variant NAME     CPU variant: pinned (default), best, or a name
  --help
`;

type Row = {
  readonly sequences: number;
  readonly phase: "prompt" | "generation";
  /** Ours over theirs: the median of the rounds. */
  readonly ratio: number;
  readonly ratioLow: number;
  readonly ratioHigh: number;
  readonly must: number;
  /** CPU milliseconds a token, medians. */
  readonly oursMs: number;
  readonly theirsMs: number;
};

const options = readOptions();
const interrupted = new AbortController();

async function bench(): Promise<void> {
  const cache = path.join(import.meta.dirname, "../cache/inference");
  tell("building the C program …");
  const program = buildRaw(cache);
  tell("writing the model …");
  const model = writeRandomModel(cache);
  const rows: Row[] = [];
  let record: LocalInference | undefined;
  for (const sequences of options.sequences) {
    const contextSize = 1024;
    tell(`${sequences} sequences: loading …`);
    const engine = await openEngine({
      ...model,
      mode: "canonical",
      contextSize,
      sequences,
      cpuVariant: options.variant,
      deadlines: { loadMs: 600_000, inferMs: 600_000 },
      signal: interrupted.signal,
    });
    const variant = engine.runtime.libraries.find(({ name }) => name.includes("ggml-cpu"))?.name ?? "";
    let raw: RawProgram | undefined;
    try {
      raw = await startRaw({ program, ...model, variant, contextSize, sequences });
      const measured = await measure(engine, raw, sequences, interrupted.signal);
      rows.push(...measured.rows);
      record = measured.record;
    } finally {
      await engine.close();
      await raw?.close();
    }
  }
  tell("");
  const conditions = {
    model: path.basename(model.modelPath),
    sha256: model.sha256,
    parameters: record?.model.parameters,
    binding: record?.runtime.binding,
    llamaCpp: record?.runtime.llamaCpp,
    variant: record?.runtime.libraries.find(({ name }) => name.includes("ggml-cpu"))?.name,
    processor: `${cpus().length} × ${cpus()[0]?.model.trim()}`,
    loadAverage: Math.round((loadavg()[0] ?? 0) * 10) / 10,
    rounds: options.rounds,
    promptTokens: record?.promptTokens.length,
    answerTokens: options.answer,
  };
  process.stdout.write(
    options.json ? `${JSON.stringify({ ...conditions, rows }, null, 2)}\n` : tableOf(rows, conditions),
  );
}

/** Rounds of both in turn, after one that is not counted. */
async function measure(
  engine: LocalEngine,
  raw: RawProgram,
  sequences: number,
  signal: AbortSignal,
): Promise<{ readonly rows: readonly Row[]; readonly record: LocalInference }> {
  const worker = workerOf(process.pid);
  const prompts = Array.from({ length: sequences }, (_, index) => promptOf(index));
  const ours = async (maxTokens: number, tokens: number) => {
    const before = await raw.cpuMs(worker);
    const said = await Promise.all(
      prompts.map((prompt) => engine.infer({ ...prompt(tokens), maxTokens }, { kind: "greedy" }, { signal })),
    );
    const cpuMs = (await raw.cpuMs(worker)) - before;
    for (const { outputTokens } of said)
      if (outputTokens.length !== maxTokens) throw new BenchError("The model ended before its budget.");
    return { cpuMs, said };
  };
  const short = 16;
  const figures: { readonly phase: Row["phase"]; readonly ours: number; readonly theirs: number }[] = [];
  let record: LocalInference | undefined;
  for (let round = 0; round <= options.rounds; round++) {
    if (round > 0) tell(`${sequences} sequences: round ${round} of ${options.rounds}`);
    // A prompt is what a call for one token costs.
    const long = await ours(1, options.prompt);
    const [first] = long.said;
    record = first;
    const promptTokens = long.said.map((one) => one.promptTokens);
    const theirPrompt = await raw.run(promptTokens, 1);
    // An answer is what the same call costs when it is for many tokens, less what it costs when it is for one.
    const one = await ours(1, short);
    const many = await ours(options.answer, short);
    const theirs = await raw.run(
      many.said.map((said) => said.promptTokens),
      options.answer,
    );
    const wrote = sequences * (options.answer - 1);
    const read = sum(promptTokens.map(({ length }) => length));
    if (
      theirPrompt.evaluated !== read ||
      theirs.evaluated !== sum(many.said.map((said) => said.promptTokens.length)) + wrote
    )
      throw new BenchError("The two did not evaluate the same number of tokens.");
    if (many.said.some(({ outputTokens }, index) => outputTokens.join() !== theirs.written[index]?.join()))
      throw new BenchError("The two did not write the same tokens, so they did not compute the same.");
    if (round === 0) continue;
    figures.push(
      { phase: "prompt", ours: long.cpuMs / read, theirs: theirPrompt.promptMs / read },
      { phase: "generation", ours: (many.cpuMs - one.cpuMs) / wrote, theirs: theirs.generationMs / wrote },
    );
  }
  const rows = (["prompt", "generation"] as const).map((phase): Row => {
    const these = figures.filter((figure) => figure.phase === phase);
    const ratios = these.map((figure) => figure.ours / figure.theirs);
    return {
      sequences,
      phase,
      ratio: rounded(median(ratios)),
      ratioLow: rounded(Math.min(...ratios)),
      ratioHigh: rounded(Math.max(...ratios)),
      must: sequences >= 8 ? 1.15 : phase === "prompt" ? 1.1 : 1.05,
      oursMs: rounded(median(these.map((figure) => figure.ours))),
      theirsMs: rounded(median(these.map((figure) => figure.theirs))),
    };
  });
  if (record === undefined) throw new BenchError("Nothing was measured.");
  return { rows, record };
}

/** Another prompt for each sequence, of about so many tokens: a character is a token of this model. */
const promptOf =
  (index: number) =>
  (tokens: number): Prompt => ({
    messages: [
      {
        role: "user",
        content: Array.from({ length: tokens }, (_, at) =>
          String.fromCharCode(97 + ((at * 7 + index * 5) % 26)),
        ).join(""),
      },
    ],
    grammar: null,
    maxTokens: 1,
  });

/** The engine's child process: nobody else tells its number (proc(5): pid, name, state, parent). */
function workerOf(parent: number): number {
  const found = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .find((name) => {
      try {
        const ppid = Number(readFileSync(`/proc/${name}/stat`, "utf8").split(") ").at(-1)?.split(" ")[1]);
        return ppid === parent && readFileSync(`/proc/${name}/cmdline`, "utf8").includes("inference/worker");
      } catch {
        return false;
      }
    });
  if (found === undefined) throw new BenchError("The engine's process can't be found.");
  return Number(found);
}

function tableOf(rows: readonly Row[], conditions: Readonly<Record<string, unknown>>): string {
  const line = (cells: readonly unknown[]) => `| ${cells.join(" | ")} |\n`;
  return [
    line(["sequences", "phase", "llama.cpp ms/token", "ours ms/token", "ratio", "lowest to highest", "must"]),
    line(["--:", "---", "--:", "--:", "--:", "--:", "--:"]),
    ...rows.map((row) =>
      line([
        row.sequences,
        row.phase,
        row.theirsMs.toFixed(2),
        row.oursMs.toFixed(2),
        row.ratio.toFixed(2),
        `${row.ratioLow.toFixed(2)} to ${row.ratioHigh.toFixed(2)}`,
        `≤ ${row.must.toFixed(2)}`,
      ]),
    ),
    "\n",
    ...Object.entries(conditions).map(([name, value]) => `${name}: ${String(value)}\n`),
  ].join("");
}

/** The middle one; of an even number the lower of the two. */
const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? 0;
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const rounded = (value: number): number => Math.round(value * 1000) / 1000;

function tell(words: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${words}`);
}

function readOptions() {
  const flag = { type: "boolean", default: false } as const;
  try {
    const { values } = parseArgs({
      options: {
        json: flag,
        help: flag,
        rounds: { type: "string", default: "7" },
        sequences: { type: "string", default: "1,4,8" },
        prompt: { type: "string", default: "256" },
        answer: { type: "string", default: "65" },
        variant: { type: "string", default: "pinned" },
      },
    });
    const natural = (name: string, text: string, most: number): number => {
      const value = Number(text);
      if (!Number.isSafeInteger(value) || value < 1 || value > most)
        throw new Error(`--${name} takes numbers from 1 to ${most}.`);
      return value;
    };
    return {
      ...values,
      rounds: natural("rounds", values.rounds, 1000),
      sequences: values.sequences.split(",").map((text) => natural("sequences", text, 16)),
      prompt: natural("prompt", values.prompt, 800),
      answer: Math.max(2, natural("answer", values.answer, 900)),
    };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${help}`);
    process.exit(2);
  }
}

if (options.help) process.stdout.write(help);
else {
  process.once("SIGINT", () => interrupted.abort());
  await bench().catch((error: unknown) => {
    if (!interrupted.signal.aborted && !(error instanceof BenchError)) throw error;
    tell("");
    process.stderr.write(interrupted.signal.aborted ? "Interrupted.\n" : `${(error as Error).message}\n`);
    process.exitCode = interrupted.signal.aborted ? 130 : 1;
  });
}
