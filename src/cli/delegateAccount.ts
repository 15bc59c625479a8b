import { renderUnicodeCompact } from "uqr";
import type { Address } from "viem";

import { BaseError } from "../core/errors.ts";
import type { OwnAccount } from "../runtime/delegate/ownAccount.ts";
import type { Stop } from "../runtime/delegate/stopCard.ts";
import type { Config } from "../runtime/config.ts";
import type { HandOverOptions } from "../runtime/delegate/handOverOptions.ts";
import { askPassword } from "./askPassword.ts";
import { forTerminal } from "./forTerminal.ts";
import { tell } from "./ownerArguments.ts";

/** How a hand-over speaks to whoever sits here. */
export type Talk = Pick<HandOverOptions, "signal" | "confirm" | "tell">;

type Given = {
  readonly payer: Address | undefined;
  readonly fund?: string | undefined;
  readonly out?: string | undefined;
  readonly json: boolean;
  readonly [bound: string]: unknown;
};

/** What bounds a grant. Of an account of the payer's own, the policy itself is what he signs. */
const boundsOfGrants = ["total", "per-payment", "per-window", "days", "purpose"];

/** @throws BaseError where --fund or --out is said of a grant, which takes neither */
export function refuseAccountWords({ fund, out }: Pick<Given, "fund" | "out">): void {
  const said = [...(fund === undefined ? [] : ["--fund"]), ...(out === undefined ? [] : ["--out"])];
  if (said.length === 0) return;
  throw new BaseError(
    `${said.join(" and ")} is for an account of the payer's own, and this is a grant out of his plain account.`,
    {
      remedy: "Leave it out: nothing moves anywhere beforehand.",
    },
  );
}

/** `bursar delegate` where nobody can pull what the agent is to spend out of a plain account. */
export async function delegateAccount(
  agent: string,
  config: Config,
  given: Given,
  talk: Talk,
): Promise<void> {
  const { fund, json, out, payer } = given;
  const bounds = boundsOfGrants.filter((name) => given[name] !== undefined);
  if (bounds.length > 0)
    throw new BaseError(
      `${bounds.map((name) => `--${name}`).join(" and ")} bounds a grant, and this is an account of the payer's own: there the policy itself is what he signs.`,
      { remedy: "Write it into the policy, and leave it out here." },
    );
  if (payer === undefined)
    throw new BaseError("The payer's account has to be known: the address of what he owns follows from it.", {
      remedy: "Name it with --account 0x….",
    });
  const [{ resolve }, { UnfinishedAccountError }, { openAccountHandOver }, { stopCardOf }] =
    await Promise.all([
      import("node:path"),
      import("../runtime/delegate/ownAccount.ts"),
      import("../runtime/delegate/openAccountHandOver.ts"),
      import("../runtime/delegate/accountStopCard.ts"),
    ]);
  tell("opening the account's journal, the chain and the link to wallets");
  const desk = await openAccountHandOver(
    agent,
    config,
    { payer, fund, out: out === undefined ? undefined : resolve(out) },
    askPassword,
  );
  const show = async (own: OwnAccount, runs: boolean): Promise<void> => {
    const stops = await stopCardOf(config, own);
    const card = stopCard(own, config.chain.chainId, stops);
    process.stdout.write(
      json
        ? `${JSON.stringify({ account: own, ...(runs ? { config: desk.config } : {}), stops })}\n`
        : forTerminal(`${runs ? `${inWords(own, desk.config, config.chain.chainId)}\n\n` : ""}${card}\n`),
    );
  };
  try {
    await show(await desk.run(talk), true);
  } catch (error) {
    // What stands is told how to be stopped, whatever else failed.
    if (error instanceof UnfinishedAccountError) await show(error.own, error.runs);
    throw error;
  } finally {
    await desk.close();
  }
}

function inWords({ account, made }: OwnAccount, file: string, chainId: number): string {
  const link = `ethereum:${account}@${chainId}`;
  return [
    made
      ? "The account is on the chain."
      : "Signed. Nothing is on the chain yet: the agent's first operation makes the account, and grants what was signed.",
    "",
    `What the agent is to pay and to buy gas with goes to ${account}, by plain transfers from any wallet:`,
    link,
    renderUnicodeCompact(link),
    "",
    `Run the agent on it with: bursar run AGENT --config ${file}`,
    "Run it there alone: two runs of one agent's file take in the same messages, each with a journal of its own, and both would pay the same bill.",
    "For each further payer copy the agent's file into a folder of its own, with an inbox of its own, and run that copy.",
  ].join("\n");
}

const stopCard = ({ account, origin }: OwnAccount, chainId: number, stops: readonly Stop[]): string =>
  [
    "STOP CARD - keep it. Each of these is a plain transaction of yours, from any wallet, without this software:",
    ...stops.flatMap(({ link, words }) => ["", `${words}:`, link, renderUnicodeCompact(link)]),
    `Chain ${chainId}, your account ${account}, owner ${origin.owner}.`,
    "Disconnecting the wallet makes this agent stop; only the chain takes the permission away.",
  ].join("\n");
