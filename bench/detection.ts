// Does a re-check find cheats, and does it leave honest runs alone? Counts of verdicts for docs/verification.md:
//
//   npm run bench:detection -- --runs 200
//
// Each record is looked at twice: run again by the program that its maker names (this one), and, as if it came from a machine of
// another kind, checked in one pass within the model's tolerance.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import type { Hex } from "viem";
import manifest from "../models/clerk/manifest.json" with { type: "json" };
import { holdReasons } from "../src/core/action.ts";
import type { LocalInference, LocalEngine, Prompt, Sampling } from "../src/core/inference.ts";
import { readCalibration } from "../src/inference/calibration.ts";
import { uncalibrated } from "../src/inference/compareOpinion.ts";
import { actionGrammar } from "../src/inference/grammar.ts";
import { hashFile } from "../src/inference/hashFile.ts";
import { openEngine, type OpenEngineOptions } from "../src/inference/openEngine.ts";
import { fourBits, nudged, writeChanged } from "./detection/worseModels.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "200" },
    row: { type: "string", default: "" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help || !/^[1-9]\d*$/.test(values.runs)) {
  process.stdout.write(
    "npm run bench:detection [-- --runs 200 --row WORDS --json]\n\nRecords by honest and by cheating makers, and what checking says of them. --row: only those with these words in their name.\n",
  );
  process.exit(values.help ? 0 : 2);
}

const folder = path.join(import.meta.dirname, "../models/clerk");
const modelPath = path.join(folder, manifest.file);
const scratch = mkdtempSync(path.join(tmpdir(), "bursar-detection-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

type Case = { readonly payees: readonly string[]; readonly message: string };
const cases = readFileSync(path.join(folder, "dev-mail.jsonl"), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Case)
  .slice(0, Number(values.runs));

const promptOf = ({ message, payees }: Case): Prompt => ({
  messages: [
    { role: "system", content: "You are a payments clerk. Answer with one JSON action." },
    { role: "user", content: `payees: ${payees.join(", ")}\nmessage:\n${message}` },
  ],
  grammar: actionGrammar({ payees, tokens: ["USDC", "DAI", "ETH"], holdReasons }),
  maxTokens: 120,
});
const greedy: Sampling = { kind: "greedy" };
const warm = (seed: number): Sampling => ({
  kind: "sampled",
  temperatureMilli: 1000,
  topK: 40,
  topPMilli: 950,
  seed,
});

/** One word of the message is another. */
const changed = (one: Case): Case => ({
  ...one,
  message: one.message.replace(/\d/, (digit) => String((Number(digit) + 1) % 10)),
});
/** The end of the message never reached the model. */
const cut = (one: Case): Case => ({
  ...one,
  message: one.message.slice(0, Math.ceil(one.message.length / 2)),
});

type Maker = (prompt: Prompt, one: Case, index: number) => Promise<LocalInference>;
type Row = {
  readonly who: "honest" | "cheat";
  readonly what: string;
  readonly model?: "four bits" | "nudged" | "second version";
  readonly engine?: Partial<OpenEngineOptions>;
  readonly make: (engine: LocalEngine) => Maker;
};

const plainly =
  (engine: LocalEngine): Maker =>
  (prompt) =>
    engine.infer(prompt, greedy);
/** Three other prompts are answered in the same batches. */
const besideOthers =
  (engine: LocalEngine): Maker =>
  async (prompt, _one, index) => {
    const others = [1, 2, 3].map((step) =>
      engine.infer(promptOf(cases[(index + step) % cases.length]!), greedy),
    );
    const mine = await engine.infer(prompt, greedy);
    await Promise.all(others);
    return mine;
  };
/** What was said to another prompt is presented as said to this one. */
const presented =
  (engine: LocalEngine, other: (one: Case) => Case): Maker =>
  async (prompt, one) => {
    const { promptTokens } = await engine.infer({ ...prompt, maxTokens: 1 }, greedy);
    const said = await engine.infer({ ...promptOf(other(one)), grammar: prompt.grammar }, greedy);
    // Rows that would lie beyond the other prompt can't be had; the last ones stand in for them.
    const rows = said.fingerprints.rows;
    const { every } = said.fingerprints;
    const places: number[] = [];
    for (let at = promptTokens.length - 3; at >= 0; at -= every) places.unshift(at);
    const fitted = places.map((at, index) => ({
      ...rows[Math.max(0, rows.length - places.length + index)]!,
      at,
    }));
    return { ...said, prompt, promptTokens, fingerprints: { every, rows: fitted } };
  };

const rows: readonly Row[] = [
  { who: "honest", what: "another process", engine: {}, make: plainly },
  { who: "honest", what: "two threads", engine: { threads: 2 }, make: plainly },
  { who: "honest", what: "another context size", engine: { contextSize: 768 }, make: plainly },
  { who: "honest", what: "beside three others", engine: { sequences: 4 }, make: besideOthers },
  {
    who: "honest",
    what: "another CPU variant (the fastest here)",
    engine: { cpuVariant: "best" },
    make: plainly,
  },
  { who: "honest", what: "another CPU variant (SSE 4.2)", engine: { cpuVariant: "sse42" }, make: plainly },
  { who: "honest", what: "fast mode (flash attention)", engine: { mode: "fast" }, make: plainly },
  {
    who: "cheat",
    what: "another model (the clerk's second version)",
    model: "second version",
    make: plainly,
  },
  { who: "cheat", what: "weights of four bits", model: "four bits", make: plainly },
  { who: "cheat", what: "weights nudged by two steps of 256", model: "nudged", make: plainly },
  { who: "cheat", what: "one digit of the message is another", make: (engine) => presented(engine, changed) },
  { who: "cheat", what: "half of the message was cut off", make: (engine) => presented(engine, cut) },
  {
    who: "cheat",
    what: "sampled at temperature 1, said to be greedy",
    engine: { mode: "fast" },
    make: (engine) => async (prompt, _one, index) => ({
      ...(await engine.infer(prompt, warm(index))),
      sampling: greedy,
    }),
  },
  {
    who: "cheat",
    what: "sampled with another seed than it says",
    engine: { mode: "fast" },
    make: (engine) => async (prompt, _one, index) => ({
      ...(await engine.infer(prompt, warm(index))),
      sampling: warm(index + 1_000_000),
    }),
  },
  {
    who: "cheat",
    what: "one output token swapped for its neighbour",
    make: (engine) => async (prompt, _one, index) => {
      const said = await engine.infer(prompt, greedy);
      const at = index % said.outputTokens.length;
      return { ...said, outputTokens: said.outputTokens.with(at, said.outputTokens[at]! + 1) };
    },
  },
];

function fileOf(model: Row["model"]): string {
  if (model === undefined) return modelPath;
  if (model === "second version") return path.join(import.meta.dirname, "../test/model/clerk-v2-q8_0.gguf");
  return path.join(scratch, "model.gguf");
}

const sha256 = manifest.sha256 as Hex;
const here = await openEngine({ modelPath, sha256, mode: "canonical" });
const tolerance = (await readCalibration(modelPath, sha256))?.tolerance ?? uncalibrated;
const results = [];
for (const { engine: how, make, model, what, who } of rows.filter((row) => row.what.includes(values.row))) {
  const file = fileOf(model);
  const hash =
    model === "four bits" || model === "nudged"
      ? await writeChanged(modelPath, file, model === "four bits" ? fourBits : nudged)
      : await hashFile(file);
  const engine = await openEngine({ modelPath: file, sha256: hash, mode: "canonical", ...how });
  const maker = make(engine);
  const counts = { EXACT: 0, "not EXACT": 0, CONSISTENT: 0, MISMATCH: 0 };
  let sameAnswer = 0;
  try {
    for (const [index, one] of cases.entries()) {
      const prompt = promptOf(one);
      const record = { ...(await maker(prompt, one, index)), model: here.model };
      if (record.text === (await here.infer(prompt, greedy)).text) sameAnswer++;
      counts[(await here.reExecute(record)).verdict === "EXACT" ? "EXACT" : "not EXACT"]++;
      counts[(await here.reCheck(record, tolerance)).verdict]++;
      if (process.stderr.isTTY) process.stderr.write(`\r${what}: ${index + 1} of ${cases.length} `);
    }
  } finally {
    await engine.close();
  }
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  results.push({
    who,
    what,
    runs: cases.length,
    // What an honest run of this model would have said all the same: nothing is gained by such a cheat.
    sameAnswer,
    reExecution: { EXACT: counts.EXACT, MISMATCH: counts["not EXACT"] },
    reCheck: { CONSISTENT: counts.CONSISTENT, MISMATCH: counts.MISMATCH },
  });
}
await here.close();

if (values.json) process.stdout.write(`${JSON.stringify({ tolerance, rows: results }, null, 2)}\n`);
else {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(" | ")} |\n`;
  const head = ["", "what was done", "runs", "same answer", "EXACT", "CONSISTENT", "MISMATCH"];
  process.stdout.write(
    [
      line(head),
      line(["---", "---", ...head.slice(2).map(() => "--:")]),
      ...results.map(({ reCheck, reExecution, runs, sameAnswer, what, who }) =>
        line([who, what, runs, sameAnswer, reExecution.EXACT, reCheck.CONSISTENT, reCheck.MISMATCH]),
      ),
    ].join(""),
  );
}
