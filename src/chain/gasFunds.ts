import type { Address } from "viem";

import { entryPointAbi } from "./abi/entryPoint.ts";
import { ask, type Chain } from "./connectChain.ts";
import { entryPointAddress } from "./entryPoint.ts";

/** What is deposited in the EntryPoint for somebody's operations, in wei. @throws RpcUnreachableError */
export const depositOf = (chain: Chain, account: Address): Promise<bigint> =>
  ask(chain, () =>
    chain.client.readContract({
      address: entryPointAddress,
      abi: entryPointAbi,
      functionName: "balanceOf",
      args: [account],
    }),
  );

/** What an account can pay gas with: its deposit and its own coin, in wei. @throws RpcUnreachableError */
export async function gasFundsOf(chain: Chain, account: Address): Promise<bigint> {
  const [depositWei, ownWei] = await Promise.all([
    depositOf(chain, account),
    ask(chain, () => chain.client.getBalance({ address: account })),
  ]);
  return depositWei + ownWei;
}
