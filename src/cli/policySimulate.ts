import { defineCommand } from "citty";
import { zeroAddress } from "viem";

import { BaseError } from "../core/errors.ts";
import type { ReplayAction } from "../policy/replay.ts";
import type { OperationSimulation } from "../runtime/simulate.ts";
import { addressOf, tell, urlOf } from "./ownerArguments.ts";

const file = (description: string) => ({ type: "string", description, valueHint: "file" }) as const;

export const simulateCommand = defineCommand({
  meta: {
    name: "simulate",
    description:
      "Says what a policy would have refused of a history, or what an operation would do now and what the policy counts of it; exit status 1 if something is refused or not counted. Example: bursar policy simulate policies/treasury.yaml --journal state",
  },
  args: {
    file: {
      type: "positional",
      description: "The policy, YAML or JSON; - reads the standard input.",
      required: true,
    },
    journal: file("State folder or journal of an agent: replays each payment that it judged."),
    actions: file("JSON: [{ at, to, token, amount }] or [{ at, calls: [{ to, data, value }] }]."),
    operation: file("JSON: a user operation, or [{ to, data, value }]: runs it on the newest state."),
    account: { type: "string", description: "The account.", valueHint: "0x…" },
    agent: {
      type: "string",
      description: "The agent's address: what it spent before counts, for --operation.",
      valueHint: "0x…",
    },
    rpc: { type: "string", description: "URL of the chain's RPC, for --operation.", valueHint: "url" },
    json: { type: "boolean", description: "One JSON document on stdout.", default: false },
  },
  async run({ args }) {
    const given = [args.journal, args.actions, args.operation].filter((one) => one !== undefined);
    if (given.length !== 1)
      throw new BaseError("It is not said what to simulate.", {
        remedy: "Give one of --journal, --actions and --operation.",
      });
    const [{ readPolicyFile, writeJson }, simulate] = await Promise.all([
      import("./policyFile.ts"),
      import("../runtime/simulate.ts"),
    ]);
    const { document } = await readPolicyFile(args.file);
    const account = args.account === undefined ? undefined : addressOf(args.account, "--account");
    if (args.operation !== undefined) {
      if (account === undefined || args.rpc === undefined)
        throw new BaseError("An operation runs on an account's state.", {
          remedy: "Add --account 0x… and --rpc URL.",
        });
      const rpc = urlOf(args.rpc, "--rpc");
      const calls = await simulate.readCalls(args.operation);
      tell("running it on the newest state");
      const agent = args.agent === undefined ? undefined : addressOf(args.agent, "--agent");
      const result = await simulate.simulateOperation({ rpc, account, document, calls, agent });
      if (result.refusals.length + result.flags.length > 0 || result.failure !== null) process.exitCode = 1;
      if (args.json) return writeJson({ policy: document.policy, account, ...result });
      return void process.stdout.write(`${operationInWords(result)}\n`);
    }
    const [{ compilePolicy }, { replay }] = await Promise.all([
      import("../policy/compile.ts"),
      import("../policy/replay.ts"),
    ]);
    const actions: readonly (ReplayAction & { readonly outcome?: string })[] =
      args.journal === undefined
        ? withPlainAmounts(await simulate.readActions(args.actions!))
        : simulate.readJournalActions(args.journal);
    const policy = compilePolicy(document, zeroAddress);
    if (account === undefined && actions.some((action) => "calls" in action))
      throw new BaseError("Calls are judged for an account: conditions may name it.", {
        remedy: "Add --account 0x….",
      });
    const { results, totals, unassigned } = replay(policy, actions, account ?? zeroAddress);
    if (results.some(({ verdict }) => verdict === "deny")) process.exitCode = 1;
    const lines = results.map(({ action, reasons, verdict, words }) => ({
      at: new Date(action.at * 1000).toISOString(),
      label: action.label ?? null,
      action: words,
      // How it really ended, in a journal.
      was: (action as { readonly outcome?: string }).outcome ?? null,
      verdict,
      reasons,
    }));
    if (args.json) return writeJson({ policy: document.policy, results: lines, totals, unassigned });
    process.stdout.write(
      [
        ...lines.map(
          ({ action, at, label, reasons, verdict, was }) =>
            `${at}  ${verdict.padEnd(5)}  ${action}${label === null ? "" : ` (${label}${was === null ? "" : `, was ${was}`})`}${reasons.length > 0 ? `\n    ${reasons.map(({ words }) => words).join("\n    ")}` : ""}`,
        ),
        ...totals.map(({ words }) => words),
        ...(unassigned > 0 ? [`${unassigned} more refused: no limit allows them`] : []),
        "",
      ].join("\n"),
    );
  },
});

/** An amount that can't be read would count as a refusal, and hide that nothing was replayed. */
function withPlainAmounts(actions: readonly ReplayAction[]): readonly ReplayAction[] {
  for (const [index, action] of actions.entries())
    if ("amount" in action && !/^\d+(\.\d+)?$/.test(action.amount))
      throw new BaseError(`The amount "${action.amount}" of action ${index + 1} is not a plain number.`, {
        remedy: 'Write it in units of the token, without sign, exponent and symbol: "12.50".',
      });
  return actions;
}

const fromWhere = {
  "in force": ", beside what was spent before",
  "not granted yet": "; nothing was spent before, the limit is not granted yet",
  "not looked at": "; what was spent before is not looked at without --agent",
} as const;

const operationInWords = (result: OperationSimulation): string =>
  [
    ...(result.failure === null ? [] : [`It reverts: ${result.failure}`]),
    `Under the ${result.asset} limit it counts as ${result.counted.words}${fromWhere[result.counters]}.`,
    ...result.assets.map(({ words }) => `- ${words}`),
    ...result.approvals.map(({ words }) => `- ${words}`),
    ...result.refusals.map((words) => `Refused: ${words}`),
    ...result.flags.map((words) => `Not counted: ${words}`),
    ...(result.refusals.length + result.flags.length === 0 && result.failure === null
      ? ["The policy counts all of it."]
      : []),
  ].join("\n");
