// Runs suites one after the other (the contracts, which need one core only, beside them) and ends with one plain line that counts them all:
//
//   node scripts/setUp.mjs run scripts/test.ts [suite …] [filter …]
//
// A suite that runs nothing, crashes or outlives its time counts as a failure. Everything runs under this Node.
import { spawn, type StdioOptions } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";

type Counts = { readonly passed: number; readonly failed: number; readonly skipped: number };
/** What a failed test is called and the first lines of what it said. */
type Failure = { readonly name: string; readonly said: string };
type Exit = { readonly ok: boolean; readonly output: string; readonly note: string };
type VitestReport = {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
};

/**
 * Suites and the minutes after which they are given up, three times what they take on two busy cores; the first five are `npm
 * test`. The contracts compile for two minutes on a fresh clone, beside the others.
 */
const minutesOf = {
  unit: 8,
  architecture: 2,
  integration: 12,
  model: 8,
  contracts: 15,
  processes: 8,
  bundler: 8,
  postgres: 3,
  walletconnect: 15,
  setup: 15,
};
type Suite = keyof typeof minutesOf;
const everyday: readonly Suite[] = ["unit", "architecture", "integration", "model", "contracts"];

const isSuite = (word: string): word is Suite => Object.hasOwn(minutesOf, word);
const words = process.argv.slice(2);
const named = words.filter(isSuite);
const filters = words.filter((word) => !isSuite(word));
const suites = named.length > 0 ? named : everyday;

const scratch = mkdtempSync(path.join(tmpdir(), "bursar-test-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

const lines: string[] = [];
const failed: Failure[] = [];
const sum = { passed: 0, failed: 0, skipped: 0 };
// Told when its turn comes, so that the two do not write into each other.
const beside = suites.includes("contracts") && suites.length > 1 ? timed("contracts", "later") : undefined;
for (const suite of suites) {
  if (suite === "contracts" && beside)
    process.stdout.write("\nThe contracts, which ran beside the others:\n");
  const { counts, note, seconds, told, failures } = await (suite === "contracts" && beside
    ? beside
    : timed(suite, "now"));
  process.stdout.write(told);
  failed.push(...failures);
  lines.push(`  ${suite.padEnd(13)} ${tell(counts)} (${seconds} s)${note}`);
  sum.passed += counts.passed;
  sum.failed += counts.failed;
  sum.skipped += counts.skipped;
}
const nothing = sum.passed + sum.failed === 0;
// Once more at the end, where whoever has only the last page of a long log still sees them.
for (const { name, said } of failed)
  process.stdout.write(`\nFAILED  ${name}\n${firstLines(stripVTControlCharacters(said))}`);
process.stdout.write(`\n${lines.join("\n")}\n${nothing ? "Nothing ran.\n" : ""}\n${tell(sum)}\n`);
process.exitCode = nothing || sum.failed > 0 ? 1 : 0;

async function timed(suite: Suite, when: "now" | "later") {
  const started = performance.now();
  const result = await (suite === "contracts" ? runContracts(when) : runVitest(suite));
  return { ...result, seconds: ((performance.now() - started) / 1000).toFixed(1) };
}

function tell({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

async function runVitest(suite: Suite) {
  const file = path.join(scratch, `${suite}.json`);
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
  const exit = await runTool(
    suite,
    "vitest",
    ["run", "--project", suite, ...reporters, ...filters],
    "inherit",
  );
  const report = readReport(file);
  const brokenFiles = report.testResults.filter(
    (result) =>
      result.status === "failed" && !result.assertionResults.some((test) => test.status === "failed"),
  );
  const failures = report.testResults.flatMap((result): Failure[] => {
    const file = path.relative(process.cwd(), result.name);
    if (brokenFiles.includes(result)) return [{ name: `${suite}  ${file}`, said: result.message }];
    return result.assertionResults
      .filter((test) => test.status === "failed")
      .map((test) => ({
        name: `${suite}  ${file}  ${test.fullName}`,
        said: test.failureMessages[0] ?? "",
      }));
  });
  const counts = {
    passed: report.numPassedTests,
    failed: report.numFailedTests + brokenFiles.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
  return { ...settle(exit, counts), told: "", failures };
}

async function runContracts(when: "now" | "later") {
  const exit = await runTool(
    "contracts",
    "hardhat",
    ["test", "solidity", ...filters],
    ["ignore", "pipe", "pipe"],
    when,
  );
  const last = (word: string) =>
    Number([...exit.output.matchAll(new RegExp(`^\\s*(\\d+) ${word}`, "gm"))].at(-1)?.[1] ?? 0);
  const counts = { passed: last("passing"), failed: last("failing"), skipped: last("skipped") };
  const failures = [...exit.output.matchAll(/^ *\d+\) (\S+#.+)\n((?:.+\n){0,3})/gm)].map(
    ([, name, said]): Failure => ({ name: `contracts  ${name}`, said: said ?? "" }),
  );
  return { ...settle(exit, counts), told: when === "later" ? exit.output : "", failures };
}

function firstLines(text: string): string {
  const lines = text.split("\n").slice(0, 6);
  return lines.map((line) => (line === "" ? "\n" : `        ${line.slice(0, 300)}\n`)).join("");
}

/** Failures that no test stands for: a crash, a time-out, an empty suite. */
function settle({ ok, note }: Exit, counts: Counts): { readonly counts: Counts; readonly note: string } {
  const ranNothing = counts.passed + counts.failed === 0;
  if (ranNothing && filters.length > 0 && note === "") return { counts, note: " nothing matches the filter" };
  if (ranNothing) return { counts: { ...counts, failed: 1 }, note: note || " no test ran" };
  if (!ok && counts.failed === 0)
    return { counts: { ...counts, failed: 1 }, note: note || " failed outside of a test" };
  return { counts, note };
}

function runTool(
  suite: Suite,
  tool: string,
  args: readonly string[],
  stdio: StdioOptions,
  when: "now" | "later" = "now",
): Promise<Exit> {
  const colour = process.stdout.isTTY ? { FORCE_COLOR: "1" } : {};
  const child = spawn(tool, args, {
    stdio,
    // Many tests start programs of ours: compiled once, they cost a third less (measured on test/unit/cli).
    env: { NODE_COMPILE_CACHE: path.join(scratch, "compiled"), ...process.env, ...colour },
    shell: process.platform === "win32",
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (chunk: Buffer) => {
      if (when === "now") process.stdout.write(chunk);
      output += chunk.toString();
    });
  let late = false;
  const stop = setTimeout(() => {
    late = true;
    child.kill("SIGTERM");
    setTimeout(() => child.kill("SIGKILL"), 5000).unref();
  }, minutesOf[suite] * 60_000);
  return new Promise((resolve) => {
    child.on("error", (error) => resolve({ ok: false, output, note: ` ${error.message}` }));
    child.on("close", (code) => {
      clearTimeout(stop);
      resolve({
        ok: code === 0,
        output: stripVTControlCharacters(output),
        note: late ? ` stopped after ${minutesOf[suite]} minutes` : "",
      });
    });
  });
}

function readReport(file: string): VitestReport {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as VitestReport;
  } catch {
    return { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: [] };
  }
}
