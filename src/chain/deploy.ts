import {
  BaseError as ViemError,
  concatHex,
  encodeDeployData,
  encodeFunctionData,
  getCreate2Address,
  isAddressEqual,
  WaitForTransactionReceiptTimeoutError,
  type Address,
  type Hex,
} from "viem";
import { entryPoint07Address, entryPoint08Address, entryPoint09Address } from "viem/account-abstraction";
import type { PrivateKeyAccount } from "viem/accounts";

import { BaseError } from "../core/errors.ts";
import type { Grant } from "../policy/grant.ts";
import { agentAccountAbi } from "./abi/agentAccount.ts";
import { agentAccountFactoryAbi } from "./abi/agentAccountFactory.ts";
import {
  agentAccountBytecode,
  agentAccountFactoryBytecode,
  decisionLogBytecode,
  permissionSpenderBytecode,
  spendGrantBytecode,
  spendPolicyValidatorBytecode,
} from "./abi/bytecode.ts";
import { permissionSpenderAbi } from "./abi/permissionSpender.ts";
import { spendGrantAbi } from "./abi/spendGrant.ts";
import { spendPolicyValidatorAbi } from "./abi/spendPolicyValidator.ts";
import { ask, failureOf, type Chain } from "./connectChain.ts";
import { decodeRefusal, revertDataOf } from "./decodeRefusal.ts";
import { entryPointAddress } from "./entryPoint.ts";
import { ChainRefusalError, TransactionError } from "./errors.ts";

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

/** Uniswap's Permit2, at the same address on most chains. Where it is not, spends through it fail and all others work. */
export const permit2Address: Address = "0x000000000022D473030F116dDEE9F6B43aC78BA3";

/** Where agents of our accounts spend out of accounts that know nothing of policies. */
export const spendGrantDeployment: Deployment = deployment(
  encodeDeployData({
    abi: spendGrantAbi,
    bytecode: spendGrantBytecode,
    args: [agentAccountDeployment.address, permit2Address],
  }),
);

/**
 * Where one agent spends under permissions of wallets: its own contract, for one delegation manager.
 *
 * @param account the agent's account
 * @param key the agent's key
 */
export const permissionSpenderDeployment = (account: Address, key: Address, manager: Address): Deployment =>
  deployment(
    encodeDeployData({
      abi: permissionSpenderAbi,
      bytecode: permissionSpenderBytecode,
      args: [agentAccountDeployment.address, account, key, manager],
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
 * @throws ChainRefusalError with the contract's own reason · RpcUnreachableError, RpcAnswerError or TransactionError: it may have been sent
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
  const hash = await broadcastTransaction(chain, sender, transaction);
  await awaitTransaction(chain, hash);
  return hash;
}

/**
 * Sends one plain transaction and waits for nothing.
 *
 * @throws ChainRefusalError with the contract's own reason · BaseError when the sender has too little coin · RpcUnreachableError,
 * RpcAnswerError or TransactionError when the node does not say that it took it · what `onFee` throws
 */
export async function broadcastTransaction(
  chain: Chain,
  sender: PrivateKeyAccount,
  transaction: Parameters<typeof sendTransaction>[2],
): Promise<Hex> {
  const { client } = chain;
  const request = {
    to: transaction.to,
    data: transaction.data ?? "0x",
    value: transaction.valueWei ?? 0n,
  } as const;
  try {
    const [nonce, fees, gas] = await Promise.all([
      client.getTransactionCount({ address: sender.address, blockTag: "pending" }),
      client.estimateFeesPerGas(),
      transaction.gas ?? client.estimateGas({ account: sender.address, ...request }),
    ]);
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
    return await client.sendRawTransaction({ serializedTransaction: raw });
  } catch (error) {
    if (error instanceof BaseError) throw error;
    throw (
      refusalOf(error, isGrants(transaction.to) ? "grant" : "policy") ??
      poverty(error, sender.address) ??
      failureOf(chain, error) ??
      (error instanceof ViemError
        ? new TransactionError("The node does not take the transaction.", { sender: sender.address }, error)
        : error)
    );
  }
}

/** Nodes say it in words only: EDR, geth and its kin, Nethermind. */
const tooPoor = /(enough|insufficient) ?funds|exceeds the balance/i;

function poverty(error: unknown, address: Address): BaseError | undefined {
  if (!(error instanceof Error) || !tooPoor.test(error.message)) return undefined;
  return new BaseError(`The key ${address} has too little coin for this transaction and its gas.`, {
    remedy:
      "Send it some, and do it again; or print the calls with --calldata and send them from another wallet.",
    cause: error,
    retry: "safe",
  });
}

/**
 * Waits until a transaction is in a block.
 *
 * @param timeout milliseconds; viem's own when not given
 * @throws ChainRefusalError when it reverted · TransactionError when the time is over, or another one took its nonce · RpcUnreachableError · RpcAnswerError
 */
export async function awaitTransaction(chain: Chain, hash: Hex, timeout?: number): Promise<void> {
  try {
    const patience = timeout === undefined ? {} : { timeout };
    const receipt = await chain.client.waitForTransactionReceipt({ hash, pollingInterval: 50, ...patience });
    // The purse's bundler gives the nonce of one that is stuck to a payment; viem shows that one's receipt.
    if (receipt.transactionHash !== hash)
      throw new TransactionError("Another transaction took its nonce.", { transaction: hash });
    if (receipt.status === "success") return;
  } catch (error) {
    if (error instanceof WaitForTransactionReceiptTimeoutError)
      throw new TransactionError("The transaction is in no block yet.", { transaction: hash }, error);
    throw refusalOf(error) ?? failureOf(chain, error) ?? error;
  }
  throw new ChainRefusalError({ code: null, error: "reverted", words: `transaction ${hash} reverted` });
}

function refusalOf(error: unknown, of?: "policy" | "grant"): ChainRefusalError | undefined {
  const data = revertDataOf(error);
  return data && new ChainRefusalError(decodeRefusal(data, of));
}

const isGrants = (address: Address): boolean => isAddressEqual(address, spendGrantDeployment.address);

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
