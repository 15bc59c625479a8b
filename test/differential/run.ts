// judge's law against the contracts' on random grants, operations and histories:
//
//   npm run test:differential -- --cases 1000000
//
// Says how many cases agreed, and how often each answer of the law came. Exits 1 at a disagreement, and prints what repeats it.
import { fork } from "node:child_process";
import { parseArgs } from "node:util";

import { compileHarness } from "./compileHarness.ts";
import { casesPerHistory, compareLaw, type Comparison, type Part } from "./compareLaw.ts";
import { missingAnswers } from "./lawAnswers.ts";

const help = `Compares the TypeScript law with the contracts' on random operations.

  --cases N   operations to ask both about (20000)
  --seed N    other histories (1)
  --history N this one only: what a disagreement names
  --json      the counts as JSON
`;

type Message = { readonly cases: number } | { readonly result: Comparison } | { readonly failed: string };

const workers = 2;
/** Histories in one order to a worker: small enough that both end at about the same time. */
const historiesPerPart = 50;

/** One process with a chain of its own; it takes one part after the other. */
async function work(): Promise<void> {
  const { openLawChain } = await import("./lawChain.ts");
  const chain = await openLawChain();
  const tell = (message: Message) => process.send!(message);
  process.on("message", (part: Part) => {
    compareLaw(part, chain).then(
      (result) => tell({ result }),
      (error: unknown) =>
        tell({ failed: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    );
  });
  process.on("disconnect", () => process.exit(0));
  tell({ cases: 0 });
}

async function lead(): Promise<void> {
  const { values } = parseArgs({
    options: {
      cases: { type: "string", default: "20000" },
      seed: { type: "string", default: "1" },
      history: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const seed = numberOf("seed", values.seed);
  const single = values.history === undefined ? undefined : numberOf("history", values.history);
  const histories = single === undefined ? Math.ceil(numberOf("cases", values.cases) / casesPerHistory) : 1;
  const started = performance.now();
  // Once, before both want it.
  compileHarness();
  const total = await playAll(seed, single ?? 0, histories);
  const seconds = Math.round((performance.now() - started) / 100) / 10;
  const missing = total.cases >= 20_000 ? missingAnswers(total.answers) : [];
  process.stderr.write("\n");
  const report = { seed, seconds, ...total, missing };
  process.stdout.write(values.json ? `${JSON.stringify(report, null, 1)}\n` : inWords(report));
  process.exitCode = total.disagreements.length > 0 || missing.length > 0 ? 1 : 0;
}

async function playAll(seed: number, first: number, histories: number): Promise<Comparison> {
  const parts: Part[] = [];
  for (let from = first; from < first + histories; from += historiesPerPart)
    parts.push({ seed, from, histories: Math.min(historiesPerPart, first + histories - from) });
  const wanted = histories * casesPerHistory;
  let total: Comparison = { cases: 0, changes: 0, answers: {}, changeAnswers: {}, disagreements: [] };
  await Promise.all(
    Array.from({ length: Math.min(workers, parts.length) }, () => {
      const child = fork(import.meta.filename, [], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
      return new Promise<void>((resolve, reject) => {
        const next = () => {
          const part = total.disagreements.length === 0 ? parts.shift() : undefined;
          if (part) child.send(part);
          else child.disconnect();
        };
        child.on("message", (message: Message) => {
          if ("failed" in message) return reject(new Error(message.failed));
          if ("result" in message) total = sum(total, message.result);
          process.stderr.write(`\r${total.cases} of ${wanted} cases`);
          next();
        });
        child.on("error", reject);
        child.on("exit", (code) =>
          code === 0 ? resolve() : reject(new Error(`A worker ended with ${code}.`)),
        );
      });
    }),
  );
  return total;
}

const sum = (a: Comparison, b: Comparison): Comparison => ({
  cases: a.cases + b.cases,
  changes: a.changes + b.changes,
  answers: sumCounts(a.answers, b.answers),
  changeAnswers: sumCounts(a.changeAnswers, b.changeAnswers),
  disagreements: [...a.disagreements, ...b.disagreements],
});
type Counts = Readonly<Record<string, number>>;
const sumCounts = (a: Counts, b: Counts): Counts =>
  Object.fromEntries(
    [...new Set([...Object.keys(a), ...Object.keys(b)])]
      .sort()
      .map((name) => [name, (a[name] ?? 0) + (b[name] ?? 0)]),
  );

function inWords(report: Comparison & { seed: number; seconds: number; missing: readonly string[] }): string {
  const counts = (all: Counts) =>
    Object.entries(all)
      .map(([name, count]) => `  ${String(count).padStart(8)} ${name}\n`)
      .join("");
  return `Operations, by the law's answer:
${counts(report.answers)}Changes of owners:
${counts(report.changeAnswers)}${report.missing.map((name) => `The law never said ${name}: the random operations do not get there.\n`).join("")}${report.disagreements.map((text) => `\nDISAGREEMENT ${text}\n`).join("")}
${report.cases} cases and ${report.changes} changes of owners, ${report.disagreements.length} disagreements (seed ${report.seed}, ${report.seconds} s).
`;
}

function numberOf(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  process.stderr.write(`--${name} ${text} is not a whole number.\n\n${help}`);
  process.exit(2);
}

if (process.send) await work();
else await lead();
