import { createInterface } from "node:readline/promises";

import { getAddress, isAddress, parseEther, type Address } from "viem";

import { etherUp } from "../core/amount.ts";
import { BaseError } from "../core/errors.ts";
import type { Config } from "../runtime/config.ts";
import type { OwnerDesk, OwnerWay } from "../runtime/ownerDesk.ts";
import { askPassword } from "./askPassword.ts";
import { forTerminal } from "./forTerminal.ts";

const file = (description: string) => ({ type: "string", description, valueHint: "file" }) as const;

/** What `install` and `revoke` share: where the account is, and who signs. */
export const ownerArguments = {
  config: file("Configuration that names chain, account and bundler; see docs/architecture.md."),
  account: { type: "string", description: "The account.", valueHint: "0x…" },
  rpc: { type: "string", description: "URL of the chain's RPC.", valueHint: "url" },
  chain: { type: "string", description: "The chain's id, where no policy says it.", valueHint: "id" },
  "owner-keystore": file("The owner's encrypted key; without it, calls are only printed."),
  "owner-password-file": file("Its password; asked on the terminal when not given."),
  as: {
    type: "string",
    description:
      "operation: everything in one, which the account pays (the default when there is a bundler); transactions: plain ones of the owner's key.",
    valueHint: "operation|transactions",
  },
  bundler: { type: "string", description: "URL of a bundler.", valueHint: "url" },
  "max-fee": {
    type: "string",
    description:
      'Most that gas may cost in all, e.g. "0.05 ETH"; without it 0.02 ETH for an operation, and no more for the bundler than its bundle can cost.',
    valueHint: "amount",
  },
  calldata: {
    type: "boolean",
    description: "Only print the calls, for any wallet: [{ to, data, value }].",
    default: false,
  },
  yes: { type: "boolean", description: "Don't ask before it is done.", default: false },
  json: { type: "boolean", description: "One JSON document on stdout.", default: false },
} as const;

export type OwnerArguments = {
  readonly config?: string | undefined;
  readonly account?: string | undefined;
  readonly rpc?: string | undefined;
  readonly chain?: string | undefined;
  readonly "owner-keystore"?: string | undefined;
  readonly "owner-password-file"?: string | undefined;
  readonly as?: string | undefined;
  readonly bundler?: string | undefined;
  readonly "max-fee"?: string | undefined;
  readonly calldata?: boolean | undefined;
  readonly yes?: boolean | undefined;
  readonly json?: boolean | undefined;
};

/** The account's desk as the arguments describe it. What an argument says comes before the configuration. */
export async function openDesk(args: OwnerArguments, chainId: number | undefined): Promise<OwnerDesk> {
  const [{ readConfig }, { openOwnerDesk }] = await Promise.all([
    import("../runtime/config.ts"),
    import("../runtime/ownerDesk.ts"),
  ]);
  const config: Config | undefined = args.config === undefined ? undefined : await readConfig(args.config);
  const account = args.account === undefined ? config?.account : addressOf(args.account, "--account");
  const rpc = args.rpc === undefined ? config?.chain.rpc : urlOf(args.rpc, "--rpc");
  const chain = chainId ?? (args.chain === undefined ? config?.chain.chainId : Number(args.chain));
  if (account === undefined) throw missing("the account", "--account 0x…");
  if (rpc === undefined) throw missing("the chain's RPC", "--rpc URL");
  if (chain === undefined || !Number.isInteger(chain)) throw missing("the chain's id", "--chain");
  const keystore = args["owner-keystore"];
  const bundler =
    args.bundler === undefined
      ? config?.bundler
      : ({ kind: "rpc", url: urlOf(args.bundler, "--bundler") } as const);
  return openOwnerDesk({
    rpc,
    chainId: chain,
    account,
    ...(config ? { finality: config.chain.finality } : {}),
    // Only what signs needs keys and bundlers.
    ...(keystore === undefined || args.calldata
      ? {}
      : { ownerKeystore: { keystore, passwordFile: args["owner-password-file"] }, bundler }),
    askPassword,
  });
}

export function addressOf(text: string, argument: string): Address {
  if (isAddress(text)) return getAddress(text);
  throw new BaseError(`"${text}" of ${argument} is not an address.`, {
    remedy: "Write 0x and 40 hex digits, with a right checksum if it has capitals.",
  });
}

export function urlOf(text: string, argument: string): string {
  if (/^https?:$/.test(URL.parse(text)?.protocol ?? "")) return text;
  throw new BaseError(`"${text}" of ${argument} is not a URL.`, {
    remedy: "Write it whole, with http:// or https:// in front.",
  });
}

const missing = (what: string, how: string) =>
  new BaseError(`It is not said what ${what} is.`, { remedy: `Say it with ${how}, or name a --config.` });

export function wayOf({ as: way }: OwnerArguments, desk: OwnerDesk): OwnerWay {
  if (way === undefined) return desk.bundler ? "operation" : "transactions";
  if (way === "operation" || way === "transactions") return way;
  throw new BaseError(`"${way}" is no way to act as the owner.`, {
    remedy: "Write --as operation or --as transactions.",
  });
}

/** The ceiling that the owner names; undefined: the built-in one. */
export function maxFeeOf({ "max-fee": text }: OwnerArguments): bigint | undefined {
  if (text === undefined) return undefined;
  const [, amount] = /^(\d+(?:\.\d{1,18})?) ETH$/.exec(text) ?? [];
  if (amount !== undefined) return parseEther(amount);
  throw new BaseError(`"${text}" of --max-fee is not an amount of the native coin.`, {
    remedy: 'Write the number with its unit, in quotes: --max-fee "0.05 ETH".',
  });
}

/** Asks once it is known what it may cost. What was said is kept for the result. */
export function asking(question: string, args: OwnerArguments) {
  const fee: { most: string | null } = { most: null };
  const agree = (mostFeeWei: bigint | null): Promise<boolean> => {
    if (mostFeeWei !== null) {
      fee.most = `${etherUp(mostFeeWei)} ETH`;
      tell(`Gas costs the account at most ${fee.most}, whatever the bundler does.`);
    }
    return agreed(question, args);
  };
  return { agree, fee };
}

/** One question on the terminal; without one, nothing is done that was not agreed to. */
export async function agreed(
  question: string,
  args: Pick<OwnerArguments, "yes">,
  otherwise = "Read what it would do, then add --yes; or print the calls with --calldata.",
): Promise<boolean> {
  if (args.yes) return true;
  if (!process.stdin.isTTY)
    throw new BaseError("Nobody is there to say yes.", {
      remedy: otherwise,
    });
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await lines.question(forTerminal(`${question} [y/N] `))).trim());
  } catch (error) {
    // Ctrl-C, or the terminal is gone.
    if ((error as Error).name === "AbortError") return false;
    throw error;
  } finally {
    lines.close();
  }
}

/** Progress and questions go to stderr: stdout is for the result. */
export const tell = (words: string): void => void process.stderr.write(`${words}\n`);

/** Calls in the form that wallets and Safe's transaction builder take. */
export const walletCalls = (actions: readonly { readonly call: { to: Address; data: string } }[]) =>
  actions.map(({ call }) => ({ to: call.to, data: call.data, value: "0" }));
