import { erc20Abi, zeroAddress, type Address, type Hex } from "viem";

import type { CompiledPolicy } from "../policy/compile.ts";
import { agentAccountAbi } from "./abi/agentAccount.ts";
import { entryPointAbi } from "./abi/entryPoint.ts";
import { ask, type Chain } from "./connectChain.ts";
import { entryPointAddress } from "./entryPoint.ts";
import { laneOf } from "./signOperation.ts";

/** What is stored about one limit, as packed words (`Counters`, `Caps`). */
export type LimitState = {
  readonly countersWord: bigint;
  /** Zero unless the limit counts operations. */
  readonly operationsWord: bigint;
  /** The cap over all agents of the account for this asset; zero: none. */
  readonly capWord: bigint;
  readonly balanceUnits: bigint;
};

/** What the chain says about one account under one policy, all of it at one block. */
export type AccountState = {
  readonly blockNumber: bigint;
  readonly blockHash: Hex;
  /** Unix seconds. */
  readonly blockTimestamp: bigint;
  readonly frozen: boolean;
  readonly epoch: number;
  /** Next sequence of the agent's nonce lane, whole 256-bit nonce. */
  readonly nonce: bigint;
  /** What the account has in the EntryPoint to pay gas from, and its own native coin. */
  readonly depositWei: bigint;
  readonly nativeWei: bigint;
  /** When the owner was last heard of, unix seconds; 0: never. */
  readonly lastHeartbeat: bigint;
  /** One per limit of the policy, in order. */
  readonly limits: readonly LimitState[];
};

/** Reads everything a decision needs, pinned to the newest block so that no two facts come from different states. */
export async function readAccount(
  chain: Chain,
  account: Address,
  policy: CompiledPolicy,
): Promise<AccountState> {
  const { client } = chain;
  return ask(chain, async () => {
    const block = await client.getBlock({ blockTag: "latest" });
    const blockNumber = block.number;
    const at = { blockNumber };
    const read = { address: account, abi: agentAccountAbi, ...at } as const;
    const [lastHeartbeat, frozen, epoch, nonce, depositWei, nativeWei, ...limits] = await Promise.all([
      client.readContract({ ...read, functionName: "lastHeartbeat" }),
      client.readContract({ ...read, functionName: "frozen" }),
      client.readContract({ ...read, functionName: "epoch" }),
      client.readContract({
        address: entryPointAddress,
        abi: entryPointAbi,
        functionName: "getNonce",
        args: [account, laneOf(policy.agent)],
        ...at,
      }),
      client.readContract({
        address: entryPointAddress,
        abi: entryPointAbi,
        functionName: "balanceOf",
        args: [account],
        ...at,
      }),
      client.getBalance({ address: account, ...at }),
      ...policy.limits.map(async ({ grant: { asset }, policyId }) => {
        const [countersWord, operationsWord, capWord, balanceUnits] = await Promise.all([
          client.readContract({ ...read, functionName: "counters", args: [policyId] }),
          client.readContract({ ...read, functionName: "operationCounters", args: [policyId] }),
          client.readContract({ ...read, functionName: "capCounters", args: [asset] }),
          balanceOf(chain, asset, account, blockNumber),
        ]);
        return { countersWord, operationsWord, capWord, balanceUnits };
      }),
    ]);
    return {
      blockNumber,
      blockHash: block.hash,
      blockTimestamp: block.timestamp,
      frozen,
      epoch: Number(epoch),
      nonce,
      depositWei,
      nativeWei,
      lastHeartbeat,
      limits,
    };
  });
}

async function balanceOf(
  chain: Chain,
  asset: Address,
  account: Address,
  blockNumber: bigint,
): Promise<bigint> {
  return asset === zeroAddress
    ? chain.client.getBalance({ address: account, blockNumber })
    : chain.client.readContract({
        address: asset,
        abi: erc20Abi,
        functionName: "balanceOf",
        args: [account],
        blockNumber,
      });
}
