import { isAddressEqual, type Address, type Hex } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";

import type { Bundler } from "../chain/bundler/bundler.ts";
import { connectChain, type Chain, type Eip1193, type Finality } from "../chain/connectChain.ts";
import { sendTransaction } from "../chain/deploy.ts";
import { openKeystore } from "../chain/keystore.ts";
import { FeeTooHighError } from "../chain/errors.ts";
import { requireAgentAccount } from "../chain/requireAgentAccount.ts";
import { prepareAsOwner, sendAsOwner } from "../chain/sendAsOwner.ts";
import { BaseError } from "../core/errors.ts";
import type { Call } from "../core/operation.ts";
import { sleep } from "./clock.ts";
import type { Config } from "./config.ts";
import { openBundlers } from "./openBundlers.ts";
import { passwordFor, type AskPassword, type KeystoreFile } from "./password.ts";

/** What the owner wants needs a key, or a bundler, that is not at hand; or the key is somebody else's. */
export class OwnerKeyError extends BaseError {
  override readonly name = "OwnerKeyError";
}

/** One thing that the owner does to the account, in words and as a call that any wallet can make. */
export type OwnerAction = { readonly words: string; readonly call: Call };

/** Where an owner acts: the chain, the account, and whatever keys there are. */
export type OwnerDesk = {
  readonly chain: Chain;
  readonly account: Address;
  readonly key: PrivateKeyAccount | undefined;
  readonly bundler: Bundler | undefined;
};

export type OwnerDeskOptions = {
  readonly rpc: string | Eip1193;
  readonly chainId: number;
  readonly account: Address;
  readonly finality?: Finality;
  readonly ownerKeystore?: KeystoreFile | undefined;
  readonly bundler?: Config["bundler"] | undefined;
  readonly askPassword?: AskPassword;
};

/** Blocks behind the newest one from which on an operation is looked for: no reorg puts it further back. */
const deepestReorg = { depth: 64 } as const;

export async function openOwnerDesk(options: OwnerDeskOptions): Promise<OwnerDesk> {
  const { account, chainId, rpc } = options;
  const chain = await connectChain({ rpc, chainId, finality: options.finality ?? deepestReorg });
  await requireAgentAccount(chain, account);
  const open = async (file: KeystoreFile) =>
    openKeystore(file.keystore, await passwordFor(file, options.askPassword));
  const { bundler, ownerKeystore } = options;
  return {
    chain,
    account,
    key: ownerKeystore && (await open(ownerKeystore)),
    bundler: bundler && (await openBundlers(chain, bundler, options.askPassword)).bundler,
  };
}

/** The owner's key, when it is at hand and really the owner's. */
export function requireOwnerKey({ key }: OwnerDesk, owner: Address): PrivateKeyAccount {
  if (!key)
    throw new OwnerKeyError("The owner's key is needed to sign this.", {
      remedy: "Name it with --owner-keystore, or print the calls for another wallet with --calldata.",
      facts: { owner },
    });
  if (!isAddressEqual(key.address, owner))
    throw new OwnerKeyError("The keystore holds another key than the account's owner.", {
      remedy: "Use the owner's own keystore, or print the calls for its wallet with --calldata.",
      facts: { owner, keystore: key.address },
    });
  return key;
}

/** `operation`: one user operation with everything, paid by the account. `transactions`: one each, paid by the owner's key. */
export type OwnerWay = "operation" | "transactions";

export type ActOptions = {
  readonly onProgress?: (words: string) => void;
  /** The owner's own ceiling of what the gas of it all may cost. */
  readonly maxFeeWei?: bigint | undefined;
  /** Asked before anything is signed. `mostFeeWei`: what gas the account may pay for it; null where the key pays. */
  readonly agree?: (mostFeeWei: bigint | null) => Promise<boolean>;
};

/**
 * Does it all, by the owner's key, and says in which transactions; null when it was not agreed to.
 *
 * @throws FeeTooHighError · ChainRefusalError · OwnerKeyError
 */
export async function actAsOwner(
  desk: OwnerDesk,
  owner: Address,
  actions: readonly OwnerAction[],
  way: OwnerWay,
  options: ActOptions = {},
): Promise<readonly Hex[] | null> {
  const key = requireOwnerKey(desk, owner);
  const { account, bundler, chain } = desk;
  if (way === "transactions") return sendByKey(desk, actions, options);
  if (!bundler)
    throw new OwnerKeyError("There is no bundler to send the owner's operation through.", {
      remedy:
        "Name one with --config or --bundler, or send plain transactions of the owner's key with --as transactions.",
    });
  const calls = actions.map(({ call }) => call);
  const prepared = await prepareAsOwner(chain, bundler, account, calls, options.maxFeeWei);
  if (options.agree && !(await options.agree(prepared.mostFeeWei))) return null;
  options.onProgress?.(`${actions.length === 1 ? "1 action" : `${actions.length} actions`} in one operation`);
  return [await sendAsOwner(chain, bundler, key, prepared, sleep)];
}

/** One plain transaction each, by whatever key is at hand: for what anybody may bring, too. */
export async function sendByKey(
  { chain, key }: OwnerDesk,
  actions: readonly OwnerAction[],
  options: ActOptions = {},
): Promise<readonly Hex[] | null> {
  if (!key)
    throw new OwnerKeyError("There is no key to send the transactions with.", {
      remedy: "Name one with --owner-keystore, or print the calls for another wallet with --calldata.",
    });
  if (options.agree && !(await options.agree(null))) return null;
  const { maxFeeWei } = options;
  let spentWei = 0n;
  const onFee = (mostWei: bigint, maxFeePerGasWei: bigint): void => {
    spentWei += mostWei;
    if (maxFeeWei !== undefined && spentWei > maxFeeWei)
      throw new FeeTooHighError("The transactions could cost more gas than is allowed.", {
        mostWei: spentWei,
        maxFeeWei,
        maxFeePerGasWei,
        gas: (spentWei / maxFeePerGasWei).toString(),
      });
  };
  const sent: Hex[] = [];
  for (const { call, words } of actions) {
    options.onProgress?.(words);
    sent.push(await sendTransaction(chain, key, { to: call.to, data: call.data, onFee }));
  }
  return sent;
}
