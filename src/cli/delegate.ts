import { defineCommand } from "citty";
import { renderUnicodeCompact } from "uqr";

import type { Delegation } from "../core/delegation.ts";
import { BaseError } from "../core/errors.ts";
import type { HandOverEvent } from "../runtime/delegate/handOverOptions.ts";
import type { HandOverTerms } from "../runtime/delegate/openHandOver.ts";
import { askPassword } from "./askPassword.ts";
import { delegateAccount, refuseAccountWords, type Talk } from "./delegateAccount.ts";
import { forTerminal } from "./forTerminal.ts";
import { addressOf, agreed, tell } from "./ownerArguments.ts";
import { loadAgent } from "./run.ts";

export const delegateCommand = defineCommand({
  meta: {
    name: "delegate",
    description:
      'Lets a person delegate to an agent with any WalletConnect wallet: shows a QR code, explains what is signed, and says when the chain enforces it. The agent may be running. Example: bursar delegate agent.ts --account 0x… --total "100.00 USDC"',
  },
  args: {
    agent: { type: "positional", description: "The agent's file.", required: true, valueHint: "FILE" },
    config: { type: "string", description: "Its configuration.", default: "bursar.json" },
    account: {
      type: "string",
      description: "The payer's account; a wallet of any other is sent away. Without it, you are asked.",
      valueHint: "0x…",
    },
    token: { type: "string", description: "Which token, where the policy has several.", valueHint: "symbol" },
    total: {
      type: "string",
      description:
        'Most that may ever be taken, e.g. "100.00 USDC"; without it, what one window of the policy allows.',
      valueHint: "amount",
    },
    "per-payment": {
      type: "string",
      description: "Most at a time; without it the policy's, or less where the total is less.",
      valueHint: "amount",
    },
    "per-window": {
      type: "string",
      description: "Most in the policy's window; the policy's without it.",
      valueHint: "amount",
    },
    days: { type: "string", description: "How long it holds, 1 to 90; 30 without it.", valueHint: "number" },
    purpose: {
      type: "string",
      description: "What it is for, as the wallet shows it.",
      valueHint: "words",
    },
    rung: {
      type: "string",
      description:
        "spendGrant: out of the payer's plain account, tokens only; account: an account of his own that the policy itself bounds, for native coin and calls too. Without it the policy says it.",
      valueHint: "spendGrant|account",
    },
    fund: {
      type: "string",
      description:
        'For an account of his own: what the wallet is asked to send there, e.g. "0.05 ETH, 100.00 USDC"; what it holds already is not asked for.',
      valueHint: "amounts",
    },
    out: {
      type: "string",
      description:
        "For an account of his own: the folder for its configuration and journal; in the state folder without it.",
      valueHint: "folder",
    },
    yes: { type: "boolean", description: "Don't ask before the wallet is asked.", default: false },
    json: {
      type: "boolean",
      description: "One JSON line an event on stdout; the last one is the delegation.",
      default: false,
    },
  },
  async run({ args }) {
    const stopping = new AbortController();
    for (const name of ["SIGINT", "SIGTERM"] as const)
      process.once(name, () => {
        process.stderr.write("Stopping.\n");
        stopping.abort();
      });
    const expected = args.account === undefined ? undefined : addressOf(args.account, "--account");
    const [{ mostDays }, { readConfig }, { joinHandOver }, { openHandOver }, { plannedRung }, { stopsOf }] =
      await Promise.all([
        import("../policy/composeGrant.ts"),
        import("../runtime/config.ts"),
        import("../runtime/delegate/joinHandOver.ts"),
        import("../runtime/delegate/openHandOver.ts"),
        import("../runtime/delegate/plannedRung.ts"),
        import("../runtime/delegate/stopCard.ts"),
      ]);
    const agent = await loadAgent(args.agent);
    const config = await readConfig(args.config);
    const talk: Talk = {
      signal: stopping.signal,
      confirm: (question, words) =>
        agreed(
          words,
          // Whose wallet answered is never taken for granted.
          { yes: args.yes && question !== "account" },
          question === "account"
            ? "Name the payer's account with --account 0x…."
            : "Read what it allows, then add --yes.",
        ),
      tell: (event) =>
        args.json
          ? process.stdout.write(`${JSON.stringify(event)}\n`)
          : process.stdout.write(forTerminal(`${inWords(event)}\n`)),
    };
    if ((await plannedRung(config, args)) === "account")
      return delegateAccount(agent.name, config, { ...args, payer: expected }, talk);
    refuseAccountWords(args);
    // What can't end well is told before anybody scans and signs in.
    if (expected === undefined && !process.stdin.isTTY)
      throw new BaseError("Whose wallet answers has to be confirmed, and there is no terminal to ask on.", {
        remedy: "Name the payer's account with --account 0x….",
      });
    const days = daysOf(args.days ?? "30", mostDays);
    tell("opening the journal, the chain and the link to wallets");
    const terms: HandOverTerms = {
      token: args.token,
      total: args.total,
      perPayment: args["per-payment"],
      perWindow: args["per-window"],
      days,
      purpose: args.purpose ?? "Pay bills within the limits above.",
      rung: args.rung === "spendGrant" ? "spendGrant" : undefined,
    };
    // An agent that runs has the journal, and the link to wallets: then it carries the hand-over out.
    const desk =
      (await joinHandOver(agent.name, config.state, terms)) ??
      (await openHandOver(agent.name, config, terms, askPassword));
    try {
      const delegation = await desk.run({
        expected,
        ...talk,
      });
      const stops = stopsOf(delegation);
      process.stdout.write(
        args.json ? `${JSON.stringify({ delegation, stops })}\n` : `${stopCard(delegation, stops)}\n`,
      );
    } finally {
      await desk.close();
    }
  },
});

function daysOf(text: string, mostDays: number): number {
  const days = /^[0-9]{1,3}$/.test(text) ? Number(text) : 0;
  if (days >= 1 && days <= mostDays) return days;
  throw new BaseError(`"${text}" of --days is no number of days that a delegation may hold.`, {
    remedy: `Write a whole number from 1 to ${mostDays}.`,
  });
}

function inWords(event: HandOverEvent): string {
  switch (event.kind) {
    case "uri":
      return `Scan this with your wallet, or paste the line below into it. Show it to nobody: whoever scans it first is connected.\n\n${renderUnicodeCompact(event.uri)}\n\n${event.uri}\n`;
    case "connected":
      return `Connected: ${event.account}, by a wallet that calls itself ${JSON.stringify(event.session.claims.name)}.`;
    case "rung":
      return `By ${event.rung}: ${event.why}`;
    case "explained":
      return `\nThis is what you ${event.hash === undefined ? "permit" : "sign"}:\n${event.sentences.map((line) => `- ${line}`).join("\n")}\n${event.hash === undefined ? "" : `Its hash, which your wallet may show: ${event.hash}\n`}`;
    case "asked":
      return `Look at your wallet: ${asked[event.what]}${event.words === undefined ? "" : `: ${event.words}`}${event.hash === undefined ? "" : ` (hash ${event.hash})`}.`;
    case "sent":
      return `Brought to the chain: the ${event.what}, ${event.transaction}`;
    case "bring":
      return `Somebody has to send this transaction, anybody may: to ${event.call.to}, data ${event.call.data}`;
    case "account":
      return `The account is ${event.account}, owned by ${event.owner}${event.made ? "" : "; nothing is there yet"}.`;
    case "terms":
      return `\nThis is what you sign:\n${event.sentences.map((line) => `- ${line}`).join("\n")}\n${event.hashes.map(({ asset, hash }) => `The hash of the ${asset} limit, which your wallet may show: ${hash}`).join("\n")}\n`;
    case "funded":
      return `The account has got ${event.words}.`;
    case "inForce":
      return event.delegation.rung === "erc7715"
        ? "In force: the chain takes what your wallet signed, and no more than that."
        : "In force: the chain knows the grant, and the allowance covers it.";
  }
}

const asked = {
  "sign-in": "sign in; it moves no money and grants nothing",
  grant: "sign the grant",
  permit: "sign the allowance; the contract can't take more than the grant says",
  allowance: "send the allowance; it costs you gas",
  permission: "permit it; the wallet shows an amount, a period and an end, and not who may be paid",
  policy: "sign the policy of this limit",
  funds: "send this to your own account that the agent will use",
} as const;

/** What a payer keeps: how to stop without this software. */
const stopCard = (
  { account, chainId, contract, id, rung }: Delegation,
  stops: readonly { readonly words: string; readonly link: string }[],
): string =>
  [
    "STOP CARD - keep it. Each of these stops the agent, from any wallet, without this software:",
    ...stops.flatMap(({ link, words }) => ["", `${words}:`, link, renderUnicodeCompact(link)]),
    `Chain ${chainId}, contract ${contract}, your account ${account}, ${rung === "erc7715" ? "permission" : "grant"} ${id}.`,
    "Disconnecting the wallet makes this agent stop; only the chain takes the permission away.",
  ].join("\n");
