import { createPimlicoClient } from "permissionless/clients/pimlico";
import { http, isAddressEqual, type Hex } from "viem";
import { createBundlerClient } from "viem/account-abstraction";

import type { Chain } from "../connectChain.ts";
import { decodeRefusal, revertDataOf } from "../decodeRefusal.ts";
import { entryPointAddress, toUserOpJson, type PlainUserOp } from "../entryPoint.ts";
import { BundlerError, ChainRefusalError } from "../errors.ts";
import { boundFees, feesIn, readGasMarket } from "../gasMarket.ts";
import { confirmRefusal } from "./confirmRefusal.ts";
import type { Bundler, GasLimits, GasPrice } from "./bundler.ts";

/**
 * Is there a bundler at this URL that serves our EntryPoint? It is asked for nothing that costs anybody anything.
 *
 * @throws BundlerError when it does not answer
 */
export async function servesEntryPoint(url: string): Promise<boolean> {
  const client = createBundlerClient({ transport: http(url, { timeout: 20_000, retryCount: 0 }) });
  try {
    const served = await client.getSupportedEntryPoints();
    return served.some((one) => isAddressEqual(one, entryPointAddress));
  } catch (error) {
    throw new BundlerError(new URL(url).host, "does not answer", error, "Start it, or correct its URL.");
  }
}

/** A bundler behind JSON-RPC (ERC-4337 / ERC-7769), for example alto. */
export function rpcBundler(chain: Chain, url: string): Bundler {
  const name = new URL(url).host;
  const client = createPimlicoClient({
    chain: chain.client.chain!,
    transport: http(url, { timeout: 20_000, retryCount: 0 }),
    entryPoint: { address: entryPointAddress, version: "0.8" },
  });

  /** ERC-7769 names refusals -32500…-32521; the message carries the AA code and the revert data if any. */
  function refusalOf(error: unknown): ChainRefusalError | undefined {
    const data = revertDataOf(error);
    if (data) return new ChainRefusalError(decodeRefusal(data));
    const text = error instanceof Error ? error.message : String(error);
    const code = /\bAA\d\d\b/.exec(text)?.[0] ?? null;
    const inner = /0x[0-9a-f]{8,}/i.exec(text.slice(Math.max(0, text.indexOf("revert"))))?.[0] as
      Hex | undefined;
    if (code === null) return undefined;
    return new ChainRefusalError(
      inner
        ? { ...decodeRefusal(inner), code }
        : { code, error: code, words: text.split("\n")[0]!.slice(0, 200) },
    );
  }

  /** A hint-giver's number: nothing, a fraction or more than the operation has room for is none. */
  function gasOf(limits: unknown, key: keyof GasLimits): bigint {
    const value = (limits as Readonly<Record<string, unknown>> | null)?.[key];
    if (typeof value === "string" && /^0x[0-9a-f]{1,30}$/i.test(value)) return BigInt(value);
    throw new BundlerError(name, `gave no usable ${key}`, JSON.stringify(value));
  }

  async function rpc<T>(what: string, method: string, params: readonly unknown[]): Promise<T> {
    try {
      return (await client.request({ method: method as never, params: params as never })) as T;
    } catch (error) {
      throw refusalOf(error) ?? new BundlerError(name, what, error);
    }
  }

  return {
    name,
    async gasPrice(): Promise<GasPrice> {
      const market = await readGasMarket(chain);
      try {
        const { fast } = await client.getUserOperationGasPrice();
        const { maxFeePerGas, maxPriorityFeePerGas } = fast;
        return boundFees(
          { maxFeePerGasWei: maxFeePerGas, maxPriorityFeePerGasWei: maxPriorityFeePerGas },
          market,
        );
      } catch {
        // Not every bundler names its own floor: what the chain itself suggests has to do.
        return feesIn(market);
      }
    },
    async estimateGas(draft: PlainUserOp) {
      const sized = {
        ...toUserOpJson(draft),
        callGasLimit: "0x0",
        verificationGasLimit: "0x0",
        preVerificationGas: "0x0",
      };
      const asked = [sized, entryPointAddress] as const;
      const limits = await rpc<unknown>(
        "could not estimate the operation",
        "eth_estimateUserOperationGas",
        asked,
      ).catch(async (error: unknown): Promise<never> => {
        throw error instanceof ChainRefusalError ? await confirmRefusal(chain, name, draft, error) : error;
      });
      return {
        callGasLimit: gasOf(limits, "callGasLimit"),
        verificationGasLimit: gasOf(limits, "verificationGasLimit"),
        preVerificationGas: gasOf(limits, "preVerificationGas"),
      };
    },
    send: (userOp) =>
      rpc<Hex>("did not take the operation", "eth_sendUserOperation", [userOp, entryPointAddress]),
  };
}
