import type { Hex } from "viem";

import { fingerprintOf, storedTree } from "../chain/anchor.ts";
import { decisionLogOf, sequenceOf } from "../chain/findReceipt.ts";
import { readAccount } from "../chain/readAccount.ts";
import { BaseError } from "../core/errors.ts";
import { treeRoot } from "../core/merkle.ts";
import { leavesOf } from "../journal/leaves.ts";
import { decodeCounters } from "../policy/usage.ts";
import type { House } from "./house.ts";
import { holdOwnLane, ownNextNonce, requireFreeLane, wasReleased } from "./lane.ts";

/** The chain knows more of this agent than its journal: the journal was lost, replaced or restored from an old copy. */
export class JournalBehindChainError extends BaseError {
  override readonly name = "JournalBehindChainError";
  constructor(what: string, facts: Readonly<Record<string, string | number>>) {
    super(`The journal is not the one this agent's decisions were written in: ${what}.`, {
      remedy:
        "Do not run on it: bills that were paid would be paid again. Bring the newest journal back; if it is lost, revoke the grant, note by hand what was paid, and start a new agent key with an empty inbox.",
      facts,
    });
  }
}

/**
 * Refuses to run an agent on a journal that does not hold everything the chain has seen of it: its committed decision
 * tree, its anchored tree, its nonces.
 *
 * @throws JournalBehindChainError · LaneHeldError
 */
export async function requireWholeJournal(
  house: Pick<House, "account" | "agent" | "chain" | "journal" | "origin" | "policy" | "purse">,
): Promise<void> {
  requireFreeLane(house);
  const { account, agent, chain, journal, origin, policy, purse } = house;
  const leaves = leavesOf(journal, agent.name);
  const state = await readAccount(chain, account, policy, origin);
  for (const { countersWord } of state.limits) {
    const { treeSize } = decodeCounters(countersWord);
    if (treeSize > leaves.length)
      throw new JournalBehindChainError("the chain has more of its decisions", {
        onChain: treeSize,
        inJournal: leaves.length,
      });
  }
  // At most one past the newest operation in the journal, or where the operator has looked.
  const used = sequenceOf(state.nonce);
  const known = sequenceOf(ownNextNonce(house));
  // Whoever used the lane once may use it again. A lost journal shows in the trees above, which every operation makes larger.
  if (used > known && wasReleased(house)) throw await holdOwnLane(house, state.nonce, null);
  if (used > known)
    throw new JournalBehindChainError("the chain has operations of the agent that it does not know", {
      onChain: Number(used),
      inJournal: Number(known),
    });
  if (purse) await requireAnchoredTree(house, leaves);
}

async function requireAnchoredTree(
  house: Pick<House, "account" | "chain" | "origin" | "policy" | "purse">,
  leaves: readonly Hex[],
): Promise<void> {
  const { account, chain, origin, policy } = house;
  const writer = house.purse!.address;
  const decisionLog = await decisionLogOf(chain, account, origin);
  const { fingerprint, size } = await storedTree(chain, writer, decisionLog, account, policy.agent);
  if (size === 0) return;
  const facts = { onChain: size, inJournal: leaves.length };
  if (size > leaves.length) throw new JournalBehindChainError("more of its decisions were anchored", facts);
  if (fingerprint !== fingerprintOf(size, treeRoot(leaves.slice(0, size))))
    throw new JournalBehindChainError("other decisions were anchored", facts);
}
