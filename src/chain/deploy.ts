import {
  concatHex,
  encodeDeployData,
  encodeFunctionData,
  getCreate2Address,
  type Address,
  type Hex,
} from "viem";
import { entryPoint07Address, entryPoint08Address, entryPoint09Address } from "viem/account-abstraction";
import type { PrivateKeyAccount } from "viem/accounts";

import type { Grant } from "../policy/grant.ts";
import { agentAccountAbi } from "./abi/agentAccount.ts";
import { agentAccountFactoryAbi } from "./abi/agentAccountFactory.ts";
import {
  agentAccountBytecode,
  agentAccountFactoryBytecode,
  decisionLogBytecode,
  spendPolicyValidatorBytecode,
} from "./abi/bytecode.ts";
import { spendPolicyValidatorAbi } from "./abi/spendPolicyValidator.ts";
import { ask, type Chain } from "./connectChain.ts";
import { decodeRefusal, revertDataOf } from "./decodeRefusal.ts";
import { entryPointAddress } from "./entryPoint.ts";
import { ChainRefusalError } from "./errors.ts";

/** The deterministic deployment proxy that most chains have (Arachnid's): same code, same salt → same address everywhere. */
export const create2Deployer: Address = "0x4e59b44847b379578588920cA78FbF26c0B4956C";

const salt: Hex = `0x${"00".repeat(32)}`;

/** One contract as it is deployed through the proxy. */
export type Deployment = { readonly address: Address; readonly initCode: Hex };

const deployment = (initCode: Hex): Deployment => ({
  address: getCreate2Address({ from: create2Deployer, salt, bytecode: initCode }),
  initCode,
});

export const decisionLogDeployment: Deployment = deployment(decisionLogBytecode);

export const agentAccountDeployment: Deployment = deployment(
  encodeDeployData({
    abi: agentAccountAbi,
    bytecode: agentAccountBytecode,
    args: [entryPointAddress, decisionLogDeployment.address],
  }),
);

export const agentAccountFactoryDeployment: Deployment = deployment(
  encodeDeployData({
    abi: agentAccountFactoryAbi,
    bytecode: agentAccountFactoryBytecode,
    args: [agentAccountDeployment.address],
  }),
);

/** The law as a module, for ERC-7579 accounts that people already have. */
export const spendPolicyValidatorDeployment: Deployment = deployment(
  encodeDeployData({
    abi: spendPolicyValidatorAbi,
    bytecode: spendPolicyValidatorBytecode,
    args: [decisionLogDeployment.address, entryPoint07Address, entryPoint08Address, entryPoint09Address],
  }),
);

/**
 * Sends one plain transaction from an account of this process and waits for its success.
 *
 * @throws ChainRefusalError with the contract's own reason
 */
export async function sendTransaction(
  chain: Chain,
  sender: PrivateKeyAccount,
  transaction: {
    readonly to: Address;
    readonly data?: Hex;
    readonly valueWei?: bigint;
    readonly gas?: bigint;
    /** Told what it may cost before it is signed; throws when that is too much. */
    readonly onFee?: (mostWei: bigint, maxFeePerGasWei: bigint) => void;
  },
): Promise<Hex> {
  const { client } = chain;
  const request = {
    to: transaction.to,
    data: transaction.data ?? "0x",
    value: transaction.valueWei ?? 0n,
  } as const;
  try {
    const [nonce, fees, gas] = await ask(chain, () =>
      Promise.all([
        client.getTransactionCount({ address: sender.address, blockTag: "pending" }),
        client.estimateFeesPerGas(),
        transaction.gas ?? client.estimateGas({ account: sender.address, ...request }),
      ]),
    );
    transaction.onFee?.(gas * fees.maxFeePerGas, fees.maxFeePerGas);
    const raw = await sender.signTransaction({
      type: "eip1559",
      chainId: chain.chainId,
      nonce,
      gas,
      maxFeePerGas: fees.maxFeePerGas,
      maxPriorityFeePerGas: fees.maxPriorityFeePerGas,
      ...request,
    });
    const hash = await client.sendRawTransaction({ serializedTransaction: raw });
    const receipt = await client.waitForTransactionReceipt({ hash, pollingInterval: 50 });
    if (receipt.status !== "success")
      throw new ChainRefusalError({ code: null, error: "reverted", words: `transaction ${hash} reverted` });
    return hash;
  } catch (error) {
    const data = error instanceof ChainRefusalError ? undefined : revertDataOf(error);
    throw data ? new ChainRefusalError(decodeRefusal(data)) : error;
  }
}

/** Deploys what is missing through the proxy; already deployed code is left alone. */
export async function ensureDeployed(
  chain: Chain,
  sender: PrivateKeyAccount,
  what: Deployment,
): Promise<Address> {
  const code = await ask(chain, () => chain.client.getCode({ address: what.address }));
  if (!code || code === "0x")
    await sendTransaction(chain, sender, { to: create2Deployer, data: concatHex([salt, what.initCode]) });
  return what.address;
}

/** DecisionLog, the account implementation and its factory. */
export async function ensureContracts(chain: Chain, sender: PrivateKeyAccount): Promise<void> {
  for (const what of [decisionLogDeployment, agentAccountDeployment, agentAccountFactoryDeployment])
    await ensureDeployed(chain, sender, what);
}

/** Creates the owner's account (or finds it) and returns its address. */
export async function ensureAccount(
  chain: Chain,
  sender: PrivateKeyAccount,
  owner: Address,
  accountSalt: bigint,
): Promise<Address> {
  const factory = agentAccountFactoryDeployment.address;
  const args = [owner, accountSalt] as const;
  const address = await ask(chain, () =>
    chain.client.readContract({
      address: factory,
      abi: agentAccountFactoryAbi,
      functionName: "getAddress",
      args,
    }),
  );
  const code = await ask(chain, () => chain.client.getCode({ address }));
  if (!code || code === "0x")
    await sendTransaction(chain, sender, {
      to: factory,
      data: encodeFunctionData({ abi: agentAccountFactoryAbi, functionName: "createAccount", args }),
    });
  return address;
}

/** The owner's plain transaction that puts a grant in force. */
export function grantByOwner(
  chain: Chain,
  owner: PrivateKeyAccount,
  account: Address,
  grant: Grant,
): Promise<Hex> {
  return sendTransaction(chain, owner, {
    to: account,
    data: encodeFunctionData({ abi: agentAccountAbi, functionName: "grant", args: [grant] }),
  });
}
