import { pathToFileURL } from "node:url";
import { resolve } from "node:path";

import { defineCommand } from "citty";

import type { Agent } from "../core/agent.ts";
import { actionWords } from "../core/action.ts";
import { BaseError } from "../core/errors.ts";
import { economicsInWords, totalOf, type Economics } from "../runtime/economics.ts";
import type { RuntimeEvent } from "../runtime/openRuntime.ts";
import type { DecisionReport } from "../runtime/report.ts";
import { askPassword } from "./askPassword.ts";
import { forTerminal } from "./forTerminal.ts";

/** The agent's file can't be run. */
export class AgentFileError extends BaseError {
  override readonly name = "AgentFileError";
}

export const runAgentCommand = defineCommand({
  meta: { name: "run", description: "Runs an agent: watches its triggers, decides, pays within the policy." },
  args: {
    agent: {
      type: "positional",
      description: "The agent's file; its default export is an agent.",
      required: true,
    },
    config: { type: "string", description: "Configuration file.", default: "bursar.json" },
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
    const [{ readConfig }, { openRuntime }] = await Promise.all([
      import("../runtime/config.ts"),
      import("../runtime/openRuntime.ts"),
    ]);
    const agentFile = resolve(args.agent);
    let total: Economics | undefined;
    const runtime = await openRuntime({
      agent: await loadAgent(agentFile),
      agentFile,
      config: await readConfig(args.config),
      askPassword,
      signal: stopping.signal,
      onEvent(event) {
        tell(event, args.json);
        if (event.kind !== "decision" || event.report.economics === null) return;
        total = totalOf(total === undefined ? [event.report.economics] : [total, event.report.economics]);
      },
    });
    try {
      if (args.once) await runtime.runUntilIdle();
      else await runtime.watch();
      await runtime.anchor();
      if (args.once && stopping.signal.aborted) process.exitCode = 130;
      if (total !== undefined)
        process.stdout.write(
          args.json ? `${JSON.stringify({ total })}\n` : `thinking in all: ${economicsInWords(total)}\n`,
        );
    } finally {
      await runtime.close();
    }
  },
});

async function loadAgent(file: string): Promise<Agent> {
  let exported: { default?: Agent };
  try {
    exported = (await import(pathToFileURL(file).href)) as { default?: Agent };
  } catch (error) {
    if (error instanceof BaseError) throw error;
    throw new AgentFileError("The agent's file can't be loaded.", {
      remedy: "Check the path and that the file is a TypeScript or JavaScript module.",
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

function tell(event: RuntimeEvent, json: boolean): void {
  if (event.kind === "decision")
    process.stdout.write(
      json ? `${JSON.stringify(event.report)}\n` : forTerminal(`${inWords(event.report)}\n`),
    );
  else if (event.kind === "opening") process.stderr.write(`opening ${event.what}\n`);
  else if (event.kind === "ready")
    process.stderr.write(
      `ready: ${event.engine.model.file} on ${event.engine.runtime.backend}, ${event.engine.mode} mode${event.engine.mode === "remote" ? " (UNVERIFIABLE: a server's word)" : ""}; account ${event.account}${event.resumed ? "; going on with a decision that was cut off" : ""}\n`,
    );
  else if (event.kind === "restored")
    process.stderr.write(
      `the journal came from a backup: waiting ${event.secondsLeft} s, until nothing signed before can be included\n`,
    );
  else if (event.kind === "paused")
    process.stderr.write("paused: nothing is decided until `bursar resume`\n");
  else if (event.kind === "waiting")
    process.stderr.write(forTerminal(`waiting: ${event.error.shortMessage}\n`));
  else if (event.kind === "unusable")
    process.stderr.write(forTerminal(`${event.file} was left aside: ${event.error.message}\n`));
}

function inWords(report: DecisionReport): string {
  const instead = report.broken.map(({ engine, error, ms }) => `${engine}: ${error} after ${ms} ms`);
  const thinker = [
    ...(instead.length > 0 ? [`another engine answered, ${instead.join(", ")}`] : []),
    ...(report.unverifiable ? ["thought by a server, UNVERIFIABLE"] : []),
  ];
  const why = report.reasons[0] ? `: ${report.reasons[0].words}` : "";
  return `${report.sequence}  ${report.trigger.label}  ${actionWords(report.action)}  → ${report.outcome}${thinker.length > 0 ? ` (${thinker.join("; ")})` : ""}${report.receipt ? ` in ${report.receipt.transaction}` : why}${report.economics === null ? "" : `\n     ${economicsInWords(report.economics)}`}`;
}
