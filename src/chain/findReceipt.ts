import { decodeEventLog, encodeEventTopics, hexToBigInt, type Address, type Hex } from "viem";

import type { Operation, Receipt, UserOpJson } from "../core/operation.ts";
import { agentAccountAbi } from "./abi/agentAccount.ts";
import { decisionLogAbi } from "./abi/decisionLog.ts";
import { entryPointAbi } from "./abi/entryPoint.ts";
import type { AccountOrigin } from "./accountOrigin.ts";
import { allLogs } from "./allLogs.ts";
import { ask, finalBlock, type Chain } from "./connectChain.ts";
import { decodeRefusal } from "./decodeRefusal.ts";
import { decisionLogDeployment } from "./deploy.ts";
import { entryPointAddress } from "./entryPoint.ts";
import { missingTransfer } from "./missingTransfer.ts";
import { recover, type Recovery, type RecoveryFacts } from "./recovery.ts";

type Executed = Receipt & { readonly outcome: "success" | "reverted" };

/** Where a decision's operation stands, by the chain's own events and nonces. */
export type OperationStatus = {
  readonly recovery: Recovery;
  /** What the chain executed of what was signed. */
  readonly landed: { readonly operation: Operation; readonly receipt: Executed } | null;
  /** What it executed at the same nonce instead. */
  readonly stranger: { readonly userOpHash: Hex; readonly transaction: Hex } | null;
  /** The lane's next nonce at the newest block, the whole 256-bit number. */
  readonly next: bigint;
  readonly final: { readonly number: bigint; readonly timestamp: bigint };
};

/** What was executed at one nonce of an account, from `fromBlock` on. */
async function findEvent(chain: Chain, { sender, nonce }: UserOpJson, fromBlock: bigint) {
  // After a long time away these are more blocks than many an RPC gives at once.
  const logs = await allLogs(
    chain,
    (blocks) =>
      chain.client.getLogs({
        address: entryPointAddress,
        event: userOperationEvent,
        args: { sender },
        ...blocks,
        strict: true,
      }),
    fromBlock,
  );
  return logs.find(({ args }) => args.nonce === hexToBigInt(nonce));
}

const userOperationEvent = entryPointAbi.find(
  (item) => item.type === "event" && item.name === "UserOperationEvent",
) as Extract<(typeof entryPointAbi)[number], { type: "event"; name: "UserOperationEvent" }>;

/**
 * Where the operation stands. Only our own RPC is asked; only a final block's time may declare it dead.
 *
 * The chain moves between two reads. So the final block is read first, then the log, then the nonces: what is not on the
 * chain by then, at a final block whose time is past `validUntil`, can never be.
 *
 * @param operations everything that was signed for the decision, the first operation first
 * @param fromBlock a block before the operation was signed, and one that no reorg replaces
 * @param known what the journal adds
 */
export async function operationStatus(
  chain: Chain,
  operations: readonly [Operation, ...Operation[]],
  fromBlock: bigint,
  known: Pick<RecoveryFacts, "journal" | "silent" | "released"> = {
    journal: "signed",
    silent: false,
    released: false,
  },
): Promise<OperationStatus> {
  const [{ userOp }] = operations;
  const final = await finalBlock(chain);
  const event = await findEvent(chain, userOp, fromBlock);
  const operation = operations.find(({ userOpHash }) => userOpHash === event?.args.userOpHash);
  const receipt = event && operation ? await executed(chain, operation, event) : undefined;
  const late = operations.every(({ validUntil }) => final.timestamp > BigInt(validUntil));
  const next = await nonceOf(chain, userOp);
  const used = next > hexToBigInt(userOp.nonce);
  // A log index may lag behind its node: the state of the final block itself has to say that the nonce is unused.
  const atFinal =
    event || !(late || used) || final.number < 0n ? null : await nonceOf(chain, userOp, final.number);
  const recovery = recover({
    ...known,
    sequence: sequenceOf(hexToBigInt(userOp.nonce)),
    next: { latest: sequenceOf(next), final: atFinal === null ? null : sequenceOf(atFinal) },
    late,
    event: event
      ? {
          of: !operation ? "stranger" : operation === operations[0] ? "operation" : "sibling",
          // What moved nothing has paid nothing, whatever the token says.
          success: receipt?.outcome === "success",
          final: final.number >= event.blockNumber,
        }
      : null,
  });
  return {
    recovery,
    landed: operation && receipt ? { operation, receipt } : null,
    stranger:
      event && !operation ? { userOpHash: event.args.userOpHash, transaction: event.transactionHash } : null,
    next,
    final: { number: final.number, timestamp: final.timestamp },
  };
}

async function executed(
  chain: Chain,
  operation: Operation,
  event: NonNullable<Awaited<ReturnType<typeof findEvent>>>,
): Promise<Executed> {
  const revertReason = event.args.success
    ? ((await missingTransfer(chain, operation, event.transactionHash, event.logIndex)) ?? null)
    : await revertReasonOf(chain, operation.userOpHash, event.transactionHash);
  return {
    outcome: revertReason === null ? "success" : "reverted",
    userOpHash: operation.userOpHash,
    transaction: event.transactionHash,
    blockNumber: event.blockNumber.toString(),
    blockHash: event.blockHash,
    logIndex: event.logIndex,
    gasUsed: event.args.actualGasUsed.toString(),
    gasCostWei: event.args.actualGasCost.toString(),
    revertReason,
  };
}

/** The place in its lane: the low 64 bits of a nonce. */
export const sequenceOf = (nonce: bigint): bigint => nonce & 0xffffffffffffffffn;

/** The lane's next nonce: at a block, or at the newest one. */
const nonceOf = (chain: Chain, { nonce, sender }: UserOpJson, blockNumber?: bigint): Promise<bigint> =>
  // The operation's own lane: the agent's key may be another one by now.
  nonceIn(chain, sender, hexToBigInt(nonce) >> 64n, blockNumber);

/** The next nonce of a lane, the whole 256-bit number: at a block, or at the newest one. */
export const nonceIn = (chain: Chain, sender: Address, lane: bigint, blockNumber?: bigint): Promise<bigint> =>
  ask(chain, () =>
    chain.client.readContract({
      address: entryPointAddress,
      abi: entryPointAbi,
      functionName: "getNonce",
      args: [sender, lane],
      ...(blockNumber === undefined ? {} : { blockNumber }),
    }),
  );

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

/** The DecisionLog that an account writes to. Accounts of our factory, which an origin makes, all have the same. */
export async function decisionLogOf(
  chain: Chain,
  account: Address,
  origin?: AccountOrigin,
): Promise<Address> {
  if (origin) return decisionLogDeployment.address;
  return ask(chain, () =>
    chain.client.readContract({ address: account, abi: agentAccountAbi, functionName: "decisionLog" }),
  );
}
