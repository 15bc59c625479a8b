import { defineCommand } from "citty";

import { BaseError } from "../core/errors.ts";

export const relayCommand = defineCommand({
  meta: {
    name: "relay",
    description:
      "A WalletConnect relay for development, on loopback only: for wallets and agents on this machine, and for nothing of value.",
  },
  args: {
    port: { type: "string", description: "Port; 0 takes any free one.", default: "5555" },
    journal: {
      type: "string",
      description:
        "File that messages under way are kept in, to go on there at the next start; in memory only without.",
    },
    json: { type: "boolean", description: "One JSON document on stdout when it is ready.", default: false },
  },
  async run({ args }) {
    const port = Number(args.port);
    if (!Number.isInteger(port) || port < 0 || port > 65535)
      throw new BaseError(`"${args.port}" is not a port.`, { remedy: "Use a number from 0 to 65535." });
    const { startRelay } = await import("../testing/index.ts");
    const relay = await startRelay({
      port,
      ...(args.journal === undefined ? {} : { journal: args.journal }),
    });
    process.stdout.write(
      args.json
        ? `${JSON.stringify({ url: relay.url, journal: args.journal ?? null })}\n`
        : `Relay for development at ${relay.url}; Ctrl-C stops it.\n`,
    );
    await new Promise<void>((resolve) => {
      process.once("SIGINT", resolve);
      process.once("SIGTERM", resolve);
    });
    await relay.close();
  },
});
