import {
  encodeFunctionData,
  erc20Abi,
  getCreate2Address,
  keccak256,
  parseEther,
  toHex,
  type Address,
  type Hex,
} from "viem";
import { privateKeyToAccount, type PrivateKeyAccount } from "viem/accounts";

import { demoTokenBytecode } from "../../src/chain/abi/bytecode.ts";
import { demoTokenAbi } from "../../src/chain/abi/demoToken.ts";
import { entryPointAbi } from "../../src/chain/abi/entryPoint.ts";
import { connectChain, type Chain, type Eip1193 } from "../../src/chain/connectChain.ts";
import {
  create2Deployer,
  ensureAccount,
  ensureContracts,
  ensureDeployed,
  grantByOwner,
  sendTransaction,
} from "../../src/chain/deploy.ts";
import { entryPointAddress } from "../../src/chain/entryPoint.ts";
import { compilePolicy, type CompiledPolicy } from "../../src/policy/compile.ts";
import { parsePolicy } from "../../src/policy/parse.ts";
import { localChainId, localFaucet } from "../../src/testing/localChain.ts";

/** One account with money and a granted policy. Everything in it follows from its name and the chain. */
export type World = {
  readonly name: string;
  readonly chain: Chain;
  readonly account: Address;
  readonly owner: PrivateKeyAccount;
  readonly agent: PrivateKeyAccount;
  /** Pays the bundle transactions. */
  readonly purse: PrivateKeyAccount;
  readonly policyText: string;
  readonly policy: CompiledPolicy;
};

/** The play token, at the address it has on every local chain. */
export const tokenAddress: Address = getCreate2Address({
  from: create2Deployer,
  salt: `0x${"00".repeat(32)}`,
  bytecode: demoTokenBytecode,
});

/** What the account starts with, in base units: 10,000.00 USDC. */
export const startingUnits = 10_000_000_000n;
const payees = ["acme", "globex"] as const;

/** Private key of one of a world's people: they are the same wherever the world is looked at. */
export const keyOf = (world: string, what: string): Hex => keccak256(toHex(`${world}/${what}`));
const addressOf = (world: string, what: string): Address => privateKeyToAccount(keyOf(world, what)).address;

/** Limits: 500.00 USDC a payment, 5,000.00 in 24 hours. Each world has payees of its own, so that balances tell. */
const policyTextOf = (name: string) => `policy: ${name}
version: 1
chain: ${localChainId}
tokens:
  USDC: { address: "${tokenAddress}", decimals: 6 }
payees:
${payees.map((payee) => `  ${payee}: { address: "${addressOf(name, payee)}", senders: [${payee}.example] }`).join("\n")}
limits:
  - { perPayment: "500.00 USDC", perWindow: "5000.00 USDC", window: 24h, lifetime: "20000.00 USDC" }
gas: { budget: "0.5 ETH", perOperation: "0.02 ETH" }
expires: "2036-12-31T00:00:00Z"
`;

/** Finds a world on a chain where it was made, or where it is about to be. Changes nothing but the account's existence. */
export async function findWorld(
  rpc: string | Eip1193,
  name: string,
  policyText: string = policyTextOf(name),
  depth = 0,
): Promise<World> {
  const chain = await connectChain({ rpc, chainId: localChainId, finality: { depth } });
  const [owner, agent, purse] = ["owner", "agent", "purse"].map((what) =>
    privateKeyToAccount(keyOf(name, what)),
  ) as [PrivateKeyAccount, PrivateKeyAccount, PrivateKeyAccount];
  const account = await ensureAccount(chain, localFaucet, owner.address, 0n);
  const policy = compilePolicy(parsePolicy(policyText), agent.address);
  return { name, chain, account, owner, agent, purse, policyText, policy };
}

/** Makes a world: contracts, account, gas, tokens, and, unless told otherwise, the grant. */
export async function makeWorld(
  rpc: string | Eip1193,
  name: string,
  options: { readonly grant?: boolean; readonly policyText?: string } = {},
): Promise<World> {
  const chain = await connectChain({ rpc, chainId: localChainId, finality: { depth: 0 } });
  await ensureContracts(chain, localFaucet);
  await ensureDeployed(chain, localFaucet, { address: tokenAddress, initCode: demoTokenBytecode });
  const world = await findWorld(rpc, name, options.policyText);
  const { account, owner, policy, purse } = world;
  for (const { address } of [owner, purse])
    await sendTransaction(chain, localFaucet, { to: address, valueWei: parseEther("5") });
  await sendTransaction(chain, localFaucet, {
    to: entryPointAddress,
    valueWei: parseEther("1"),
    data: encodeFunctionData({ abi: entryPointAbi, functionName: "depositTo", args: [account] }),
  });
  await mint(world, account, startingUnits);
  if (options.grant !== false)
    for (const limit of policy.limits) await grantByOwner(chain, owner, account, limit.grant);
  return world;
}

/** The same account and people, with another policy or another key of the agent's, granted by the owner. */
export async function grantAnew(
  world: World,
  { agent = world.agent, policyText = world.policyText }: Partial<Pick<World, "agent" | "policyText">>,
): Promise<World> {
  const policy = compilePolicy(parsePolicy(policyText), agent.address);
  for (const { grant } of policy.limits) await grantByOwner(world.chain, world.owner, world.account, grant);
  return { ...world, agent, policy, policyText };
}

/** Another key of the agent's. */
export const newKeyOf = ({ name }: World): PrivateKeyAccount => privateKeyToAccount(keyOf(name, "new key"));

export async function mint({ chain }: World, to: Address, units: bigint): Promise<void> {
  const data = encodeFunctionData({ abi: demoTokenAbi, functionName: "mint", args: [to, units] });
  await sendTransaction(chain, localFaucet, { to: tokenAddress, data });
}

/** What one payee holds, in base units: what the chain says was paid. */
export function paidTo({ chain, policy }: World, payee: string): Promise<bigint> {
  const { address } = policy.payees.find((known) => known.name === payee)!;
  return chain.client.readContract({
    address: tokenAddress,
    abi: erc20Abi,
    functionName: "balanceOf",
    args: [address],
  });
}

/** Operations of the account that the EntryPoint has executed, as its own events tell. */
export async function operationsOf({ account, chain }: World): Promise<readonly Hex[]> {
  const logs = await chain.client.getContractEvents({
    address: entryPointAddress,
    abi: entryPointAbi,
    eventName: "UserOperationEvent",
    args: { sender: account },
    fromBlock: 0n,
  });
  return logs.map((log) => log.args.userOpHash!);
}
