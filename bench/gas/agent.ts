import {
  concatHex,
  encodeFunctionData,
  erc20Abi,
  parseSignature,
  serializeCompactSignature,
  signatureToCompactSignature,
  sliceHex,
  zeroAddress,
  type Address,
  type Hex,
} from "viem";
import type { UserOperation } from "viem/account-abstraction";
import type { PrivateKeyAccount } from "viem/accounts";

import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import type { Bundler } from "../../src/chain/bundler/bundler.ts";
import { ensureAccount } from "../../src/chain/deploy.ts";
import { fromUserOpJson, userOpHashOf } from "../../src/chain/entryPoint.ts";
import { encodeCall, laneOf, longestClaimSeconds, signOperation } from "../../src/chain/signOperation.ts";
import {
  compilePolicy,
  limitFor,
  type CompiledLimit,
  type CompiledPolicy,
} from "../../src/policy/compile.ts";
import { accountDomain, installTypes } from "../../src/policy/grant.ts";
import { parsePolicy } from "../../src/policy/parse.ts";
import { payeeProof } from "../../src/policy/payeeTree.ts";
import { localChainId, localFaucet } from "../../src/testing/localChain.ts";
import { amountOf, fund, gasFields, nonceOf, personOf, prepay, rootOf, type Site } from "./site.ts";

/** An account with money, its owner, and an agent that has not been granted anything yet. */
export type Agent = {
  readonly site: Site;
  readonly account: Address;
  readonly owner: PrivateKeyAccount;
  readonly key: PrivateKeyAccount;
};

/** @param accountSalt Another number, another account of the same owner and agent. */
export async function openAgent(site: Site, accountSalt = 0n): Promise<Agent> {
  const [owner, key] = [personOf("owner"), personOf("agent")];
  const account = await ensureAccount(site.chain, localFaucet, owner.address, accountSalt);
  for (const holder of [account, owner.address]) await fund(site, holder);
  await prepay(site, account);
  return { site, account, owner, key };
}

/**
 * The design's standard policy: a token (and, as a grant of its own, the coin) with a cap per call, a rolling window and a
 * lifetime cap; 8 payees; gas budget; expiry. Salts tell grants apart that are equal otherwise.
 */
export function standardPolicy({ key, site }: Agent, salt: number): CompiledPolicy {
  const limit = (symbol: string) => ({
    perPayment: `5 ${symbol}`,
    perWindow: `50 ${symbol}`,
    window: "24h",
    lifetime: `1000 ${symbol}`,
  });
  const document = {
    policy: "standard",
    version: 1,
    chain: localChainId,
    // 18 decimals, so that amounts have as many bytes as the peers' that the design compares with.
    tokens: { TOKEN: { address: site.token, decimals: 18 } },
    payees: Object.fromEntries(site.payees.map((address, index) => [`payee-${index}`, { address }])),
    limits: [limit("TOKEN"), limit("ETH")],
    gas: { budget: "10 ETH", perOperation: "0.002 ETH" },
    expires: "2040-01-01T00:00:00Z",
    salt,
  };
  // YAML reads JSON.
  return compilePolicy(parsePolicy(JSON.stringify(document)), key.address);
}

/** One grant of the standard policy. */
export function limitOf(agent: Agent, symbol: "TOKEN" | "ETH", salt = 1): CompiledLimit {
  return limitFor(standardPolicy(agent, salt), symbol)!;
}

/** Decisions before the first payment: trees of the bench have as many digits as those of an agent at work. */
const decisionsBefore = 1000;

/** The agent's next payment under a grant, signed by the runtime's own code; no payment is like another. */
export async function payment(
  agent: Agent,
  limit: CompiledLimit,
  turn: number,
): Promise<UserOperation<"0.8">> {
  const { account, key, site } = agent;
  const payee = site.payees[3]!;
  const nonce = await nonceOf(site, account, laneOf(key.address));
  const { timestamp } = await site.chain.client.getBlock();
  const validAfter = Number(timestamp) - 60;
  // Every payment of the agent, under whichever grant, is one decision more.
  const treeSize = decisionsBefore + Number(nonce & 0xffffffffffffffffn) + 1;
  const operation = await signOperation({
    chainId: site.chain.chainId,
    account,
    signer: key,
    limit,
    calls: [
      limit.grant.asset === zeroAddress
        ? { to: payee, valueWei: amountOf(turn), data: "0x" }
        : {
            to: limit.grant.asset,
            valueWei: 0n,
            data: encodeFunctionData({
              abi: erc20Abi,
              functionName: "transfer",
              args: [payee, amountOf(turn)],
            }),
          },
    ],
    proofs: [{ path: payeeProof(standardPolicy(agent, 0).payeeTree, payee)!, rule: "0x" }],
    nonce,
    commitment: {
      validAfter,
      validUntil: validAfter + longestClaimSeconds,
      treeSize,
      treeRoot: rootOf(treeSize),
    },
    bundler: fixedBundler,
  });
  return fromUserOpJson(operation.userOp);
}

/** The same payment with the owner's signature under the grant in it: kind 2 of contracts/interfaces/IAgentAccount.sol. */
export async function paymentWithGrant(
  agent: Agent,
  limit: CompiledLimit,
  turn: number,
): Promise<UserOperation<"0.8">> {
  const { account, owner, site } = agent;
  const userOp = await payment(agent, limit, turn);
  const epoch = await site.chain.client.readContract({
    address: account,
    abi: agentAccountAbi,
    functionName: "epoch",
  });
  const signature = await owner.signTypedData({
    domain: accountDomain(site.chain.chainId, account),
    types: installTypes,
    primaryType: "Install",
    message: { grant: limit.grant, epoch: BigInt(epoch) },
  });
  return { ...userOp, signature: concatHex(["0x02", sliceHex(userOp.signature, 1), compact(signature)]) };
}

/** An operation of the owner: the account calls itself. */
export async function ownerOperation(
  { account, owner, site }: Agent,
  data: Hex,
): Promise<UserOperation<"0.8">> {
  const unsigned = {
    sender: account,
    // Any key that is no agent's.
    nonce: await nonceOf(site, account, 99n),
    callData: encodeCall({ to: account, valueWei: 0n, data }),
    ...gasFields,
    signature: "0x" as Hex,
  };
  const hash = userOpHashOf(site.chain.chainId, unsigned);
  return { ...unsigned, signature: compact(await owner.sign({ hash })) };
}

/** EIP-2098. */
export const compact = (signature: Hex): Hex =>
  serializeCompactSignature(signatureToCompactSignature(parseSignature(signature)));

/** Says the same limits and prices for every operation; the bench carries them to the chain itself. */
export const fixedBundler: Bundler = {
  name: "bench",
  gasPrice: () =>
    Promise.resolve({
      maxFeePerGasWei: gasFields.maxFeePerGas,
      maxPriorityFeePerGasWei: gasFields.maxPriorityFeePerGas,
    }),
  estimateGas: () =>
    Promise.resolve({
      callGasLimit: gasFields.callGasLimit,
      verificationGasLimit: gasFields.verificationGasLimit,
      preVerificationGas: gasFields.preVerificationGas,
    }),
  send: () => Promise.reject(new Error("The bench's bundler only prices operations; see gasOfOperation.")),
};
