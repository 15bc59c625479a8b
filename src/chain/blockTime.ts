import { createPublicClient, http } from "viem";

import { RpcUnreachableError } from "./errors.ts";

/** How fast a chain makes blocks, from its last ones. */
export type BlockTime = {
  readonly chainId: number;
  /** Blocks between the two that were compared. */
  readonly blocks: number;
  /** Mean milliseconds between two blocks; their own timestamps are whole seconds. */
  readonly meanMs: number;
};

/** Blocks to look back. */
const BACK = 100n;

/**
 * Measures over the last hundred blocks, or as many as there are. null: a chain of one block has no time between blocks.
 *
 * @throws RpcUnreachableError when nobody answers there
 */
export async function measureBlockTime(rpc: string): Promise<BlockTime | null> {
  const client = createPublicClient({ transport: http(rpc, { timeout: 10_000, retryCount: 1 }) });
  try {
    const [chainId, latest] = await Promise.all([client.getChainId(), client.getBlock()]);
    const blocks = latest.number < BACK ? latest.number : BACK;
    if (blocks === 0n) return null;
    const earlier = await client.getBlock({ blockNumber: latest.number - blocks });
    const seconds = latest.timestamp - earlier.timestamp;
    return { chainId, blocks: Number(blocks), meanMs: Math.round(Number(seconds * 1000n) / Number(blocks)) };
  } catch (error) {
    throw new RpcUnreachableError(rpc, error);
  }
}
