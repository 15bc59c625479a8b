// What the runtime itself takes of a decision, with a model and a chain that take no time: `npm run bench:runtime`. See bench/README.md.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import path from "node:path";
import { parseArgs, promisify } from "node:util";

import type { Order, Recovery, Speed } from "./runtime/measure.ts";

const help = `npm run bench:runtime [-- options]

Decisions a second, and milliseconds that one decision takes, through all nine steps, durable (WAL, synchronous FULL), with a scripted model
and a chain in memory. Each row in a process of its own.

  --json             one JSON object on stdout: rows[] { agents, decisionsPerSecond, overheadMsP50, overheadMsP99, rssMb, cpuMs, flushMsP50, flushMsP99 }, rival, recovery
  --agents LIST      default 1,100,1000,10000
  --decisions N      for each row, at least one an agent (default 2000)
  --folder DIR       where the journals are written (default: the system's temporary folder)
  --no-rival         without LangGraph.js, which installs itself the first time (94 MB)
  --help
`;

type Row = Speed & { readonly agents: number };

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    agents: { type: "string", default: "1,100,1000,10000" },
    decisions: { type: "string", default: "2000" },
    folder: { type: "string", default: tmpdir() },
    "no-rival": { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const counts = values.agents.split(",").map(Number);
const wanted = Number(values.decisions);
if (values.help || ![...counts, wanted].every((count) => Number.isInteger(count) && count > 0)) {
  process.stdout.write(help);
  process.exit(values.help ? 0 : 2);
}

const here = (file: string) => path.join(import.meta.dirname, "runtime", file);
const rivalAgents = 100;
/** Rows that the journal holds about when its process is killed: 24 a decision. */
const killed = { agents: 1000, bills: 5 };

const rows: Row[] = [];
for (const agents of counts) {
  tell(`${agents} agents …`);
  const order = { agents, task: "speed", bills: Math.ceil(wanted / agents) } as const;
  rows.push({ agents, ...(await inFolder((folder) => measure<Speed>({ folder, ...order }))) });
}
tell("a kill, and what comes after …");
const recovery = await inFolder(async (folder) => {
  const order = { folder, ...killed };
  const died = await measure({ ...order, task: "die" }).then(
    () => false,
    (error: { readonly signal?: string }) => error.signal === "SIGKILL",
  );
  if (!died) throw new Error("The runtime did not die.");
  return measure<Recovery>({ ...order, task: "recover" });
});
const rival = values["no-rival"] ? null : await measureRival();

if (values.json)
  process.stdout.write(
    `${JSON.stringify({ rows: rows.map(rounded), rival: rival && rounded(rival), recovery: rounded(recovery) })}\n`,
  );
else {
  process.stdout.write("agents  decisions/s  ms p50  ms p99  RSS MB  CPU ms  flush ms p50\n");
  for (const row of rows)
    process.stdout.write(
      `${String(row.agents).padStart(6)}  ${row.decisionsPerSecond.toFixed(0).padStart(11)}  ${row.overheadMsP50.toFixed(1).padStart(6)}  ${row.overheadMsP99.toFixed(1).padStart(6)}  ${row.rssMb.toFixed(0).padStart(6)}  ${row.cpuMs.toFixed(1).padStart(6)}  ${row.flushMsP50.toFixed(2).padStart(12)}\n`,
    );
  if (rival)
    process.stdout.write(
      `${rival.name}, ${rivalAgents} agents: ${rival.decisionsPerSecond.toFixed(0)} decisions/s\n`,
    );
  process.stdout.write(
    `after a kill, ${recovery.rows} rows: open in ${recovery.openMs.toFixed(0)} ms, what was cut off is done ${recovery.wentOnMs.toFixed(0)} ms later\n`,
  );
}

async function measureRival(): Promise<{ readonly name: string; readonly decisionsPerSecond: number }> {
  tell("the rival …");
  const { stdout } = await promisify(execFile)(process.execPath, [here("installLangGraph.mjs")]);
  const order = { agents: rivalAgents, bills: Math.ceil(wanted / rivalAgents), packages: stdout.trim() };
  const result = await inFolder((folder) =>
    program<{ readonly decisionsPerSecond: number }>("rival.mjs", { folder, ...order }),
  );
  return {
    name: "LangGraph.js with its SQLite checkpointer, three steps, WAL and synchronous FULL",
    ...result,
  };
}

function measure<Result>(order: Order): Promise<Result> {
  return program<Result>("measure.ts", order);
}

async function program<Result>(file: string, order: object): Promise<Result> {
  const flags = ["--disable-warning=ExperimentalWarning", "--conditions=source"];
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...flags,
    here(file),
    JSON.stringify(order),
  ]);
  return JSON.parse(stdout) as Result;
}

async function inFolder<Result>(work: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(path.join(values.folder, "bursar-bench-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Numbers as they are worth telling. */
function rounded<Figures extends object>(figures: Figures): Figures {
  const entries = Object.entries(figures).map(([name, value]) => [
    name,
    typeof value === "number" ? Math.round(value * 100) / 100 : (value as unknown),
  ]);
  return Object.fromEntries(entries) as Figures;
}

function tell(words: string): void {
  process.stderr.write(`${words} (load ${loadavg()[0]!.toFixed(1)})\n`);
}
