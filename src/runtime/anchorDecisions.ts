import type { Hex } from "viem";

import { anchorTree, storedTree } from "../chain/anchor.ts";
import { decisionLogOf } from "../chain/findReceipt.ts";
import { BaseError, sentenceOf } from "../core/errors.ts";
import { treeRoot } from "../core/merkle.ts";
import { appendEntry } from "../journal/entries.ts";
import { leavesOf } from "../journal/leaves.ts";
import type { House } from "./house.ts";

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

/**
 * Publishes the agent's whole decision tree from the operator's own purse, so that what was held, asked or refused
 * since the last payment is on the chain as well. Repeating it is harmless: a size is anchored once.
 *
 * @returns the transaction, or undefined when there is no purse (an RPC bundler) or nothing new.
 * @throws AnchorError · RpcUnreachableError
 */
export async function anchorDecisions(house: House): Promise<Hex | undefined> {
  const { account, agent, chain, journal, policy, purse } = house;
  if (!purse) return undefined;
  const leaves = leavesOf(journal, agent.name);
  const decisionLog = await decisionLogOf(chain, account);
  const stored = await storedTree(chain, purse.address, decisionLog, account, policy.agent);
  if (stored.size >= leaves.length) return undefined;
  const root = treeRoot(leaves);
  const transaction = await anchorTree(chain, purse, decisionLog, {
    account,
    agent: policy.agent,
    size: leaves.length,
    root,
  }).catch((error: unknown): never => {
    if (error instanceof BaseError && error.retry === "safe") throw error;
    throw new AnchorError(purse.address, error);
  });
  journal.atomically(() =>
    appendEntry(journal, agent.name, "anchored", {
      size: leaves.length,
      root,
      transaction,
      writer: purse.address.toLowerCase(),
    }),
  );
  return transaction;
}
