import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";

import { newKeystore } from "bursar";
import { localChainId, localFaucet } from "bursar/testing";
import { encodeFunctionData, erc20Abi, getCreate2Address, parseEther, type Address, type Hex } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";

import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import { demoTokenBytecode } from "../../src/chain/abi/bytecode.ts";
import { demoTokenAbi } from "../../src/chain/abi/demoToken.ts";
import { entryPointAbi } from "../../src/chain/abi/entryPoint.ts";
import { connectChain, type Chain } from "../../src/chain/connectChain.ts";
import {
  create2Deployer,
  ensureAccount,
  ensureContracts,
  ensureDeployed,
  grantByOwner,
  sendTransaction,
} from "../../src/chain/deploy.ts";
import { entryPointAddress } from "../../src/chain/entryPoint.ts";
import { openKeystore } from "../../src/chain/keystore.ts";
import { compilePolicy, type CompiledPolicy } from "../../src/policy/compile.ts";
import { parsePolicy } from "../../src/policy/parse.ts";

/** What an operator does once, by hand, on a real chain: keys, account, money, grant. Each step is skipped when done. */
export type World = {
  readonly chain: Chain;
  readonly account: Address;
  readonly policy: CompiledPolicy;
  readonly configFile: string;
  readonly openAgentKey: () => Promise<PrivateKeyAccount>;
};

/** Everything that `prepareWorld` writes into the state folder. */
export const worldFiles = [
  "password",
  "owner.keystore.json",
  "agent.keystore.json",
  "purse.keystore.json",
  "bursar.json",
];

/** Play money the account starts with, in base units: 10,000.00. */
export const startingUnits = 10_000_000_000n;

export async function prepareWorld(options: {
  readonly state: string;
  readonly rpc: string;
  readonly policyFile: string;
  readonly modelFile: string;
  readonly modelSha256: Hex;
  readonly say: (what: string) => void;
}): Promise<World> {
  const { say, state } = options;
  await mkdir(state, { recursive: true, mode: 0o700 });
  const chain = await connectChain({ rpc: options.rpc, chainId: localChainId, finality: { depth: 0 } });
  const passwordFile = join(state, "password");
  if (!existsSync(passwordFile))
    await writeFile(passwordFile, `${randomBytes(24).toString("base64url")}\n`, { mode: 0o600 });
  const password = (await readFile(passwordFile, "utf8")).trim();

  say("keys: owner, agent and gas purse, each in an encrypted keystore file");
  const [ownerAddress, agentAddress, purseAddress] = await Promise.all(
    ["owner", "agent", "purse"].map((name) => ensureKeystore(join(state, `${name}.keystore.json`), password)),
  );

  say("contracts: DecisionLog, AgentAccount and its factory, a play token");
  await ensureContracts(chain, localFaucet);
  await ensureDeployed(chain, localFaucet, { address: demoTokenAddress, initCode: demoTokenBytecode });
  const account = await ensureAccount(chain, localFaucet, ownerAddress!, 0n);
  await fund(chain, account, [ownerAddress!, purseAddress!]);

  const policy = compilePolicy(
    parsePolicy(await readFile(options.policyFile, "utf8"), relative(process.cwd(), options.policyFile)),
    agentAddress!,
  );
  const missing = [];
  for (const limit of policy.limits)
    if (
      (await chain.client.readContract({
        address: account,
        abi: agentAccountAbi,
        functionName: "counters",
        args: [limit.policyId],
      })) === 0n
    )
      missing.push(limit);
  if (missing.length > 0) {
    say("policy: granted by the owner, in a plain transaction");
    const owner = await openKeystore(join(state, "owner.keystore.json"), password);
    for (const limit of missing) await grantByOwner(chain, owner, account, limit.grant);
  }

  const configFile = join(state, "bursar.json");
  const config = {
    chain: { rpc: options.rpc, chainId: localChainId, finality: { depth: 0 } },
    account,
    policy: options.policyFile,
    keystore: "agent.keystore.json",
    passwordFile: "password",
    bundler: { kind: "own", keystore: "purse.keystore.json", passwordFile: "password" },
    model: { file: options.modelFile, sha256: options.modelSha256 },
    state: ".",
  };
  await writeFile(configFile, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
  return {
    chain,
    account,
    policy,
    configFile,
    openAgentKey: () => openKeystore(join(state, "agent.keystore.json"), password),
  };
}

/** Same code, same salt: the play token has one address on every local chain, and `policies/treasury.yaml` names it. */
export const demoTokenAddress: Address = getCreate2Address({
  from: create2Deployer,
  salt: `0x${"00".repeat(32)}`,
  bytecode: demoTokenBytecode,
});

async function ensureKeystore(file: string, password: string): Promise<Address> {
  if (!existsSync(file)) return newKeystore(file, password, "light"); // the password is 192 random bits
  const { address } = JSON.parse(await readFile(file, "utf8")) as { address: string };
  return `0x${address}`;
}

async function fund(chain: Chain, account: Address, keys: readonly Address[]): Promise<void> {
  for (const address of keys)
    if ((await chain.client.getBalance({ address })) === 0n)
      await sendTransaction(chain, localFaucet, { to: address, valueWei: parseEther("5") });
  const deposit = await chain.client.readContract({
    address: entryPointAddress,
    abi: entryPointAbi,
    functionName: "balanceOf",
    args: [account],
  });
  if (deposit === 0n)
    await sendTransaction(chain, localFaucet, {
      to: entryPointAddress,
      valueWei: parseEther("1"),
      data: encodeFunctionData({ abi: entryPointAbi, functionName: "depositTo", args: [account] }),
    });
  const balance = await chain.client.readContract({
    address: demoTokenAddress,
    abi: erc20Abi,
    functionName: "balanceOf",
    args: [account],
  });
  if (balance === 0n)
    await sendTransaction(chain, localFaucet, {
      to: demoTokenAddress,
      data: encodeFunctionData({ abi: demoTokenAbi, functionName: "mint", args: [account, startingUnits] }),
    });
}
