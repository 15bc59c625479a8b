import { parseEther, keccak256, toHex, type Address, type Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { demoTokenBytecode } from "../../src/chain/abi/bytecode.ts";
import { agentAccountFactoryAbi } from "../../src/chain/abi/agentAccountFactory.ts";
import { accountOf, type AccountOrigin } from "../../src/chain/accountOrigin.ts";
import { connectChain, type Eip1193 } from "../../src/chain/connectChain.ts";
import {
  agentAccountFactoryDeployment,
  ensureContracts,
  ensureDeployed,
  sendTransaction,
} from "../../src/chain/deploy.ts";
import { compilePolicy } from "../../src/policy/compile.ts";
import { installMessage } from "../../src/policy/grant.ts";
import { parsePolicy } from "../../src/policy/parse.ts";
import type { OwnerSignatures } from "../../src/runtime/ownerSignatures.ts";
import { localChainId, localFaucet } from "../../src/testing/localChain.ts";
import { billMail } from "./mails.ts";
import { keyOf, mint, tokenAddress, type World } from "./world.ts";

/** A world whose account is not there yet: what its owner signed, and how it will be made. */
export type UnmadeWorld = World & { readonly origin: AccountOrigin };

/** Each in its own unit: 500.00 USDC and 0.5 ETH a payment. */
const policyTextOf = (name: string, payees: Readonly<Record<string, Address>>) => `policy: ${name}
version: 1
chain: ${localChainId}
tokens:
  USDC: { address: "${tokenAddress}", decimals: 6 }
payees:
${Object.entries(payees)
  .map(([payee, address]) => `  ${payee}: { address: "${address}", senders: [${payee}.example] }`)
  .join("\n")}
limits:
  - { perPayment: "500.00 USDC", perWindow: "5000.00 USDC", window: 24h, lifetime: "20000.00 USDC" }
  - { perPayment: "0.5 ETH", perWindow: "1 ETH", window: 24h, lifetime: "2 ETH" }
gas: { budget: "0.5 ETH", perOperation: "0.02 ETH" }
expires: "2036-12-31T00:00:00Z"
`;

/** Everything but the account, with 1,000 USDC and some coin at its address. */
export async function makeUnmadeWorld(
  rpc: string | Eip1193,
  name: string,
  { coinWei = parseEther("1") }: { readonly coinWei?: bigint } = {},
): Promise<UnmadeWorld> {
  const chain = await connectChain({ rpc, chainId: localChainId, finality: { depth: 0 } });
  await ensureContracts(chain, localFaucet);
  await ensureDeployed(chain, localFaucet, { address: tokenAddress, initCode: demoTokenBytecode });
  const personOf = (what: string) => privateKeyToAccount(keyOf(name, what));
  const [owner, agent, purse] = [personOf("owner"), personOf("agent"), personOf("purse")];
  const origin: AccountOrigin = { owner: owner.address, salt: keccak256(toHex(`${name}/salt`)) };
  const policyText = policyTextOf(name, { acme: personOf("acme").address });
  const world = {
    name,
    chain,
    account: accountOf(origin),
    origin,
    owner,
    agent,
    purse,
    policyText,
    policy: compilePolicy(parsePolicy(policyText), agent.address),
  };
  for (const { address } of [owner, purse])
    await sendTransaction(chain, localFaucet, { to: address, valueWei: parseEther("5") });
  if (coinWei > 0n) await sendTransaction(chain, localFaucet, { to: world.account, valueWei: coinWei });
  await mint(world, world.account, 1_000_000_000n);
  return world;
}

/** What the owner's wallet signs: a grant for each limit. */
export async function signedInstalls(
  { account, owner, policy }: UnmadeWorld,
  signer = owner,
): Promise<OwnerSignatures> {
  return Object.fromEntries(
    await Promise.all(
      policy.limits.map(async ({ grant, policyId }): Promise<[Hex, Hex]> => [
        policyId,
        await signer.signTypedData(installMessage(localChainId, account, grant, 0)),
      ]),
    ),
  );
}

/** A bill in native coin. */
export const coinMail = (reference: string, amount: string): string =>
  billMail({ to: "acme", amount, reference }).replace(" USDC to ", " ETH to ");

/** How often an account was made, and by whom it is owned, as the factory tells. */
export const creationsOf = ({ account, chain }: World) =>
  chain.client.getContractEvents({
    address: agentAccountFactoryDeployment.address,
    abi: agentAccountFactoryAbi,
    eventName: "AccountCreated",
    args: { account },
    fromBlock: 0n,
    strict: true,
  });
