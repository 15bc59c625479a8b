import { defineCommand } from "citty";
import type { Address, Hex } from "viem";

import type { Ask } from "../core/approval.ts";
import { BaseError } from "../core/errors.ts";
import type { AskRow } from "../runtime/readAsks.ts";
import type { Command } from "../runtime/triggers/commands.ts";
import { askPassword } from "./askPassword.ts";
import { forTerminal } from "./forTerminal.ts";
import { oneLine } from "./oneLine.ts";
import { addressOf, agreed } from "./ownerArguments.ts";

const place = {
  state: { type: "string", description: "The agent's state folder; from the configuration when not given." },
  config: { type: "string", description: "Configuration file.", default: "bursar.json" },
  json: { type: "boolean", description: "One JSON document on stdout.", default: false },
} as const;

const which = {
  type: "positional",
  description: "The ask: its leaf, or the first digits of it.",
  required: true,
  valueHint: "0x…",
} as const;

type Place = { readonly state?: string | undefined; readonly config: string };

/** How long a running agent may take to answer. */
const waitMs = 5000;

const listArgs = {
  ...place,
  all: { type: "boolean", description: "Also what was answered, and what is over.", default: false },
} as const;

export const approvalsCommand = defineCommand({
  meta: {
    name: "approvals",
    description: "What agents ask people before they act: read it, say yes with a key, or say no.",
  },
  default: "list",
  // So that `bursar approvals --state DIR` is read as list's.
  args: listArgs,
  subCommands: {
    list: defineCommand({
      meta: { name: "list", description: "What is asked, the most pressing first." },
      args: listArgs,
      async run({ args }) {
        const { nowSeconds, rows } = await readPlace(args);
        const shown = rows
          .map((row) => ({ ...row, over: row.ask.deadline < nowSeconds }))
          .filter(({ over, state }) => args.all || (state === "open" && !over));
        if (args.json) return print(`${JSON.stringify({ asks: shown.map(toJson) })}`);
        if (shown.length === 0) return print(args.all ? "Nothing was asked." : "Nothing is asked now.");
        for (const row of shown) print(lineOf(row, nowSeconds));
      },
    }),
    show: defineCommand({
      meta: {
        name: "show",
        description:
          "One ask whole: what for, why, which calls, and the typed data that an approver's wallet signs.",
      },
      args: { ask: which, approver: approverArgument(), ...place },
      async run({ args }) {
        const { nowSeconds, rows } = await readPlace(args);
        const row = findAsk(rows, args.ask);
        const approver =
          args.approver === undefined ? row.ask.approvers[0]!.address : approverOf(row.ask, args.approver);
        const [{ signable }, { paymentsIn }] = await Promise.all([
          import("../runtime/openApprover.ts"),
          import("../runtime/paymentsIn.ts"),
        ]);
        const { digest, typedData } = signable(row.ask, approver);
        if (args.json)
          return print(
            JSON.stringify({ ...toJson({ ...row, over: row.ask.deadline < nowSeconds }), digest, typedData }),
          );
        print(pageOf(row, nowSeconds, paymentsIn(row.ask.calls), digest));
      },
    }),
    approve: defineCommand({
      meta: {
        name: "approve",
        description:
          "Says yes: with a key of an approver, with a signature that an approver's wallet made, or with one that is on the account's record.",
      },
      args: {
        ask: which,
        keystore: { type: "string", description: "The approver's encrypted key.", valueHint: "file" },
        "password-file": {
          type: "string",
          description: "Its password; asked on the terminal when not given.",
          valueHint: "file",
        },
        approver: {
          type: "string",
          description: "Who says yes, where it is by --signature or --recorded.",
          valueHint: "0x…",
        },
        signature: {
          type: "string",
          description: "What the approver's wallet made of the typed data (eth_signTypedData_v4).",
          valueHint: "0x…",
        },
        recorded: {
          type: "boolean",
          description: "The approver has put it on the account's record (recordApproval): for contracts.",
          default: false,
        },
        yes: { type: "boolean", description: "Don't ask before it is signed.", default: false },
        ...place,
      },
      async run({ args }) {
        const { nowSeconds, rows } = await readPlace(args);
        const row = findAsk(rows, args.ask);
        requireOpen(row, nowSeconds);
        const ways = [args.keystore !== undefined, args.signature !== undefined, args.recorded];
        if (ways.filter(Boolean).length !== 1)
          throw new BaseError("It is not said with what to say yes.", {
            remedy:
              "Give one of --keystore FILE, --signature 0x… (with --approver), --recorded (with --approver).",
          });
        const { ask } = row;
        let approver: Address;
        let signature: Hex = "0x";
        if (args.keystore === undefined) {
          if (args.approver === undefined)
            throw new BaseError("It is not said who says yes.", { remedy: "Say it with --approver 0x…." });
          approver = approverOf(ask, args.approver);
          if (args.signature !== undefined) signature = args.signature as Hex;
        } else {
          const [{ openApprover }, { paymentsIn }] = await Promise.all([
            import("../runtime/openApprover.ts"),
            import("../runtime/paymentsIn.ts"),
          ]);
          process.stderr.write(forTerminal(`${pageOf(row, nowSeconds, paymentsIn(ask.calls), undefined)}\n`));
          const key = await openApprover(
            { keystore: args.keystore, passwordFile: args["password-file"] },
            ask,
            askPassword,
          );
          approver = key.address;
          if (
            !(await agreed("Say yes to exactly this, once?", args, "Read what it would pay, then add --yes."))
          )
            return print(args.json ? JSON.stringify({ ask: ask.leaf, taken: false }) : "Nothing was signed.");
          signature = await key.sign();
        }
        await hand(args, ask, { command: "approve", ask: ask.leaf, approver, signature });
      },
    }),
    decline: defineCommand({
      meta: {
        name: "decline",
        description: "Says no: nothing comes of it any more, whoever says yes later.",
      },
      args: { ask: which, ...place },
      async run({ args }) {
        const { nowSeconds, rows } = await readPlace(args);
        const row = findAsk(rows, args.ask);
        requireOpen(row, nowSeconds);
        await hand(args, row.ask, { command: "decline", ask: row.ask.leaf });
      },
    }),
  },
});

function approverArgument() {
  return {
    type: "string",
    description: "Which of the approvers; the first when not given.",
    valueHint: "0x…",
  } as const;
}

async function stateOf({ config, state }: Place): Promise<string> {
  if (state !== undefined) return state;
  const { readConfig } = await import("../runtime/config.ts");
  return (await readConfig(config)).state;
}

async function readPlace(args: Place) {
  const { readAsks } = await import("../runtime/readAsks.ts");
  return readAsks(await stateOf(args));
}

function findAsk(rows: readonly AskRow[], word: string): AskRow {
  const found = /^0x[0-9a-f]{4,64}$/i.test(word)
    ? rows.filter(({ ask }) => ask.leaf.startsWith(word.toLowerCase()))
    : [];
  const [row] = found;
  if (row && found.length === 1) return row;
  throw new BaseError(
    found.length > 1 ? `${found.length} asks begin with ${word}.` : `Nobody asks ${word}.`,
    {
      remedy: "`bursar approvals list --all` names them; the first digits do, at least four after 0x.",
    },
  );
}

function approverOf({ approvers }: Ask, text: string): Address {
  const address = addressOf(text, "--approver");
  if (approvers.some((one) => one.address === address.toLowerCase())) return address;
  throw new BaseError(`${address} is not asked.`, {
    remedy: `Whoever may say yes: ${approvers.map(named).join(", ")}.`,
  });
}

function requireOpen({ ask, state }: AskRow, nowSeconds: number): void {
  if (state !== "open")
    throw new BaseError(`It was ${state} already.`, {
      remedy: "The first answer counts.",
      facts: { ask: ask.leaf },
    });
  if (ask.deadline < nowSeconds)
    throw new BaseError("Its time is over.", {
      remedy: "Nothing can come of it any more. When the bill comes again, it is asked again.",
      facts: { ask: ask.leaf },
    });
}

const named = ({ address, name }: Ask["approvers"][number]): string => `${name} (${address})`;

async function hand(args: Place & { readonly json: boolean }, ask: Ask, command: Command): Promise<void> {
  const { sendToAgent } = await import("../runtime/sendToAgent.ts");
  const taken = await sendToAgent(await stateOf(args), command, waitMs);
  print(
    args.json
      ? JSON.stringify({ ask: ask.leaf, answer: command.command, taken })
      : taken
        ? "Taken in."
        : "Left for the agent: it is busy with a decision or does not run now, and takes it in before the next one.",
  );
}

const toJson = ({ ask, channel, over, state }: AskRow & { readonly over: boolean }) => ({
  ...ask,
  state: over && state === "open" ? "over" : state,
  channel,
});

const lineOf = ({ ask, state }: AskRow, nowSeconds: number): string =>
  `${ask.leaf.slice(0, 12)}  ${ask.agent}: ${oneLine(ask.words)}  (${ask.reasons.map(({ code }) => code).join(", ")})  ${timeLeft(ask, state, nowSeconds)}`;

function timeLeft({ deadline }: Ask, state: AskRow["state"], nowSeconds: number): string {
  if (state !== "open") return state;
  const left = deadline - nowSeconds;
  if (left < 0) return "over";
  return left >= 7200 ? `${Math.floor(left / 3600)} h left` : `${Math.floor(left / 60)} min left`;
}

function pageOf(
  { ask, state }: AskRow,
  nowSeconds: number,
  payments: readonly string[],
  digest: Hex | undefined,
): string {
  return [
    `${ask.agent} asks for ${oneLine(ask.words)}`,
    `  because of   ${oneLine(ask.label)}`,
    ...ask.reasons.map(({ words }) => `  why          ${oneLine(words)}`),
    ...ask.calls.map(({ data, to, valueWei }) => `  call         ${to} value ${valueWei} wei data ${data}`),
    ...payments.map((words) => `  pays         ${words}`),
    `  account      ${ask.account} on chain ${ask.chainId}`,
    `  approvers    ${ask.approvers.map(named).join(", ")}`,
    `  state        ${timeLeft(ask, state, nowSeconds)}, until ${new Date(ask.deadline * 1000).toISOString()}`,
    `  ask          ${ask.leaf}`,
    ...(digest === undefined
      ? []
      : [`  to be signed ${digest} (EIP-712 hash; --json prints the typed data)`]),
  ].join("\n");
}

const print = (words: string): void => void process.stdout.write(`${forTerminal(words)}\n`);
