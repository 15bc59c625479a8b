import { erc20Abi } from "viem";

import type { Token } from "../policy/registry.ts";
import { ask, type Chain } from "./connectChain.ts";
import { RpcUnreachableError } from "./errors.ts";

/**
 * Tokens that call themselves something else than the policy does, with what they say. A hint for people and no proof: anybody
 * may deploy a token of any name. Tokens without a readable symbol (some old ones) say nothing.
 */
export async function otherSymbols(
  chain: Chain,
  tokens: readonly Token[],
): Promise<readonly { readonly token: Token; readonly says: string }[]> {
  const found = await Promise.all(
    tokens.map(async (token) => {
      const { address } = token;
      try {
        const says = await ask(chain, () =>
          chain.client.readContract({ address, abi: erc20Abi, functionName: "symbol" }),
        );
        return says === token.symbol ? [] : [{ token, says }];
      } catch (error) {
        if (error instanceof RpcUnreachableError) throw error;
        return [];
      }
    }),
  );
  return found.flat();
}
