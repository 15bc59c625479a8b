import { decodeEventLog, encodeEventTopics, hexToBigInt, type Address, type Hex } from "viem";

import type { Operation, Receipt } from "../core/operation.ts";
import { agentAccountAbi } from "./abi/agentAccount.ts";
import { decisionLogAbi } from "./abi/decisionLog.ts";
import { entryPointAbi } from "./abi/entryPoint.ts";
import { ask, finalBlock, type Chain } from "./connectChain.ts";
import { decodeRefusal } from "./decodeRefusal.ts";
import { entryPointAddress } from "./entryPoint.ts";
import { ForeignOperationError } from "./errors.ts";
import { missingTransfer } from "./missingTransfer.ts";
import { laneOf } from "./signOperation.ts";

/** Where an operation stands, by the chain's own events and nonces (research/durability-scale.md §3.4). */
export type OperationStatus =
  | { readonly kind: "open" }
  | {
      readonly kind: "included";
      readonly receipt: Receipt & { readonly outcome: "success" | "reverted" };
      readonly final: boolean;
    }
  | { readonly kind: "expired"; readonly blockNumber: bigint };

/** ERC-4337 event of one operation, looked up by its hash (an indexed topic) from `fromBlock` on. */
async function findEvent(chain: Chain, userOpHash: Hex, fromBlock: bigint) {
  const [log] = await ask(chain, () =>
    chain.client.getLogs({
      address: entryPointAddress,
      event: userOperationEvent,
      args: { userOpHash },
      fromBlock,
      toBlock: "latest",
      strict: true,
    }),
  );
  return log;
}

const userOperationEvent = entryPointAbi.find(
  (item) => item.type === "event" && item.name === "UserOperationEvent",
) as Extract<(typeof entryPointAbi)[number], { type: "event"; name: "UserOperationEvent" }>;

/**
 * Where the operation stands. Only our own RPC is asked; only a final block's time may declare it dead.
 *
 * The chain moves between two reads. So the final block is read first and everything else after it: what is not on the
 * chain by then, at a final block whose time is past `validUntil`, can never be.
 *
 * @param fromBlock a block before the operation was signed, and one that no reorg replaces
 * @throws ForeignOperationError when the nonce was used by an operation that is not ours
 */
export async function operationStatus(
  chain: Chain,
  operation: Operation,
  agent: Address,
  fromBlock: bigint,
): Promise<OperationStatus> {
  const final = await finalBlock(chain);
  const event = await findEvent(chain, operation.userOpHash, fromBlock);
  if (event) {
    const revertReason = event.args.success
      ? ((await missingTransfer(chain, operation, event.transactionHash, event.logIndex)) ?? null)
      : await revertReasonOf(chain, operation.userOpHash, event.transactionHash);
    return {
      kind: "included",
      final: final.number >= event.blockNumber,
      receipt: {
        // What moved nothing has paid nothing, whatever the token says.
        outcome: revertReason === null ? "success" : "reverted",
        userOpHash: operation.userOpHash,
        transaction: event.transactionHash,
        blockNumber: event.blockNumber.toString(),
        blockHash: event.blockHash,
        logIndex: event.logIndex,
        gasUsed: event.args.actualGasUsed.toString(),
        gasCostWei: event.args.actualGasCost.toString(),
        revertReason,
      },
    };
  }
  const late = final.timestamp > BigInt(operation.validUntil);
  // A log index may lag behind its node: the state of the final block itself has to say that the nonce is unused.
  const nonce = await nonceOf(chain, operation, agent, late ? final.number : undefined);
  if (nonce > hexToBigInt(operation.userOp.nonce)) {
    // Two reads are two moments: the operation may have landed between them. Look again before crying wolf.
    if (await findEvent(chain, operation.userOpHash, fromBlock))
      return operationStatus(chain, operation, agent, fromBlock);
    throw new ForeignOperationError(operation.userOp.sender, operation.userOp.nonce, operation.userOpHash);
  }
  return late ? { kind: "expired", blockNumber: final.number } : { kind: "open" };
}

/** The lane's next nonce: at a block, or at the newest one. */
function nonceOf(
  chain: Chain,
  operation: Operation,
  agent: Address,
  blockNumber: bigint | undefined,
): Promise<bigint> {
  return ask(chain, () =>
    chain.client.readContract({
      address: entryPointAddress,
      abi: entryPointAbi,
      functionName: "getNonce",
      args: [operation.userOp.sender, laneOf(agent)],
      ...(blockNumber === undefined ? {} : { blockNumber }),
    }),
  );
}

async function revertReasonOf(chain: Chain, userOpHash: Hex, transaction: Hex): Promise<string> {
  const receipt = await ask(chain, () => chain.client.getTransactionReceipt({ hash: transaction }));
  const [topic] = encodeEventTopics({
    abi: entryPointAbi,
    eventName: "UserOperationRevertReason",
    args: { userOpHash },
  });
  for (const log of receipt.logs) {
    if (log.topics[0] !== topic || log.topics[1] !== userOpHash) continue;
    const decoded = decodeEventLog({
      abi: entryPointAbi,
      eventName: "UserOperationRevertReason",
      data: log.data,
      topics: log.topics,
    });
    return decodeRefusal(decoded.args.revertReason).error;
  }
  return "(no reason given)";
}

/** What an operation's transaction committed to the DecisionLog for this account and agent. */
export type CommittedTree = { readonly writer: Address; readonly size: number; readonly root: Hex };

/** Reads the `Committed` events of one transaction: the chain's word on which decisions were committed in it. */
export async function committedTrees(
  chain: Chain,
  decisionLog: Address,
  transaction: Hex,
  account: Address,
  agent: Address,
): Promise<readonly CommittedTree[]> {
  const receipt = await ask(chain, () => chain.client.getTransactionReceipt({ hash: transaction }));
  const trees: CommittedTree[] = [];
  for (const log of receipt.logs) {
    if (log.address.toLowerCase() !== decisionLog.toLowerCase()) continue;
    try {
      const { args, eventName } = decodeEventLog({ abi: decisionLogAbi, data: log.data, topics: log.topics });
      if (eventName !== "Committed" || args.account !== account || args.agent !== agent) continue;
      trees.push({ writer: args.writer, size: Number(args.size), root: args.root });
    } catch {
      // Another event of the log contract: not a commitment.
    }
  }
  return trees;
}

/** The DecisionLog that an account writes to. */
export function decisionLogOf(chain: Chain, account: Address): Promise<Address> {
  return ask(chain, () =>
    chain.client.readContract({ address: account, abi: agentAccountAbi, functionName: "decisionLog" }),
  );
}
