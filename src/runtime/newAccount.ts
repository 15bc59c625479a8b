import type { Address } from "viem";

import { ask, connectChain, type Eip1193 } from "../chain/connectChain.ts";
import {
  create2Deployer,
  ensureAccount,
  ensureContracts,
  ensureDeployed,
  spendGrantDeployment,
} from "../chain/deploy.ts";
import { openKeystore } from "../chain/keystore.ts";
import { BaseError } from "../core/errors.ts";
import { passwordFor, type AskPassword, type KeystoreFile } from "./password.ts";

/**
 * Makes an AgentAccount for an owner, and whatever of the contracts behind it the chain does not have yet: DecisionLog, the account's
 * implementation, its factory, SpendGrant. All of it lies where its code says, so it may be said again, and whoever pays for it has no power
 * over any of it.
 *
 * @returns the account, which is the same for the same owner and salt on every chain
 * @throws RpcUnreachableError · WrongChainError · BaseError when who pays has too little coin
 */
export async function newAccount(options: {
  readonly rpc: string | Eip1193;
  readonly chainId: number;
  readonly owner: Address;
  readonly salt: bigint;
  /** Who pays for it. */
  readonly keystore: KeystoreFile;
  readonly askPassword?: AskPassword;
  readonly tell: (words: string) => void;
}): Promise<Address> {
  const { chainId, keystore, owner, rpc, salt, tell } = options;
  const payer = await openKeystore(keystore.keystore, await passwordFor(keystore, options.askPassword));
  const chain = await connectChain({ rpc, chainId, finality: { depth: 0 } });
  const deployer = await ask(chain, () => chain.client.getCode({ address: create2Deployer }));
  if (deployer === undefined || deployer === "0x")
    throw new BaseError(`Chain ${chainId} has no CREATE2 deployer at ${create2Deployer}.`, {
      remedy:
        "Have it deployed first (github.com/Arachnid/deterministic-deployment-proxy), or use another chain.",
    });
  tell("bringing what the chain does not have yet: DecisionLog, AgentAccount and its factory, SpendGrant");
  await ensureContracts(chain, payer);
  await ensureDeployed(chain, payer, spendGrantDeployment);
  tell("making the account");
  return ensureAccount(chain, payer, owner, salt);
}
