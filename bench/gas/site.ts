import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  encodeFunctionData,
  getCreate2Address,
  keccak256,
  parseEther,
  parseEventLogs,
  size,
  toHex,
  type Address,
  type Hex,
} from "viem";
import { toPackedUserOperation, type UserOperation } from "viem/account-abstraction";
import { privateKeyToAccount, type PrivateKeyAccount } from "viem/accounts";

import { demoTokenAbi } from "../../src/chain/abi/demoToken.ts";
import { demoTokenBytecode } from "../../src/chain/abi/bytecode.ts";
import { entryPointAbi } from "../../src/chain/abi/entryPoint.ts";
import { connectChain, type Chain } from "../../src/chain/connectChain.ts";
import {
  agentAccountDeployment,
  agentAccountFactoryDeployment,
  create2Deployer,
  decisionLogDeployment,
  ensureContracts,
  ensureDeployed,
  sendTransaction,
  spendGrantDeployment,
  spendPolicyValidatorDeployment,
} from "../../src/chain/deploy.ts";
import { entryPointAddress } from "../../src/chain/entryPoint.ts";
import { localChainId, localFaucet, startLocalChain } from "../../src/testing/localChain.ts";

/** A chain with our contracts, a token, and people who hold what they are about to be sent. */
export type Site = {
  readonly chain: Chain;
  readonly token: Address;
  /** Receives payments: holds token and coin before. */
  readonly payees: readonly Address[];
  readonly bundler: PrivateKeyAccount;
  /** Is repaid by the EntryPoint; somebody else than the bundler, and not poor before. */
  readonly beneficiary: Address;
  close(): Promise<void>;
};

/**
 * Blocks begin here (2033), seconds apart, so that every run signs the same bytes and the figures are the same to the
 * unit. A local chain is never behind the wall clock: until then this works.
 */
const genesis = 2_000_000_000;

/** What everybody of the bench is called after; keys follow from names. */
export const personOf = (name: string): PrivateKeyAccount =>
  privateKeyToAccount(keccak256(toHex(`bench/${name}`)));

/** A payment that is never the same twice, of as many bytes as people's amounts in 18 decimals have. */
export const amountOf = (turn: number): bigint => 1_234_567_890_123_456_789n + BigInt(turn) * 1_000_003n;

/** A hash like any other, in the place of a decision tree's root. */
export const rootOf = (treeSize: number): Hex => keccak256(toHex(`bench/root/${treeSize}`));

export async function openSite(): Promise<Site> {
  const folder = mkdtempSync(path.join(tmpdir(), "bursar-bench-"));
  const stateFile = path.join(folder, "chain.ndjson");
  writeFileSync(stateFile, `${JSON.stringify({ timestamp: genesis })}\n`);
  const local = await startLocalChain({ stateFile });
  const chain = await connectChain({ rpc: local, chainId: localChainId, finality: { depth: 0 } });
  await ensureContracts(chain, localFaucet);
  for (const beside of [spendPolicyValidatorDeployment, spendGrantDeployment])
    await ensureDeployed(chain, localFaucet, beside);
  const token = await ensureDeployed(chain, localFaucet, {
    address: getCreate2Address({
      from: create2Deployer,
      salt: `0x${"00".repeat(32)}`,
      bytecode: demoTokenBytecode,
    }),
    initCode: demoTokenBytecode,
  });
  const site: Site = {
    chain,
    token,
    payees: Array.from({ length: 8 }, (_, index) => personOf(`payee/${index}`).address),
    bundler: personOf("bundler"),
    beneficiary: personOf("beneficiary").address,
    async close() {
      await local.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  for (const person of [...site.payees, site.bundler.address, site.beneficiary]) await fund(site, person);
  return site;
}

/** Token and coin: nobody of the bench begins with nothing, which would cost the first payment more. */
export async function fund(site: Site, holder: Address): Promise<void> {
  await sendTransaction(site.chain, localFaucet, { to: holder, valueWei: parseEther("100") });
  await sendTransaction(site.chain, localFaucet, {
    to: site.token,
    data: encodeFunctionData({
      abi: demoTokenAbi,
      functionName: "mint",
      args: [holder, parseEther("1000000")],
    }),
  });
}

/** The account's deposit in the EntryPoint, paid in before anything is measured. */
export async function prepay(site: Site, account: Address): Promise<void> {
  await sendTransaction(site.chain, localFaucet, {
    to: entryPointAddress,
    valueWei: parseEther("10"),
    data: encodeFunctionData({ abi: entryPointAbi, functionName: "depositTo", args: [account] }),
  });
}

/** Gas of one whole transaction from a plain account. It has to succeed. */
export async function gasOf(
  { chain }: Site,
  sender: PrivateKeyAccount,
  to: Address,
  data: Hex,
): Promise<number> {
  const hash = await sendTransaction(chain, sender, { to, data });
  return Number((await chain.client.getTransactionReceipt({ hash })).gasUsed);
}

/** Gas of the whole transaction that carries this one operation. Its validation and its call have to succeed. */
export async function gasOfOperation(site: Site, userOp: UserOperation<"0.8">): Promise<number> {
  const { beneficiary, bundler, chain } = site;
  const hash = await sendTransaction(chain, bundler, {
    to: entryPointAddress,
    // Said instead of estimated: an estimate would run everything twice and change no figure.
    gas: 3_000_000n,
    data: encodeFunctionData({
      abi: entryPointAbi,
      functionName: "handleOps",
      args: [[toPackedUserOperation(userOp)], beneficiary],
    }),
  });
  const receipt = await chain.client.getTransactionReceipt({ hash });
  const [event] = parseEventLogs({ abi: entryPointAbi, eventName: "UserOperationEvent", logs: receipt.logs });
  if (!event?.args.success) throw new OperationFailedError(userOp.sender, hash);
  return Number(receipt.gasUsed);
}

/** A figure of something that failed would be a figure of something else. */
export class OperationFailedError extends Error {
  override readonly name = "OperationFailedError";
  constructor(sender: Address, hash: Hex) {
    super(
      `The operation of ${sender} was included in ${hash}, and its call failed. The bench has to be mended: see bench/gas/.`,
    );
  }
}

export const nonceOf = ({ chain }: Site, account: Address, lane: bigint): Promise<bigint> =>
  chain.client.readContract({
    address: entryPointAddress,
    abi: entryPointAbi,
    functionName: "getNonce",
    args: [account, lane],
  });

/** Limits and prices of every operation of the bench, as in `test/contracts/base/AccountTest.sol`. */
export const gasFields = Object.freeze({
  verificationGasLimit: 600_000n,
  callGasLimit: 300_000n,
  preVerificationGas: 0n,
  maxFeePerGas: 1_000_000_000n,
  maxPriorityFeePerGas: 1_000_000_000n,
});

/** Bytes of code on the chain, of each contract that is ours. */
export async function contractSizes({ chain, token }: Site): Promise<readonly ContractSize[]> {
  const contracts: readonly (readonly [string, Address])[] = [
    ["AgentAccount", agentAccountDeployment.address],
    ["AgentAccountFactory", agentAccountFactoryDeployment.address],
    ["DecisionLog", decisionLogDeployment.address],
    ["DemoToken", token],
    ["SpendGrant", spendGrantDeployment.address],
    ["SpendPolicyValidator", spendPolicyValidatorDeployment.address],
  ];
  return Promise.all(
    contracts.map(async ([name, address]) => ({
      name,
      bytes: size((await chain.client.getCode({ address })) ?? "0x"),
    })),
  );
}

export type ContractSize = { readonly name: string; readonly bytes: number };
