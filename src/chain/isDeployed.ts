import type { Address } from "viem";

import { ask, type Chain } from "./connectChain.ts";

/** Is there code at an address: at a block, or at the newest one? @throws RpcUnreachableError */
export async function isDeployed(chain: Chain, address: Address, blockNumber?: bigint): Promise<boolean> {
  const code = await ask(chain, () =>
    chain.client.getCode({ address, ...(blockNumber === undefined ? {} : { blockNumber }) }),
  );
  return code !== undefined && code !== "0x";
}
