import { bundlerLadder } from "../chain/bundler/bundlerLadder.ts";
import type { Bundler } from "../chain/bundler/bundler.ts";
import { ownBundler } from "../chain/bundler/ownBundler.ts";
import { rpcBundler } from "../chain/bundler/rpcBundler.ts";
import type { Chain } from "../chain/connectChain.ts";
import { openKeystore } from "../chain/keystore.ts";
import { bundlersOf, type BundlerConfig } from "./bundlerSchema.ts";
import { parseUnitsExact } from "../core/amount.ts";
import type { House } from "./house.ts";
import { passwordFor, type AskPassword } from "./password.ts";

/** Opens all of them as one. The purse is that of the bundler in the process, wherever it stands. */
export async function openBundlers(
  chain: Chain,
  config: BundlerConfig,
  askPassword: AskPassword | undefined,
): Promise<Pick<House, "bundler" | "purse">> {
  let purse: House["purse"] = null;
  const bundlers: Bundler[] = [];
  for (const bundler of bundlersOf(config))
    if (bundler.kind === "rpc") bundlers.push(rpcBundler(chain, bundler.url));
    else {
      purse = await openKeystore(bundler.keystore, await passwordFor(bundler, askPassword));
      const { perOperation } = bundler;
      const mostWei = perOperation && parseUnitsExact(perOperation.replace(" ETH", ""), 18);
      bundlers.push(ownBundler(chain, { executor: purse, ...(mostWei ? { mostWei } : {}) }));
    }
  return { bundler: bundlerLadder(bundlers as [Bundler, ...Bundler[]]), purse };
}
