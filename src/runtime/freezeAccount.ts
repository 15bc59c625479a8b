import { isAddressEqual, type Address, type Hex } from "viem";

import { connectChain, requireCode, type Eip1193 } from "../chain/connectChain.ts";
import { sendTransaction } from "../chain/deploy.ts";
import { openKeystore } from "../chain/keystore.ts";
import { ownerCall } from "../chain/ownerCall.ts";
import { readOwnership } from "../chain/readOwnership.ts";
import { BaseError } from "../core/errors.ts";
import type { Call } from "../core/operation.ts";
import { passwordFor, type AskPassword, type KeystoreFile } from "./password.ts";

/** The key at hand may not freeze this account. */
export class FreezeKeyError extends BaseError {
  override readonly name = "FreezeKeyError";
}

/** The call that stops every agent of an account, from whatever wallet may make it. */
export const freezeCall = (account: Address): Call => ownerCall(account, "freeze");

/**
 * Stops every agent of an account at once, by a plain transaction of a guardian's or the owner's key. Needs that key and an RPC, and
 * neither the model, nor a bundler, nor the journal. Only the owner unfreezes.
 *
 * @returns the transaction, or null when the account was frozen already
 * @throws FreezeKeyError · RpcUnreachableError · WrongChainError
 */
export async function freezeAccount(options: {
  readonly rpc: string | Eip1193;
  readonly chainId: number;
  readonly account: Address;
  readonly keystore: KeystoreFile;
  readonly askPassword?: AskPassword;
}): Promise<Hex | null> {
  const { account, chainId, keystore, rpc } = options;
  const key = await openKeystore(keystore.keystore, await passwordFor(keystore, options.askPassword));
  const chain = await connectChain({ rpc, chainId, finality: { depth: 0 } });
  await requireCode(chain, "account", account);
  const { frozen, guardians, owner } = await readOwnership(chain, account, {
    policyIds: [],
    guardians: [key.address],
    caps: [],
    allowances: [],
  });
  if (frozen) return null;
  if (!guardians[0] && !isAddressEqual(owner, key.address))
    throw new FreezeKeyError("This key is neither the account's owner nor one of its guardians.", {
      remedy: "Use one of theirs, or print the call for another wallet with --calldata.",
      facts: { key: key.address, owner, account },
    });
  const { data, to } = freezeCall(account);
  return sendTransaction(chain, key, { to, data });
}
