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
import { MissingContractError, RpcAnswerError, RpcUnreachableError, WrongChainError } from "./errors.ts";
import { entryPointAddress } from "./entryPoint.ts";

/** How many blocks have to lie on top of one before it counts as final. 0: the newest block is final (local chains only). */
export type Finality = { readonly depth: number } | { readonly tag: "finalized" };

/** Our own view of one chain. Every fact the runtime acts on comes from here, never from a bundler. */
export type Chain = {
  readonly client: PublicClient;
  readonly chainId: number;
  readonly url: string;
  readonly finality: Finality;
  /** Other nodes of the same chain, each believed as little as the first: all have to agree on what can't be taken back. */
  readonly witnesses: readonly Chain[];
};

export type Eip1193 = { request(input: { method: string; params?: unknown }): Promise<unknown> };

export type ConnectOptions = {
  readonly rpc: string | Eip1193;
  readonly chainId: number;
  readonly finality: Finality;
  readonly witnesses?: readonly (string | Eip1193)[] | undefined;
  /** Milliseconds until an RPC that says nothing counts as one that does not answer; 10,000 when not given. */
  readonly timeoutMs?: number | undefined;
};

/**
 * Connects to an RPC and makes sure that it is the right chain and has the EntryPoint. Witnesses are not asked before they are
 * needed: one that is away keeps nobody from starting.
 *
 * @throws RpcUnreachableError · WrongChainError · MissingContractError
 */
export async function connectChain(options: ConnectOptions): Promise<Chain> {
  const chain = chainAt(options.rpc, options);
  await requireChainId(chain);
  await requireCode(chain, "EntryPoint 0.8", entryPointAddress);
  return chain;
}

function chainAt(
  rpc: string | Eip1193,
  { chainId, finality, timeoutMs = 10_000, witnesses = [] }: Omit<ConnectOptions, "rpc">,
): Chain {
  const client = createPublicClient({
    chain: defineChain({
      id: chainId,
      name: `chain ${chainId}`,
      nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
      rpcUrls: { default: { http: [] } },
    }),
    // One retry: a stalled RPC has to show up as an error in seconds, the corridor repeats with back-off.
    transport:
      typeof rpc === "string"
        ? http(rpc, { timeout: timeoutMs, retryCount: 1 })
        : custom(rpc, { retryCount: 0 }),
    cacheTime: 0,
    // A stranger's contract would say what this machine fetches (ERC-3668): a wallet's that checks a signature, an enforcer.
    ccipRead: false,
  });
  return {
    client,
    chainId,
    url: typeof rpc === "string" ? rpc : "in-process",
    finality,
    witnesses: witnesses.map((witness) => chainAt(witness, { chainId, finality, timeoutMs })),
  };
}

/** An RPC may change what it serves at any time. @throws WrongChainError · RpcUnreachableError */
export async function requireChainId(chain: Chain): Promise<void> {
  const actual = await ask(chain, () => chain.client.getChainId());
  if (actual !== chain.chainId) throw new WrongChainError(chain.chainId, actual, chain.url);
}

/**
 * Runs a read. A transport failure becomes RpcUnreachableError, an answer that no node gives RpcAnswerError; what the chain itself
 * has to say passes through.
 */
export async function ask<T>(chain: Chain, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw failureOf(chain, error) ?? error;
  }
}

/** What an error says of the node itself; undefined when it is the chain's own word, or none of a node at all. */
export function failureOf(chain: Chain, error: unknown): RpcUnreachableError | RpcAnswerError | undefined {
  if (causedBy(error, transportErrors)) return new RpcUnreachableError(chain.url, error);
  if (causedBy(error, nonsenseErrors) || isUnsure(error)) return new RpcAnswerError(chain.url, error);
  return undefined;
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

/** What comes of reading an answer that has not the form of one; a block or transaction that a node has itself named and does not know. */
const nonsenseErrors = new Set([
  "TypeError",
  "SyntaxError",
  "RangeError",
  "BlockNotFoundError",
  "TransactionReceiptNotFoundError",
  "AbiDecodingZeroDataError",
  "AbiDecodingDataSizeTooSmallError",
  "ContractFunctionZeroDataError",
  "IntegerOutOfRangeError",
  "InvalidBytesBooleanError",
  "PositionOutOfBoundsError",
]);

/** JSON-RPC's code of a call that reverted. Under any other a node says for itself: it lacks a block, a method, an account that is paid for. */
const revertedCode = 3;
/** What nodes say under other codes of what they were asked to run or take: it stays so, however often they are asked. */
const verdict =
  /revert|insufficient|nonce|underpriced|\bgas\b|\bfee|invalid (opcode|jump|argument)|stack|\bAA\d\d\b/i;

/** Does a node lag, lack what it was asked for, or refuse to serve? Balanced over several, as most RPCs are, the next one may have it. */
function isUnsure(error: unknown): boolean {
  if (revertDataOf(error) !== undefined) return false;
  let unsure = false;
  for (let cause = error, depth = 0; cause instanceof Error && depth < 16; cause = cause.cause, depth++) {
    // A caller's own words of the call ("The contract function … reverted") are not the node's.
    const { code, details } = cause as { readonly code?: unknown; readonly details?: unknown };
    if (code === revertedCode) return false;
    if (typeof code !== "number") continue;
    unsure = true;
    if (verdict.test(typeof details === "string" ? details : cause.message)) return false;
  }
  return unsure;
}

function causedBy(error: unknown, names: ReadonlySet<string>): boolean {
  if (revertDataOf(error) !== undefined) return false;
  for (let cause = error, depth = 0; cause instanceof Error && depth < 16; cause = cause.cause, depth++)
    if (names.has(cause.name)) return true;
  return false;
}

/** `hash`: null before there is a final block. */
export type FinalBlock = { readonly number: bigint; readonly timestamp: bigint; readonly hash: Hex | null };

/** The newest block that counts as final. */
export async function finalBlock(chain: Chain): Promise<FinalBlock> {
  const { finality } = chain;
  if ("tag" in finality) return blockAt(chain, { blockTag: "finalized" });
  const head = await newestBlock(chain);
  if (finality.depth === 0) return head;
  const number = head.number - BigInt(finality.depth);
  return number < 0n ? { number: -1n, timestamp: 0n, hash: null } : blockAt(chain, { blockNumber: number });
}

/** The newest block of our own node. */
export const newestBlock = (chain: Chain) => blockAt(chain, { blockTag: "latest" });

async function blockAt(
  chain: Chain,
  which: { readonly blockTag: "latest" | "finalized" } | { readonly blockNumber: bigint },
) {
  const block = await ask(chain, () => chain.client.getBlock(which));
  // Whatever is no block is read as one that has nothing.
  const { hash, number, timestamp } = block as { [Key in "hash" | "number" | "timestamp"]: unknown };
  if (typeof hash === "string" && typeof number === "bigint" && typeof timestamp === "bigint") return block;
  throw new RpcAnswerError(chain.url, new Error("a block without number, hash or time"));
}
