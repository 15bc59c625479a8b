import { BaseError, LimitExceededRpcError } from "viem";

import { ask, type Chain } from "./connectChain.ts";
import { RpcUnreachableError } from "./errors.ts";

type Blocks = { readonly fromBlock: bigint; readonly toBlock: bigint | "latest" };

/** Smallest part a range of blocks is cut into when an RPC refuses larger ones. */
const smallestRange = 500n;

/** Reads logs from a block on, the chain's first one when none is given, in as few requests as the RPC allows. */
export async function allLogs<Log>(
  chain: Chain,
  read: (blocks: Blocks) => Promise<readonly Log[]>,
  first = 0n,
): Promise<readonly Log[]> {
  const between = async (fromBlock: bigint, toBlock: bigint): Promise<readonly Log[]> => {
    try {
      return await ask(chain, () => read({ fromBlock, toBlock }));
    } catch (error) {
      if (!isRefusedRange(error) || toBlock - fromBlock < smallestRange) throw error;
      const middle = (fromBlock + toBlock) / 2n;
      return [...(await between(fromBlock, middle)), ...(await between(middle + 1n, toBlock))];
    }
  };
  try {
    return await ask(chain, () => read({ fromBlock: first, toBlock: "latest" }));
  } catch (error) {
    if (!isRefusedRange(error)) throw error;
    const newest = await ask(chain, () => chain.client.getBlockNumber());
    // As it was asked for, there is nothing to cut.
    if (newest - first < smallestRange) throw error;
    return between(first, newest);
  }
}

/** An answer that is a refusal: many RPCs serve only so many blocks at once. A node that is away answers nothing. */
function isRefusedRange(error: unknown): boolean {
  if (!(error instanceof RpcUnreachableError)) return true;
  return (
    error.cause instanceof BaseError &&
    error.cause.walk((cause) => cause instanceof LimitExceededRpcError) !== null
  );
}
