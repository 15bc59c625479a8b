import { concatHex, encodeFunctionData, erc20Abi, type Address, type Hex } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";

import { entryPointAbi } from "../../src/chain/abi/entryPoint.ts";
import { decodeRefusal, revertDataOf } from "../../src/chain/decodeRefusal.ts";
import { entryPointAddress, packUserOp, userOpHashOf, type PlainUserOp } from "../../src/chain/entryPoint.ts";
import { readAccount } from "../../src/chain/readAccount.ts";
import {
  encodeCall,
  encodeSignature,
  signCommitment,
  type Commitment,
} from "../../src/chain/signOperation.ts";
import type { Refusal } from "../../src/chain/errors.ts";
import { decodeCounters } from "../../src/policy/usage.ts";
import { payeeProof } from "../../src/policy/payeeTree.ts";
import type { World } from "./world.ts";

/** One attempt of a thief who holds the agent's key, and what the chain said. */
export type RogueAttempt = {
  readonly attempt: string;
  readonly refusedBy: "chain";
  readonly error: string;
  readonly words: string;
  /** The transaction that carried the attempt and reverted. */
  readonly transaction: Hex;
};

/** The chain let a thief through: the worst news there is. */
export class RogueSucceededError extends Error {
  override readonly name = "RogueSucceededError";
}

const stranger: Address = "0x000000000000000000000000000000000000dEaD";

/**
 * What a stolen agent key can do. Bypasses the whole runtime: signs by hand, and hands the operations to the EntryPoint
 * in transactions of its own, so that nobody but the chain can say no.
 */
export async function playRogue(
  world: World,
  agent: PrivateKeyAccount,
  purse: PrivateKeyAccount,
): Promise<readonly RogueAttempt[]> {
  const { account, chain, policy } = world;
  const limit = policy.limits[0]!;
  const payee = policy.payees[0]!;
  const state = await readAccount(chain, account, policy);
  const { treeSize } = decodeCounters(state.limits[0]!.countersWord);
  const fresh: Commitment = {
    validAfter: Number(state.blockTimestamp) - 30,
    validUntil: Number(state.blockTimestamp) + 270,
    treeSize: treeSize + 1,
    treeRoot: `0x${"11".repeat(32)}`,
  };
  const small = limit.grant.perCall / 100n;

  const draft = (call: { readonly to: Address; readonly data: Hex }): PlainUserOp => ({
    sender: account,
    nonce: state.nonce,
    callData: encodeCall({ ...call, valueWei: 0n }),
    callGasLimit: 100_000n,
    verificationGasLimit: 200_000n,
    preVerificationGas: 60_000n,
    maxFeePerGas: 3_000_000_000n,
    maxPriorityFeePerGas: 1_000_000_000n,
    signature: "0x",
  });
  const transfer = (to: Address, units: bigint) =>
    draft({
      to: limit.token.address,
      data: encodeFunctionData({ abi: erc20Abi, functionName: "transfer", args: [to, units] }),
    });
  const signed = async (userOp: PlainUserOp, commitment: Commitment, to: Address): Promise<PlainUserOp> => {
    const userOpHash = userOpHashOf(chain.chainId, userOp);
    const signature = await signCommitment({
      chainId: chain.chainId,
      account,
      signer: agent,
      userOpHash,
      policyId: limit.policyId,
      commitment,
    });
    return {
      ...userOp,
      signature: encodeSignature({
        agent: agent.address,
        signature,
        commitment,
        terms: limit.terms,
        payeeProof: payeeProof(policy.payeeTree, to) ?? [],
      }),
    };
  };

  const overLimit = transfer(payee.address, limit.grant.perCall * 10n);
  const undecided = transfer(payee.address, small);
  const bare = transfer(payee.address, small);
  const toStranger = transfer(stranger, small);
  const approval = draft({
    to: limit.token.address,
    data: encodeFunctionData({ abi: erc20Abi, functionName: "approve", args: [stranger, 2n ** 256n - 1n] }),
  });

  const attempts: readonly (readonly [string, PlainUserOp])[] = [
    ["pay ten times the limit per payment", await signed(overLimit, fresh, payee.address)],
    // The last decision again, instead of a new one: the chain wants a tree that grew.
    ["pay without a decision", await signed(undecided, { ...fresh, treeSize }, payee.address)],
    [
      "pay with a bare signature, no commitment at all",
      { ...bare, signature: await agent.sign({ hash: userOpHashOf(chain.chainId, bare) }) },
    ],
    ["pay somebody who is not a payee", await signed(toStranger, fresh, stranger)],
    ["approve a stranger for everything", await signed(approval, fresh, payee.address)],
  ];
  const results: RogueAttempt[] = [];
  for (const [attempt, userOp] of attempts)
    results.push({ attempt, refusedBy: "chain", ...(await submit(world, purse, attempt, userOp)) });
  return results;
}

async function submit(
  { chain }: World,
  purse: PrivateKeyAccount,
  attempt: string,
  userOp: PlainUserOp,
): Promise<{ error: string; words: string; transaction: Hex }> {
  const { client } = chain;
  const data = encodeFunctionData({
    abi: entryPointAbi,
    functionName: "handleOps",
    args: [[packUserOp(userOp)], purse.address],
  });
  let refusal: Refusal;
  try {
    await client.call({ account: purse.address, to: entryPointAddress, data });
    throw new RogueSucceededError(`The chain accepted: ${attempt}.`);
  } catch (error) {
    if (error instanceof RogueSucceededError) throw error;
    const revert = revertDataOf(error);
    if (!revert) throw error;
    refusal = decodeRefusal(revert);
  }
  // Not only simulated: mined, and reverted.
  const raw = await purse.signTransaction({
    type: "eip1559",
    chainId: chain.chainId,
    nonce: await client.getTransactionCount({ address: purse.address }),
    to: entryPointAddress,
    data,
    gas: 2_000_000n,
    maxFeePerGas: 3_000_000_000n,
    maxPriorityFeePerGas: 1_000_000_000n,
  });
  const transaction = await client.sendRawTransaction({ serializedTransaction: raw });
  const receipt = await client.waitForTransactionReceipt({ hash: transaction, pollingInterval: 50 });
  if (receipt.status === "success") throw new RogueSucceededError(`The chain accepted: ${attempt}.`);
  const code = refusal.code && !refusal.error.startsWith(refusal.code) ? `${refusal.code} ` : "";
  return { error: `${code}${refusal.error}`, words: refusal.words, transaction: concatHex([transaction]) };
}
