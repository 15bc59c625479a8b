import type { Address, Hex } from "viem";

import { sendAnchor, storedTree } from "../chain/anchor.ts";
import { ask, type Chain } from "../chain/connectChain.ts";
import { awaitTransaction } from "../chain/deploy.ts";
import { RpcUnreachableError } from "../chain/errors.ts";
import { decisionLogOf } from "../chain/findReceipt.ts";
import { BaseError, sentenceOf } from "../core/errors.ts";
import { appendEntry } from "../journal/entries.ts";
import { treeOf } from "../journal/leaves.ts";
import type { House } from "./house.ts";
import { openTurns, type Turns } from "./turns.ts";

/** The purse's transaction was not made. No payment depends on it. */
export class AnchorError extends BaseError {
  override readonly name = "AnchorError";
  constructor(purse: string, cause: unknown) {
    super("The decisions that led to no payment could not be published.", {
      remedy: "It is tried again later. See whether the gas purse has funds.",
      facts: { purse, detail: sentenceOf(cause) },
      cause,
      retry: "safe",
    });
  }
}

/** How long an anchor is waited for, in milliseconds: a few blocks of a slow chain. */
const usuallyWaitMs = 60_000;
/** Transactions of the purse that may wait for a block; with so many before it, an anchor would only be stuck behind them. */
const mostWaiting = 16;

/**
 * Publishes the agent's whole decision tree from the operator's own purse, so that what was held, asked or refused
 * since the last payment is on the chain as well. Repeating it is harmless: a size is anchored once.
 *
 * The purse's turn is taken for sending and not for waiting, and the waiting is bounded: nobody who pays is held up by an anchor. One
 * that is stuck gives its nonce to the next payment (`ownBundler.ts`).
 *
 * @param turns of the purse: one transaction of it is made at a time
 * @returns the transaction, or undefined when there is no purse (an RPC bundler) or nothing new.
 * @throws AnchorError · RpcUnreachableError
 */
export async function anchorDecisions(
  house: House,
  { turns = openTurns(1), waitMs = usuallyWaitMs }: { readonly turns?: Turns; readonly waitMs?: number } = {},
): Promise<Hex | undefined> {
  const { account, agent, chain, journal, origin, policy, purse } = house;
  if (!purse) return undefined;
  const { root, size } = treeOf(journal, agent.name);
  const decisionLog = await decisionLogOf(chain, account, origin);
  const stored = await storedTree(chain, purse.address, decisionLog, account, policy.agent);
  if (stored.size >= size) return undefined;
  const tree = { account, agent: policy.agent, size, root };
  const fail = (error: unknown): never => {
    throw error instanceof RpcUnreachableError || error instanceof AnchorError
      ? error
      : new AnchorError(purse.address, error);
  };
  const transaction = await turns
    .take("last", async () => {
      await requireShortQueue(house.chain, purse.address);
      return sendAnchor(chain, purse, decisionLog, tree);
    })
    .catch(fail);
  await awaitTransaction(chain, transaction, waitMs).catch(fail);
  journal.atomically(() =>
    appendEntry(journal, agent.name, "anchored", {
      size,
      root,
      transaction,
      writer: purse.address.toLowerCase(),
    }),
  );
  return transaction;
}

async function requireShortQueue(chain: Chain, address: Address): Promise<void> {
  const count = (blockTag: "latest" | "pending") =>
    ask(chain, () => chain.client.getTransactionCount({ address, blockTag }));
  const waiting = (await count("pending")) - (await count("latest"));
  if (waiting >= mostWaiting) throw new AnchorError(address, `${waiting} transactions of the purse wait`);
}
