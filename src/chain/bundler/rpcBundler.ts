import { createPimlicoClient } from "permissionless/clients/pimlico";
import { http, type Hex } from "viem";

import { ask, type Chain } from "../connectChain.ts";
import { decodeRefusal, revertDataOf } from "../decodeRefusal.ts";
import { entryPointAddress, toUserOpJson, type PlainUserOp } from "../entryPoint.ts";
import { BundlerError, ChainRefusalError } from "../errors.ts";
import type { Bundler, GasPrice } from "./bundler.ts";

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
      try {
        const { fast } = await client.getUserOperationGasPrice();
        return { maxFeePerGasWei: fast.maxFeePerGas, maxPriorityFeePerGasWei: fast.maxPriorityFeePerGas };
      } catch {
        // Not every bundler names its own floor: fall back on the chain's own suggestion.
        const fees = await ask(chain, () => chain.client.estimateFeesPerGas());
        return { maxFeePerGasWei: fees.maxFeePerGas, maxPriorityFeePerGasWei: fees.maxPriorityFeePerGas };
      }
    },
    async estimateGas(draft: PlainUserOp) {
      const limits = await rpc<{ callGasLimit: Hex; verificationGasLimit: Hex; preVerificationGas: Hex }>(
        "could not estimate the operation",
        "eth_estimateUserOperationGas",
        [
          {
            ...toUserOpJson(draft),
            callGasLimit: "0x0",
            verificationGasLimit: "0x0",
            preVerificationGas: "0x0",
          },
          entryPointAddress,
        ],
      );
      return {
        callGasLimit: BigInt(limits.callGasLimit),
        verificationGasLimit: BigInt(limits.verificationGasLimit),
        preVerificationGas: BigInt(limits.preVerificationGas),
      };
    },
    send: (userOp) =>
      rpc<Hex>("did not take the operation", "eth_sendUserOperation", [userOp, entryPointAddress]),
  };
}
