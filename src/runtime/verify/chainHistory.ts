import { isAddressEqual, type Address, type Hex } from "viem";

import { decisionLogAbi } from "../../chain/abi/decisionLog.ts";
import { entryPointAbi } from "../../chain/abi/entryPoint.ts";
import { allLogs } from "../../chain/allLogs.ts";
import { entryPointAddress } from "../../chain/entryPoint.ts";
import { decisionLogOf } from "../../chain/findReceipt.ts";
import { laneOf } from "../../chain/signOperation.ts";
import type { House } from "../house.ts";

/** An operation in the agent's lane that the EntryPoint executed. */
export type OperationEvent = {
  readonly transaction: Hex;
  readonly blockNumber: bigint;
  readonly nonce: bigint;
};

/** A tree root on the chain: decisions with an index below `size` are under it. */
export type ChainTree = { readonly size: number; readonly root: Hex };

/** Everything the chain has seen of one agent of one account, whatever the journal says about it. */
export type ChainHistory = {
  readonly decisionLog: Address;
  /** By userOpHash. */
  readonly operations: ReadonlyMap<Hex, OperationEvent>;
  /** Written by the account itself while it validated the agent's operations. */
  readonly committed: readonly (ChainTree & { readonly transaction: Hex })[];
  /** Written by the operator's purse. */
  readonly anchored: readonly ChainTree[];
};

/** Reads the chain from its first block on, so that no journal can choose where the looking begins. */
export async function chainHistoryOf(
  house: Pick<House, "account" | "chain" | "origin" | "policy" | "purse">,
): Promise<ChainHistory> {
  const { account, chain, origin, policy, purse } = house;
  const decisionLog = await decisionLogOf(chain, account, origin);
  const operations = await allLogs(chain, (blocks) =>
    chain.client.getContractEvents({
      address: entryPointAddress,
      abi: entryPointAbi,
      eventName: "UserOperationEvent",
      args: { sender: account },
      strict: true,
      ...blocks,
    }),
  );
  const committed = await treeEvents(house, decisionLog, "Committed", account);
  return {
    decisionLog,
    operations: new Map(
      operations
        .filter((log) => log.args.nonce >> 64n === laneOf(policy.agent))
        .map((log) => [
          log.args.userOpHash,
          { transaction: log.transactionHash, blockNumber: log.blockNumber, nonce: log.args.nonce },
        ]),
    ),
    committed: committed.map((log) => ({
      size: Number(log.args.size),
      root: log.args.root,
      transaction: log.transactionHash,
    })),
    anchored:
      purse && !isAddressEqual(purse.address, account)
        ? await anchoredTrees(house, decisionLog, purse.address)
        : [],
  };
}

/** Every tree that `writer` ever anchored, oldest first: the chain stores the newest only, its events tell of all. */
export async function anchoredTrees(
  house: Pick<House, "account" | "chain" | "policy">,
  decisionLog: Address,
  writer: Address,
): Promise<readonly ChainTree[]> {
  const events = await treeEvents(house, decisionLog, "Anchored", writer);
  return events.map((log) => ({ size: Number(log.args.size), root: log.args.root }));
}

const treeEvents = (
  { account, chain, policy }: Pick<House, "account" | "chain" | "policy">,
  decisionLog: Address,
  eventName: "Committed" | "Anchored",
  writer: Address,
) =>
  allLogs(chain, (blocks) =>
    chain.client.getContractEvents({
      address: decisionLog,
      abi: decisionLogAbi,
      eventName,
      args: { writer, account, agent: policy.agent },
      strict: true,
      ...blocks,
    }),
  );
