import type { Address, Hex } from "viem";

import type { CompiledLimit } from "../policy/compile.ts";
import { ask, type Chain } from "./connectChain.ts";
import { decodeRefusal, revertDataOf } from "./decodeRefusal.ts";
import type { Refusal } from "./errors.ts";
import { ownerCall } from "./ownerCall.ts";

/**
 * Would the account take a limit's grant with this signature of its owner? null: it would. Asked of `grantBySignature`, which
 * looks at what the same grant inside an operation has to satisfy: owner, epoch, and that the id is neither live nor burned.
 */
export async function refusesInstall(
  chain: Chain,
  account: Address,
  { grant }: CompiledLimit,
  signature: Hex,
  blockNumber?: bigint,
): Promise<Refusal | null> {
  const { data } = ownerCall(account, "grantBySignature", [grant, signature]);
  return ask(chain, async () => {
    try {
      await chain.client.call({ to: account, data, ...(blockNumber === undefined ? {} : { blockNumber }) });
      return null;
    } catch (error) {
      const revert = revertDataOf(error);
      if (revert === undefined) throw error;
      return decodeRefusal(revert);
    }
  });
}
