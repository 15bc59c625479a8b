import { defineCommand, type CommandDef } from "citty";

import { BaseError } from "../core/errors.ts";
import type { BlockTime } from "../runtime/benchEngines.ts";
import type { EngineBench } from "../runtime/benchModel.ts";
import { costInWords } from "../runtime/economics.ts";

/** Runs of each prompt that are enough for anybody. */
const mostRuns = 1000;

const benchModelCommand = defineCommand({
  meta: {
    name: "model",
    description:
      "Asks engines the same prompts and shows what a decision waits for, beside the chain's block time. Example: bursar bench model qwen3-4b bursar.json --rpc http://127.0.0.1:8545",
  },
  args: {
    engines: {
      type: "positional",
      description:
        "GGUF files, names in the store, configurations (*.json: every engine of their model section); the bundled clerk when none is named.",
      required: false,
      valueHint: "engine …",
    },
    prompts: {
      type: "string",
      description: "JSONL of prompts to ask; mails with bills when not given.",
      valueHint: "file",
    },
    runs: { type: "string", description: "How often each prompt is asked.", default: "5", valueHint: "n" },
    context: {
      type: "string",
      description: "Context of models that no configuration describes, in tokens; 1024 when not given.",
      valueHint: "n",
    },
    rpc: {
      type: "string",
      description: "The chain to compare with; the first configuration's when not given.",
      valueHint: "url",
    },
    store: {
      type: "string",
      description: "The store's folder; $BURSAR_HOME/models or ~/.bursar/models when not given.",
      valueHint: "dir",
    },
    json: { type: "boolean", description: "One JSON document on stdout.", default: false },
  },
  async run({ args }) {
    const runs = Number(args.runs);
    if (!/^\d{1,4}$/.test(args.runs) || runs < 1 || runs > mostRuns)
      throw new BaseError(`"${args.runs}" is no number of runs.`, {
        remedy: `Write a whole number from 1 to ${mostRuns}.`,
      });
    if (args.context !== undefined && !/^[1-9]\d{1,6}$/.test(args.context))
      throw new BaseError(`"${args.context}" is no size of a context.`, {
        remedy: "Write a number of tokens from 10 to 9999999.",
      });
    const stopping = new AbortController();
    for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stopping.abort());
    const [{ benchModel }, { benchSubjects, blockTimeOf }, { readPrompts }, { progressOn }, { now }] =
      await Promise.all([
        import("../runtime/benchModel.ts"),
        import("../runtime/benchEngines.ts"),
        import("../runtime/readPrompts.ts"),
        import("./modelProgress.ts"),
        import("../runtime/clock.ts"),
      ]);
    const { engines, prices, rpc } = await benchSubjects(args._, {
      contextSize: args.context === undefined ? undefined : Number(args.context),
      store: args.store,
    });
    const prompts = args.prompts === undefined ? undefined : await readPrompts(args.prompts);
    const chain = args.rpc ?? rpc;
    // Before the long part: an address that is wrong shows at once.
    const blockTime = chain === undefined ? null : await blockTimeOf(chain);
    const progress = progressOn({
      isTTY: process.stderr.isTTY,
      write: (text) => void process.stderr.write(text),
      nowMs: now,
    });
    try {
      const benches = await benchModel({
        engines,
        prompts,
        runs,
        prices,
        signal: stopping.signal,
        onProgress: (whom, permille) => progress.show({ kind: "asked", whom, permille }),
      });
      progress.end();
      process.stdout.write(
        args.json ? `${JSON.stringify({ engines: benches, blockTime })}\n` : inWords(benches, blockTime),
      );
      if (benches.every(({ answers }) => answers === 0)) process.exitCode = 1;
    } catch (error) {
      progress.end();
      if (!stopping.signal.aborted) throw error;
      process.stderr.write("Stopped; nothing is left behind.\n");
      process.exitCode = 130;
    }
  },
});

export const benchCommand: CommandDef = defineCommand({
  meta: { name: "bench", description: "Measures: how fast and how dear engines are." },
  subCommands: { model: benchModelCommand },
});

function inWords(benches: readonly EngineBench[], blockTime: BlockTime | null): string {
  const header = [
    "engine",
    "mode",
    "ready",
    "answers",
    "prompt",
    "answer",
    "in all (p50 / p95)",
    "tokens/s in / out",
    "same",
    "a decision",
  ];
  const rows = benches.map((bench) => {
    const { economics, ms, tokensPerSecond } = bench;
    const spread = (of: { p50: number; p95: number } | undefined) => (of ? `${of.p50} / ${of.p95} ms` : "—");
    const errors = Object.entries(bench.failed).map(([name, count]) => `${count} ${name}`);
    return [
      bench.engine,
      bench.mode === null ? "—" : bench.mode === "remote" ? "remote, UNVERIFIABLE" : bench.mode,
      bench.openMs === null ? "—" : `${bench.openMs} ms`,
      [String(bench.answers), ...errors].join(", "),
      spread(ms?.prefill),
      spread(ms?.generation),
      spread(ms?.total),
      `${tokensPerSecond.prompt ?? "—"} / ${tokensPerSecond.output ?? "—"}`,
      `${bench.sameAsFirst}`,
      economics.cost && bench.answers > 0
        ? costInWords({ ...economics.cost, micros: Math.ceil(economics.cost.micros / bench.answers) })
        : "—",
    ];
  });
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    `${cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd()}\n`;
  return [header, ...rows].map(line).join("") + (blockTime ? besideBlocks(benches, blockTime) : "");
}

/** Whether thinking or the chain is what one waits for. */
function besideBlocks(benches: readonly EngineBench[], { blocks, chainId, meanMs }: BlockTime): string {
  const lines = benches.flatMap(({ engine, ms }) =>
    ms === null || meanMs === 0
      ? []
      : [
          `  ${engine}: p50 is ${(ms.total.p50 / meanMs).toFixed(2)} blocks, p95 ${(ms.total.p95 / meanMs).toFixed(2)}\n`,
        ],
  );
  return `chain ${chainId}: a block every ${(meanMs / 1000).toFixed(2)} s (its last ${blocks})\n${lines.join("")}`;
}
