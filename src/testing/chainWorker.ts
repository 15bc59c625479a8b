import { serveChain } from "./serveChain.ts";

/** Child process of `startChainProcess`: serves a local chain until its parent goes away, however that happens. */
const [options = "{}"] = process.argv.slice(2);

const stop = (): never => process.exit(0);
process.on("disconnect", stop);
// The parent hears Ctrl-C as well and closes the chain when it is done with it.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", stop);

try {
  const { url } = await serveChain(JSON.parse(options) as Parameters<typeof serveChain>[0]);
  process.send?.({ url });
} catch (error) {
  const { name, message } = error as Error;
  process.send?.({ error: { name, message } }, () => process.exit(1));
}
