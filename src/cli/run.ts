import { pathToFileURL } from "node:url";
import { resolve } from "node:path";

import { defineCommand } from "citty";

import type { Agent } from "../core/agent.ts";
import { actionWords } from "../core/action.ts";
import { BaseError } from "../core/errors.ts";
import { economicsInWords, totalOf, type Economics } from "../runtime/economics.ts";
import type { HouseholdEvent, Member } from "../runtime/openHousehold.ts";
import type { DecisionReport } from "../runtime/report.ts";
import { askPassword } from "./askPassword.ts";
import { forTerminal } from "./forTerminal.ts";
import { oneLine } from "./oneLine.ts";

/** The agent's file can't be run. */
export class AgentFileError extends BaseError {
  override readonly name = "AgentFileError";
}

export const runAgentCommand = defineCommand({
  meta: {
    name: "run",
    description:
      "Runs an agent, or several on one journal: watches their triggers, decides, pays within the policies.",
  },
  args: {
    agent: {
      type: "positional",
      description:
        "The agent's file, whose default export is an agent; of several, each with its configuration.",
      valueHint: "FILE[=CONFIG] …",
      required: true,
    },
    config: {
      type: "string",
      description: "Configuration file of agents that are named without one.",
      default: "bursar.json",
    },
    once: { type: "boolean", description: "Decide what is waiting, then stop.", default: false },
    json: {
      type: "boolean",
      description: "One JSON line a decision on stdout, and one with their sum at the end.",
      default: false,
    },
  },
  async run({ args }) {
    const stopping = new AbortController();
    for (const name of ["SIGINT", "SIGTERM"] as const)
      process.once(name, () => {
        process.stderr.write("Stopping after the current step; what was decided is kept.\n");
        stopping.abort();
      });
    const [{ readConfig }, { openRuntime }, { openHousehold }] = await Promise.all([
      import("../runtime/config.ts"),
      import("../runtime/openRuntime.ts"),
      import("../runtime/openHousehold.ts"),
    ]);
    let total: Economics | undefined;
    const members: Member[] = [];
    for (const word of args._) {
      const { config, file } = whereOf(word, args.config);
      members.push({
        agent: await loadAgent(file),
        agentFile: file,
        config: await readConfig(config),
      });
    }
    const onEvent = (event: HouseholdEvent, agent?: string) => {
      tell(event, args.json, agent);
      if (event.kind !== "decision" || event.report.economics === null) return;
      total = totalOf(total === undefined ? [event.report.economics] : [total, event.report.economics]);
    };
    const [only, ...others] = members;
    const { signal } = stopping;
    const runtime =
      others.length === 0
        ? await openRuntime({ ...only!, askPassword, signal, onEvent: (event) => onEvent(event) })
        : await openHousehold({ members, askPassword, signal, onEvent });
    try {
      if (args.once) await runtime.runUntilIdle();
      else await runtime.watch();
      await runtime.anchor();
      if (args.once && signal.aborted) process.exitCode = 130;
      if (total !== undefined)
        process.stdout.write(
          args.json ? `${JSON.stringify({ total })}\n` : `thinking in all: ${economicsInWords(total)}\n`,
        );
    } finally {
      await runtime.close();
    }
  },
});

/** `agent.ts`, or `agent.ts=config.json`. */
function whereOf(word: string, config: string): { readonly file: string; readonly config: string } {
  const at = word.lastIndexOf("=");
  return at < 0
    ? { file: resolve(word), config }
    : { file: resolve(word.slice(0, at)), config: word.slice(at + 1) };
}

export async function loadAgent(file: string): Promise<Agent> {
  let exported: { default?: Agent };
  try {
    exported = (await import(pathToFileURL(file).href)) as { default?: Agent };
  } catch (error) {
    if (error instanceof BaseError) throw error;
    const strange = error instanceof Error && error.message.startsWith("Cannot find package 'bursar'");
    throw new AgentFileError("The agent's file can't be loaded.", {
      remedy: strange
        ? "Put the file into a folder of the clone, or of a project that has bursar among its packages."
        : "Check the path and that the file is a TypeScript or JavaScript module.",
      facts: { file, detail: error instanceof Error ? error.message.split("\n")[0] : String(error) },
      cause: error,
    });
  }
  if (typeof exported.default?.prompt !== "function")
    throw new AgentFileError("The agent's file has no agent.", {
      remedy: "Export one as default: `export default defineAgent({ … })`.",
      facts: { file },
    });
  return exported.default;
}

/** @param agent its name, where several run */
function tell(event: HouseholdEvent, json: boolean, agent: string | undefined): void {
  const whose = agent === undefined ? "" : forTerminal(`${agent}: `);
  if (event.kind === "decision" && json)
    process.stdout.write(
      `${JSON.stringify(agent === undefined ? event.report : { agent, ...event.report })}\n`,
    );
  else if (event.kind === "decision") process.stdout.write(forTerminal(`${whose}${inWords(event.report)}\n`));
  else tellProgress(event, whose);
}

function tellProgress(event: Exclude<HouseholdEvent, { kind: "decision" }>, whose: string): void {
  if (event.kind === "opening") process.stderr.write(`${whose}opening ${event.what}\n`);
  else if (event.kind === "ready")
    process.stderr.write(
      `${whose}ready: ${event.engine.model.file} on ${event.engine.runtime.backend}, ${event.engine.mode} mode${event.engine.mode === "remote" ? " (UNVERIFIABLE: a server's word)" : ""}; account ${event.account}${event.resumed ? "; going on with a decision that was cut off" : ""}\n`,
    );
  else if (event.kind === "restored")
    process.stderr.write(
      `${whose}the journal came from a backup: waiting ${event.secondsLeft} s, until nothing signed before can be included\n`,
    );
  else if (event.kind === "paused")
    process.stderr.write(`${whose}paused: nothing is decided until \`bursar resume\`\n`);
  else if (event.kind === "waiting")
    process.stderr.write(forTerminal(`${whose}waiting: ${event.error.shortMessage}\n`));
  else if (event.kind === "unusable")
    process.stderr.write(forTerminal(`${whose}${event.file} was left aside: ${event.error.message}\n`));
  else if (event.kind === "stopped")
    process.stderr.write(forTerminal(`${whose}stopped, and the others go on: ${event.error.message}\n`));
}

function inWords(report: DecisionReport): string {
  const instead = report.broken.map(({ engine, error, ms }) => `${engine}: ${error} after ${ms} ms`);
  const thinker = [
    ...(instead.length > 0 ? [`another engine answered, ${instead.join(", ")}`] : []),
    ...(report.unverifiable ? ["thought by a server, UNVERIFIABLE"] : []),
  ];
  const how = report.askedUntil === null ? "" : ` (bursar approvals approve ${report.leaf.slice(0, 12)})`;
  const why = report.reasons[0] ? `: ${oneLine(report.reasons[0].words)}${how}` : "";
  return `${report.sequence}  ${oneLine(report.trigger.label)}  ${oneLine(actionWords(report.action))}  → ${report.outcome}${thinker.length > 0 ? ` (${thinker.join("; ")})` : ""}${report.receipt ? ` in ${report.receipt.transaction}` : why}${report.economics === null ? "" : `\n     ${economicsInWords(report.economics)}`}`;
}
