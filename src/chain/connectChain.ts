import {
  createPublicClient,
  custom,
  defineChain,
  http,
  type Address,
  type Hex,
  type PublicClient,
} from "viem";

import { revertDataOf } from "./decodeRefusal.ts";
import { MissingContractError, RpcUnreachableError, WrongChainError } from "./errors.ts";
import { entryPointAddress } from "./entryPoint.ts";

/** How many blocks have to lie on top of one before it counts as final. 0: the newest block is final (local chains only). */
export type Finality = { readonly depth: number } | { readonly tag: "finalized" };

/** Our own view of one chain. Every fact the runtime acts on comes from here, never from a bundler. */
export type Chain = {
  readonly client: PublicClient;
  readonly chainId: number;
  readonly url: string;
  readonly finality: Finality;
};

export type Eip1193 = { request(input: { method: string; params?: unknown }): Promise<unknown> };

/**
 * Connects to an RPC and makes sure that it is the right chain and has the EntryPoint.
 *
 * @throws RpcUnreachableError · WrongChainError · MissingContractError
 */
export async function connectChain(options: {
  readonly rpc: string | Eip1193;
  readonly chainId: number;
  readonly finality: Finality;
}): Promise<Chain> {
  const url = typeof options.rpc === "string" ? options.rpc : "in-process";
  const client = createPublicClient({
    chain: defineChain({
      id: options.chainId,
      name: `chain ${options.chainId}`,
      nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
      rpcUrls: { default: { http: [] } },
    }),
    // One retry: a stalled RPC has to show up as an error in seconds, the corridor repeats with back-off.
    transport:
      typeof options.rpc === "string"
        ? http(options.rpc, { timeout: 10_000, retryCount: 1 })
        : custom(options.rpc, { retryCount: 0 }),
    cacheTime: 0,
  });
  const chain: Chain = { client, chainId: options.chainId, url, finality: options.finality };
  const actual = await ask(chain, () => client.getChainId());
  if (actual !== options.chainId) throw new WrongChainError(options.chainId, actual, url);
  await requireCode(chain, "EntryPoint 0.8", entryPointAddress);
  return chain;
}

/** Runs a read; a transport failure becomes RpcUnreachableError, everything else passes through. */
export async function ask<T>(chain: Chain, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (isTransportFailure(error)) throw new RpcUnreachableError(chain.url, error);
    throw error;
  }
}

export async function requireCode(chain: Chain, what: string, address: Address): Promise<Hex> {
  const code = await ask(chain, () => chain.client.getCode({ address }));
  if (!code || code === "0x") throw new MissingContractError(what, address, chain.chainId);
  return code;
}

/** A node that is down, slow, over its limits or broken inside. An answer with revert data is an answer. */
const transportErrors = new Set([
  "HttpRequestError",
  "TimeoutError",
  "SocketClosedError",
  "LimitExceededRpcError",
  "InternalRpcError",
]);

function isTransportFailure(error: unknown): boolean {
  if (revertDataOf(error) !== undefined) return false;
  for (let cause = error, depth = 0; cause instanceof Error && depth < 16; cause = cause.cause, depth++)
    if (transportErrors.has(cause.name)) return true;
  return false;
}

/** The newest block that counts as final. */
export async function finalBlock(
  chain: Chain,
): Promise<{ readonly number: bigint; readonly timestamp: bigint }> {
  const { finality } = chain;
  if ("tag" in finality) return ask(chain, () => chain.client.getBlock({ blockTag: "finalized" }));
  const head = await ask(chain, () => chain.client.getBlock({ blockTag: "latest" }));
  if (finality.depth === 0) return head;
  const number = head.number - BigInt(finality.depth);
  return number < 0n
    ? { number: -1n, timestamp: 0n }
    : ask(chain, () => chain.client.getBlock({ blockNumber: number }));
}
