import { erc20Abi, type Address } from "viem";

import { BaseError } from "../core/errors.ts";
import type { Token } from "../policy/registry.ts";
import { ask, requireCode, type Chain } from "./connectChain.ts";
import { RpcUnreachableError } from "./errors.ts";

/** A token whose contract does not say how many decimals it has. */
export class TokenUnreadableError extends BaseError {
  override readonly name = "TokenUnreadableError";
  constructor({ address, symbol }: Token, cause: unknown) {
    super(`The contract of ${symbol} does not say how many decimals it has.`, {
      remedy: "Check the token's address in the policy: it may not be a token at all.",
      facts: { token: symbol, address },
      cause,
    });
  }
}

/** What the chain says about the decimals of a policy's tokens: `compilePolicy` compares it with the document. */
export async function readDecimals(
  chain: Chain,
  tokens: readonly Token[],
): Promise<Readonly<Record<Address, number>>> {
  const found = await Promise.all(
    tokens.map(async (token) => {
      const { address } = token;
      await requireCode(chain, `token ${token.symbol}`, address);
      try {
        return [
          address,
          await ask(chain, () =>
            chain.client.readContract({ address, abi: erc20Abi, functionName: "decimals" }),
          ),
        ] as const;
      } catch (error) {
        if (error instanceof RpcUnreachableError) throw error;
        throw new TokenUnreadableError(token, error);
      }
    }),
  );
  return Object.fromEntries(found);
}
