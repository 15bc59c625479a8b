import { existsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { BaseError, openRuntime, readConfig, type DecisionReport, type Runtime } from "bursar";
import { startChainProcess } from "bursar/testing";

import { formatUnitsExact } from "../../src/core/amount.ts";
import { allDecisions } from "../../src/journal/decisions.ts";
import { explainPolicy } from "../../src/policy/explain.ts";
import { decodeCounters, spentInLifetime } from "../../src/policy/usage.ts";
import { readAccount } from "../../src/chain/readAccount.ts";
import { reportOf } from "../../src/runtime/report.ts";
import type { Verification } from "../../src/runtime/verifyDecisions.ts";
import agent from "./agent.ts";
import { matches, readLabels, type Label } from "./labels.ts";
import { playRogue, type RogueAttempt } from "./rogue.ts";
import { openScreen, showDecision, showRogue, showTable } from "./screen.ts";
import { prepareWorld, startingUnits, worldFiles, type World } from "./world.ts";
import type { Hex } from "viem";
import manifest from "../../models/clerk/manifest.json" with { type: "json" };

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const help = `npm run demo [-- options]

A treasurer reads real mail, thinks with llama.cpp on this machine, and pays bills from a smart account
whose limits a local chain enforces. Everything stays on this machine.

  --json          one JSON document on stdout, everything else on stderr
  --state DIR     where chain, journal and keys are kept (default .state/treasury)
  --port N        port of the local chain (default: any free one)
  --help

A run that was cut off goes on where it stopped when it is started again; a finished one starts afresh.`;

const options = readOptions();
if (options.help) {
  process.stdout.write(`${help}\n`);
  process.exit(0);
}

const stream = options.json ? process.stderr : process.stdout;
const screen = openScreen(stream);
const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const)
  process.once(name, () => {
    screen.line("\nStopping. What was decided is kept; run the demo again to go on.");
    interrupted.abort();
    process.exitCode = 130;
  });

const journalFiles = ["journal.db", "journal.db-wal", "journal.db-shm", "journal.db.lock", "chain.ndjson"];

/** Runs of each step and the milliseconds they took, in this run of the demo. */
const stepMs = new Map<string, { runs: number; ms: number }>();
const began = performance.now();

try {
  await play();
} catch (error) {
  if (!interrupted.signal.aborted) {
    screen.line();
    screen.line(
      error instanceof BaseError ? error.message : String(error instanceof Error ? error.stack : error),
    );
    process.exitCode = 1;
  }
}

async function play(): Promise<void> {
  const state = resolve(options.state);
  const finished = join(state, "demo-finished");
  // Only what the demo itself made: DIR may be anybody's folder.
  if (existsSync(finished))
    for (const file of [...worldFiles, ...journalFiles, finished])
      await rm(join(state, basename(file)), { force: true });
  const resuming = existsSync(join(state, "journal.db"));

  screen.title("Bursar · a treasurer that spends by the book, and keeps the book");
  screen.line(
    resuming
      ? `Going on where the last run stopped (state in ${options.state}).`
      : "Everything happens on this machine; nothing leaves it.",
  );

  screen.title("Setting up");
  screen.progress("    starting a local chain…");
  const chain = await startChainProcess({
    stateFile: join(state, "chain.ndjson"),
    blockTimeMs: 1000,
    port: portOf(options.port),
  });
  let runtime: Runtime | undefined;
  try {
    screen.line(`    chain: a local EVM with the real EntryPoint 0.8, at ${chain.url}`);
    const world = await prepareWorld({
      state,
      rpc: chain.url,
      policyFile: here("../../policies/treasury.yaml"),
      modelFile: here("../../models/clerk/clerk-q8_0.gguf"),
      modelSha256: manifest.sha256 as Hex,
      say: (what) => screen.line(`    ${what}`),
    });
    const labels = await readLabels(here("./expected.json"));
    runtime = await open(world, labels);
    screen.title("The policy, as the chain enforces it");
    for (const { words } of explainPolicy(world.policy)) screen.line(`    ${words}`);
    screen.title("The mail");
    if (resuming)
      for (const report of reportsOf(runtime)) showDecision(screen, stream, report, rightOf(labels, report));
    await runtime.runUntilIdle();
    if (interrupted.signal.aborted) return;

    screen.title("The rogue: somebody stole the agent's key and bypasses the runtime");
    const rogue = await playRogue(world, await world.openAgentKey(), runtime.house.purse!);
    showRogue(screen, stream, rogue);

    screen.title("Re-checking every decision: leaf on chain = record, inference run again from the record");
    await runtime.anchor();
    const verified = await runtime.verify({
      onChecked: (check) => screen.progress(`    decision ${check.sequence}…`),
    });
    showVerification(verified);

    const reports = reportsOf(runtime);
    await showClosing(world, reports, verified, labels);
    if (options.json)
      process.stdout.write(
        `${JSON.stringify(await documentOf(world, reports, labels, rogue, verified), null, 2)}\n`,
      );
    await writeFile(finished, "");
    process.exitCode = failedOf(verified) > 0 ? 1 : 0;
  } finally {
    await runtime?.close();
    await chain.close();
  }
}

async function open(world: World, labels: Readonly<Record<string, Label>>): Promise<Runtime> {
  const begun = new Map<string, number>();
  return openRuntime({
    agent,
    agentFile: here("./agent.ts"),
    config: await readConfig(world.configFile),
    signal: interrupted.signal,
    onPassage({ step, at }) {
      if (at === "begun") begun.set(step, performance.now());
      if (at === "committed" && begun.has(step)) {
        const { runs, ms } = stepMs.get(step) ?? { runs: 0, ms: 0 };
        stepMs.set(step, { runs: runs + 1, ms: ms + performance.now() - begun.get(step)! });
      }
    },
    onEvent(event) {
      if (event.kind === "model" && event.fraction !== null)
        screen.progress(`    model: ${event.phase} ${Math.round(event.fraction * 100)} %`);
      if (event.kind === "ready") {
        const { model, mode, runtime } = event.engine;
        const where =
          runtime.devices.length > 0 ? `${runtime.backend} (${runtime.devices.join(", ")})` : runtime.backend;
        screen.line(
          `    model: ${model.file}, ${model.sha256 === null ? "unverifiable" : `${(model.parameters / 1e6).toFixed(1)} M parameters, ${model.quantization}`}, on ${where}, ${mode} mode, llama.cpp ${runtime.llamaCpp}`,
        );
        screen.line(`    account: ${event.account}, agent ${world.policy.agent}`);
      }
      if (event.kind === "unusable")
        screen.line(`\n    ${event.file} was left aside: ${event.error.shortMessage}`);
      if (event.kind === "decision")
        showDecision(screen, stream, event.report, rightOf(labels, event.report));
    },
  });
}

function readOptions() {
  try {
    return parseArgs({
      options: {
        json: { type: "boolean", default: false },
        state: { type: "string", default: here("../../.state/treasury") },
        port: { type: "string", default: "0" },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${help}\n`);
    process.exit(2);
  }
}

function portOf(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || (port !== 0 && port < 1024) || port > 65535)
    throw new BaseError(`"${text}" is not a port.`, {
      remedy: "Use a number from 1024 to 65535, or 0 for any free one.",
    });
  return port;
}

function reportsOf({ house }: Runtime): readonly DecisionReport[] {
  return allDecisions(house.journal, house.agent.name)
    .filter((decision) => decision.done)
    .map((decision) => reportOf(house.journal, decision));
}

function rightOf(labels: Readonly<Record<string, Label>>, report: DecisionReport): boolean | null {
  const label = labels[report.trigger.label];
  return label ? matches(report.action, label.proposal) : null;
}

/** Decisions that failed, and what is wrong with the journal as a whole. */
function failedOf(verified: Verification): number {
  return verified.decisions.filter((check) => check.failures.length > 0).length + verified.failures.length;
}

function showVerification(verified: Verification): void {
  const exact = verified.decisions.filter((check) => check.inference === "EXACT").length;
  const failed = verified.decisions.filter((check) => check.failures.length > 0);
  screen.line(
    `    ${verified.decisions.length} decisions checked: ${verified.decisions.filter((check) => check.onChain).length} leaves under a root on the chain, ${exact} inferences EXACT, ${failedOf(verified)} failed; ${verified.journalEntries} journal entries, chain of hashes unbroken`,
  );
  for (const why of verified.failures) screen.line(`    journal: ${why}`);
  for (const check of failed)
    for (const why of check.failures) screen.line(`    decision ${check.sequence}: ${why}`);
}

async function countedByToken(world: World): Promise<Readonly<Record<string, bigint>>> {
  const state = await readAccount(world.chain, world.account, world.policy);
  return Object.fromEntries(
    world.policy.limits.map((limit, index) => [
      limit.token.symbol,
      spentInLifetime(limit, decodeCounters(state.limits[index]!.countersWord)),
    ]),
  );
}

async function showClosing(
  world: World,
  reports: readonly DecisionReport[],
  verified: Verification,
  labels: Readonly<Record<string, Label>>,
): Promise<void> {
  const count = (outcome: DecisionReport["outcome"]) =>
    reports.filter((report) => report.outcome === outcome).length;
  const counted = await countedByToken(world);
  const gas = reports.reduce((sum, report) => sum + BigInt(report.receipt?.gasUsed ?? 0), 0n);
  const right = reports.filter((report) => rightOf(labels, report) === true).length;
  const wrongPaid = reports.filter(
    (report) => rightOf(labels, report) === false && report.outcome === "paid",
  ).length;
  const outcomes = reports.filter(
    (report) => labels[report.trigger.label]?.outcome === report.outcome,
  ).length;
  screen.title("The book");
  showTable(screen, [
    ["paid", String(count("paid"))],
    ["held", String(count("held"))],
    ["asked", String(count("asked"))],
    ["refused", String(count("refused") + count("reverted") + count("expired"))],
    ...world.policy.limits.map((limit): [string, string] => {
      const show = (units: bigint) => formatUnitsExact(units, limit.token.decimals, 2);
      return [
        `spent (${limit.token.symbol})`,
        `${show(counted[limit.token.symbol]!)} of ${show(limit.grant.perWindow)} in this window, of ${show(limit.grant.lifetime)} ever; as the chain counts it`,
      ];
    }),
    [
      "gas",
      `${Number(gas).toLocaleString("en")} in ${reports.filter((report) => report.receipt).length} operations`,
    ],
    [
      "milliseconds a step",
      [...stepMs].map(([step, { runs, ms }]) => `${step} ${Math.round(ms / runs)}`).join(", "),
    ],
    [
      "proposals as labelled",
      `${right} of ${reports.length} (any hold matches a hold); wrong ones that were paid: ${wrongPaid}`,
    ],
    ["outcomes as labelled", `${outcomes} of ${reports.length}`],
    [
      "re-checked",
      `${verified.decisions.length} decisions, ${verified.decisions.filter((check) => check.inference === "EXACT").length} EXACT, ${failedOf(verified)} failed`,
    ],
    ["in all", `${((performance.now() - began) / 1000).toFixed(1)} s`],
  ]);
  screen.line();
  screen.line(`    Journal, chain and keys are in ${options.state}; the next run starts afresh.`);
}

async function documentOf(
  world: World,
  reports: readonly DecisionReport[],
  labels: Readonly<Record<string, Label>>,
  rogue: readonly RogueAttempt[],
  verified: Verification,
): Promise<object> {
  const counted = await countedByToken(world);
  const { limits } = world.policy;
  const chainState = await readAccount(world.chain, world.account, world.policy);
  return {
    decisions: reports.map((report) => ({
      sequence: report.sequence,
      trigger: report.trigger.label,
      from: report.from,
      subject: report.subject,
      action: report.action,
      verdict: report.verdict,
      reasons: report.reasons.map((reason) => reason.code),
      words: report.reasons.map((reason) => reason.words),
      outcome: report.outcome,
      expected: labels[report.trigger.label]?.proposal ?? null,
      right: rightOf(labels, report),
      leaf: report.leaf,
      ...(report.receipt
        ? {
            userOpHash: report.receipt.userOpHash,
            transaction: report.receipt.transaction,
            gasUsed: report.receipt.gasUsed,
          }
        : {}),
    })),
    rogue,
    verified: {
      checked: verified.decisions.length,
      exact: verified.decisions.filter((check) => check.inference === "EXACT").length,
      failed: failedOf(verified),
    },
    // What has really left the account. The chain counts a little more: each payment rounded up to its unit.
    spent: Object.fromEntries(
      limits.map((limit, index) => [
        limit.token.symbol,
        (startingUnits - chainState.limits[index]!.balanceUnits).toString(),
      ]),
    ),
    counted: Object.fromEntries(Object.entries(counted).map(([symbol, units]) => [symbol, units.toString()])),
    limits: Object.fromEntries(
      limits.map((limit) => [
        limit.token.symbol,
        {
          perPayment: limit.grant.perCall.toString(),
          perWindow: limit.grant.perWindow.toString(),
          windowSeconds: Number(limit.grant.bucket * 6n),
          lifetime: limit.grant.lifetime.toString(),
          gasBudgetWei: limit.grant.gasBudget.toString(),
          feeCapWei: limit.grant.feeCap.toString(),
        },
      ]),
    ),
  };
}
