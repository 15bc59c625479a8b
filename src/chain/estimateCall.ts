import { ask, type Chain } from "./connectChain.ts";
import { decodeRefusal, revertDataOf } from "./decodeRefusal.ts";
import { entryPointAddress, type PlainUserOp } from "./entryPoint.ts";
import { BaseError } from "../core/errors.ts";
import { BundlerError, ChainRefusalError } from "./errors.ts";

/**
 * Gas of the account's call alone, as the EntryPoint makes it, by our own RPC.
 *
 * @throws ChainRefusalError when the call reverts
 */
export async function estimateCall(chain: Chain, bundler: string, userOp: PlainUserOp): Promise<bigint> {
  try {
    return await ask(chain, () =>
      chain.client.estimateGas({ account: entryPointAddress, to: userOp.sender, data: userOp.callData }),
    );
  } catch (error) {
    if (error instanceof BaseError) throw error;
    const data = revertDataOf(error);
    if (data) throw new ChainRefusalError(decodeRefusal(data));
    throw new BundlerError(bundler, "could not estimate the call", error);
  }
}
