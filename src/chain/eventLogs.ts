import { parseAbiItem, type AbiEvent, type Address, type Hex } from "viem";

import { BaseError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import { ask, finalBlock, requireChainId, type Chain } from "./connectChain.ts";

/** An event that can't be watched. */
export class EventDeclarationError extends BaseError {
  override readonly name = "EventDeclarationError";
}

/** One event of a contract, as the chain has it. */
export type EventLog = {
  readonly transaction: Hex;
  readonly block: bigint;
  /** Its place among the transaction's logs, from 0: the same in whatever block the transaction ends up. */
  readonly place: number;
  readonly name: string;
  /** Integers as decimal text. */
  readonly args: Readonly<Record<string, Json>>;
  /** Some argument is text or bytes, which whoever made the event chose freely. */
  readonly freeText: boolean;
};

/** Most blocks that are asked for at once; RPCs refuse more than some thousands. */
const mostBlocks = 2000n;

/** @throws EventDeclarationError */
export function readEvent(declaration: string): AbiEvent {
  try {
    const item = parseAbiItem(declaration);
    if ((item as { readonly type: string }).type === "event") return item as unknown as AbiEvent;
  } catch {
    // Told below.
  }
  throw new EventDeclarationError(`"${declaration}" declares no event.`, {
    remedy:
      'Write it as Solidity does, e.g. "event Transfer(address indexed from, address indexed to, uint256 value)".',
  });
}

/**
 * The events of a contract in the blocks after `since`, as far as they are final: what is not final yet may be undone, and is read
 * when it can't be any more.
 *
 * @returns the events, the last block that was read, and whether there are final blocks after it
 * @throws WrongChainError · RpcUnreachableError
 */
export async function eventLogs(
  chain: Chain,
  asked: {
    readonly contract: Address;
    readonly event: AbiEvent;
    readonly where: Readonly<Record<string, string | bigint | boolean>>;
    readonly since: bigint;
  },
): Promise<{ readonly logs: readonly EventLog[]; readonly upTo: bigint; readonly more: boolean }> {
  const { contract, event, since, where } = asked;
  // An RPC that serves another chain by now has events, too.
  await requireChainId(chain);
  const { number: final } = await finalBlock(chain);
  const upTo = since + mostBlocks < final ? since + mostBlocks : final;
  if (upTo <= since) return { logs: [], upTo: since, more: false };
  const found = await ask(chain, () =>
    chain.client.getLogs({
      address: contract,
      event,
      args: where as never,
      fromBlock: since + 1n,
      toBlock: upTo,
      // What does not fit the declaration is another event of the same name.
      strict: true,
    }),
  );
  const logs: EventLog[] = [];
  /** Index of a transaction's first log in its block. */
  const firsts = new Map<Hex, number>();
  for (const log of found) {
    const { args, transactionHash: transaction } = log;
    if (!firsts.has(transaction)) {
      const receipt = await ask(chain, () => chain.client.getTransactionReceipt({ hash: transaction }));
      firsts.set(transaction, Math.min(...receipt.logs.map(({ logIndex }) => logIndex)));
    }
    logs.push({
      transaction,
      block: log.blockNumber,
      place: log.logIndex - firsts.get(transaction)!,
      name: event.name,
      args: jsonOf(args) as Readonly<Record<string, Json>>,
      freeText: event.inputs.some(({ type }) => /^(string|bytes|tuple)/.test(type)),
    });
  }
  return { logs, upTo, more: upTo < final };
}

function jsonOf(value: unknown): Json {
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "string") return value.toWellFormed();
  if (typeof value === "number" || typeof value === "boolean") return value;
  if (Array.isArray(value)) return value.map(jsonOf);
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, jsonOf(one)]));
  return null;
}
