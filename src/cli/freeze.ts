import { defineCommand } from "citty";

import { BaseError } from "../core/errors.ts";
import { askPassword } from "./askPassword.ts";
import { addressOf, ownerArguments, tell, urlOf, walletCalls } from "./ownerArguments.ts";

export const freezeCommand = defineCommand({
  meta: {
    name: "freeze",
    description:
      "Stops every agent of an account on chain, at once, with a guardian's or the owner's key; only the owner unfreezes. Needs no model, bundler or journal.",
  },
  args: {
    keystore: {
      type: "string",
      description: "The guardian's or owner's encrypted key.",
      valueHint: "file",
    },
    "password-file": {
      type: "string",
      description: "Its password; asked on the terminal when not given.",
      valueHint: "file",
    },
    config: ownerArguments.config,
    account: ownerArguments.account,
    rpc: ownerArguments.rpc,
    chain: ownerArguments.chain,
    calldata: ownerArguments.calldata,
    json: ownerArguments.json,
  },
  // No question is asked: whoever stops an agent is in a hurry, and the owner can undo it.
  async run({ args }) {
    const [{ readPlace }, { freezeAccount, freezeCall }] = await Promise.all([
      import("../runtime/config.ts"),
      import("../runtime/freezeAccount.ts"),
    ]);
    const place = args.config === undefined ? undefined : await readPlace(args.config);
    const account = args.account === undefined ? place?.account : addressOf(args.account, "--account");
    if (account === undefined) throw missing("--account 0x…");
    if (args.calldata)
      return print(args.json, JSON.stringify(walletCalls([{ call: freezeCall(account) }])), undefined);
    const rpc = args.rpc === undefined ? place?.chain.rpc : urlOf(args.rpc, "--rpc");
    const chainId = args.chain === undefined ? place?.chain.chainId : Number(args.chain);
    if (rpc === undefined) throw missing("--rpc URL");
    if (chainId === undefined || !Number.isInteger(chainId)) throw missing("--chain ID");
    if (args.keystore === undefined) throw missing("--keystore FILE");
    tell("freezing the account");
    const transaction = await freezeAccount({
      rpc,
      chainId,
      account,
      keystore: { keystore: args.keystore, passwordFile: args["password-file"] },
      askPassword,
    });
    print(
      args.json,
      JSON.stringify({ account, frozen: true, transaction }),
      transaction === null ? "The account was frozen already." : `Frozen: ${transaction}`,
    );
  },
});

const print = (json: boolean, document: string, words: string | undefined) =>
  process.stdout.write(`${json || words === undefined ? document : words}\n`);

const missing = (how: string) =>
  new BaseError("It is not said what to freeze, or by whom.", { remedy: `Say ${how}, or name a --config.` });
