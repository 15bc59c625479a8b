import { isAddressEqual, recoverTypedDataAddress, size, type Address, type Hex } from "viem";

import type { CompiledLimit } from "../policy/compile.ts";
import { installMessage } from "../policy/grant.ts";
import { ask, type Chain } from "./connectChain.ts";
import { decodeRefusal, revertDataOf } from "./decodeRefusal.ts";
import type { Refusal } from "./errors.ts";
import { isLowSignature } from "./lowSignature.ts";
import { ownerCall } from "./ownerCall.ts";
import type { AccountState } from "./readAccount.ts";
import { refusalWords } from "./refusalWords.ts";

/**
 * Would the account take a limit's grant with this signature of its owner? null: it would. Asked of `grantBySignature`, which
 * looks at what the same grant inside an operation has to satisfy: owner, epoch, and that the id is neither live nor burned. Of an
 * account that is not there yet, only the signature can be wrong.
 */
export async function refusesInstall(
  chain: Chain,
  account: Address,
  limit: CompiledLimit,
  signature: Hex,
  { blockNumber, made, owner }: Pick<AccountState, "blockNumber" | "made" | "owner">,
): Promise<Refusal | null> {
  if (!made)
    return (await isInstallSigned(chain.chainId, account, limit, 0, signature, owner))
      ? null
      : { code: null, error: `WrongSigner(${owner})`, words: refusalWords("WrongSigner", [owner]) };
  const { data } = ownerCall(account, "grantBySignature", [limit.grant, signature]);
  return ask(chain, async () => {
    try {
      await chain.client.call({ to: account, data, blockNumber });
      return null;
    } catch (error) {
      const revert = revertDataOf(error);
      if (revert === undefined) throw error;
      return decodeRefusal(revert);
    }
  });
}

/** Did the owner's key sign the limit's grant, in the one form of 65 bytes that an operation can carry? */
export async function isInstallSigned(
  chainId: number,
  account: Address,
  { grant }: CompiledLimit,
  epoch: number,
  signature: Hex,
  owner: Address,
): Promise<boolean> {
  if (size(signature) !== 65 || !isLowSignature(signature)) return false;
  try {
    const message = installMessage(chainId, account, grant, epoch);
    return isAddressEqual(await recoverTypedDataAddress({ ...message, signature }), owner);
  } catch {
    return false;
  }
}
