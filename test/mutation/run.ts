// Changes the law in one place at a time and looks whether a unit test minds:
//
//   npm run test:mutation -- --files law.ts,meter.ts
//
// Says how many changes each file survived, and which ones. What the survivors of the law mean: docs/mutation-testing.md.
import { execFileSync, spawn } from "node:child_process";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

import { inWords, tellReport, type MutationReport } from "./tellReport.ts";

const help = `Mutates files of src/policy and runs test/unit/policy against each mutant. A second a mutant: all take more than an hour.

  --files A,B    these files of src/policy (law.ts,meter.ts); all of them
  --workers N    test runners at once (1)
  --quick        without what only runs while a test file is loaded: such a mutant takes all tests
  --json         the counts and the survivors as JSON
`;

const root = path.resolve(import.meta.dirname, "../..");
const policy = path.join(root, "src/policy");
const inHome = (...parts: readonly string[]) => path.join(import.meta.dirname, ...parts);

const { values } = parseArgs({
  options: {
    files: { type: "string" },
    workers: { type: "string", default: "1" },
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const known = readdirSync(policy);
const files = values.files?.split(",").map((name) => name.trim()) ?? known;
const unknown = files.filter((name) => !known.includes(name));
if (values.help) process.stdout.write(help);
else if (unknown.length > 0 || !/^[1-9]\d*$/.test(values.workers)) {
  const why = unknown.length > 0 ? `src/policy has no ${unknown.join(", ")}.` : "--workers is a number.";
  process.stderr.write(`${why}\n\n${help}`);
  process.exitCode = 2;
} else await mutate();

async function mutate(): Promise<void> {
  const program = execFileSync(process.execPath, [inHome("installStryker.mjs")], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  // What a run that was stopped left behind, too.
  rmSync(inHome(".work"), { recursive: true, force: true });
  const status = await stryker(program, [
    "run",
    inHome("stryker.config.json"),
    "--mutate",
    files.map((name) => `src/policy/${name}`).join(","),
    "--concurrency",
    values.workers,
    ...(values.quick ? ["--ignoreStatic"] : []),
  ]);
  if (status !== 0) {
    process.stderr.write("Stryker did not finish: see above.\n");
    process.exitCode = 1;
    return;
  }
  const told = tellReport(JSON.parse(readFileSync(inHome(".work", "report.json"), "utf8")) as MutationReport);
  rmSync(inHome(".work"), { recursive: true, force: true });
  process.stdout.write(values.json ? `${JSON.stringify(told, null, 1)}\n` : inWords(told));
}

/** Its progress goes to stderr: stdout is for what came of it. */
function stryker(program: string, args: readonly string[]): Promise<number | null> {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: root,
    stdio: ["ignore", process.stderr, process.stderr],
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
}
