import { defineCommand } from "citty";

import { BaseError } from "../core/errors.ts";
import { addressOf } from "./ownerArguments.ts";

/** 100 play coins, in wei. */
const coins = `0x${(100n * 10n ** 18n).toString(16)}`;

export const chainCommand = defineCommand({
  meta: {
    name: "chain",
    description: "A local chain for development: a real EVM with the real EntryPoint 0.8, on loopback only.",
  },
  args: {
    port: { type: "string", description: "Port; 0 takes any free one.", default: "8545" },
    state: {
      type: "string",
      description: "File that blocks are recorded in, to go on there at the next start.",
    },
    fund: {
      type: "string",
      description: "Gives these accounts 100 play coins each: addresses, with commas between them.",
      valueHint: "0x…,0x…",
    },
    json: { type: "boolean", description: "One JSON document on stdout when it is ready.", default: false },
  },
  async run({ args }) {
    const port = Number(args.port);
    if (!Number.isInteger(port) || port < 0 || port > 65535)
      throw new BaseError(`"${args.port}" is not a port.`, { remedy: "Use a number from 0 to 65535." });
    const funded = (args.fund ?? "")
      .split(",")
      .filter((word) => word !== "")
      .map((word) => addressOf(word.trim(), "--fund"));
    const { localChainId, serveChain } = await import("../testing/index.ts");
    const served = await serveChain({
      port,
      blockTimeMs: 1000,
      ...(args.state === undefined ? {} : { stateFile: args.state }),
    });
    for (const address of funded)
      await served.chain.request({ method: "hardhat_setBalance", params: [address, coins] });
    process.stdout.write(
      args.json
        ? `${JSON.stringify({ url: served.url, chainId: localChainId })}\n`
        : `Local chain ${localChainId} at ${served.url}; Ctrl-C stops it.\n`,
    );
    await new Promise<void>((resolve) => {
      process.once("SIGINT", resolve);
      process.once("SIGTERM", resolve);
    });
    await served.close();
  },
});
