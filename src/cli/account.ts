import { defineCommand } from "citty";

import { BaseError } from "../core/errors.ts";
import { askPassword } from "./askPassword.ts";
import { addressOf, tell, urlOf } from "./ownerArguments.ts";

const newCommand = defineCommand({
  meta: {
    name: "new",
    description:
      "Makes an AgentAccount that an owner's key or contract owns, with what the chain lacks of the contracts behind it. Said again, it finds the same account. Example: bursar account new --owner 0x… --rpc http://127.0.0.1:8545 --chain 31337 --keystore payer.json",
  },
  args: {
    owner: {
      type: "string",
      description: "Who owns it and may do everything: not the agent. A contract such as a Safe is best.",
      valueHint: "0x…",
      required: true,
    },
    rpc: { type: "string", description: "RPC of the chain.", valueHint: "URL", required: true },
    chain: { type: "string", description: "Id of the chain.", valueHint: "ID", required: true },
    keystore: {
      type: "string",
      description: "Encrypted key of whoever pays the gas; it gets no power over the account.",
      valueHint: "file",
      required: true,
    },
    "password-file": {
      type: "string",
      description: "Its password; asked on the terminal when not given.",
      valueHint: "file",
    },
    salt: { type: "string", description: "A whole number; another one makes another account.", default: "0" },
    json: { type: "boolean", description: "One JSON document on stdout.", default: false },
  },
  async run({ args }) {
    const owner = addressOf(args.owner, "--owner");
    const chainId = Number(args.chain);
    if (!Number.isSafeInteger(chainId) || chainId < 1)
      throw new BaseError(`"${args.chain}" is no chain's id.`, {
        remedy: "Write a whole number: --chain 31337.",
      });
    if (!/^\d{1,77}$/.test(args.salt))
      throw new BaseError(`"${args.salt}" is no salt.`, {
        remedy: "Write a whole number of 77 digits at most.",
      });
    const { newAccount } = await import("../runtime/newAccount.ts");
    const account = await newAccount({
      rpc: urlOf(args.rpc, "--rpc"),
      chainId,
      owner,
      salt: BigInt(args.salt),
      keystore: { keystore: args.keystore, passwordFile: args["password-file"] },
      askPassword,
      tell,
    });
    process.stdout.write(
      args.json
        ? `${JSON.stringify({ account, owner, chainId })}\n`
        : `${account}\nName it as "account" in the configuration; then: bursar policy install\n`,
    );
  },
});

export const accountCommand = defineCommand({
  meta: { name: "account", description: "Smart accounts for agents to act through." },
  subCommands: { new: newCommand },
});
