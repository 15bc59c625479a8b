import type { Address, Hex } from "viem";

import { fingerprintOf, storedTree } from "../chain/anchor.ts";
import { decisionLogOf, nonceIn, sequenceOf } from "../chain/findReceipt.ts";
import { readAccount } from "../chain/readAccount.ts";
import { laneOf } from "../chain/signOperation.ts";
import { BaseError } from "../core/errors.ts";
import { treeRoot } from "../core/merkle.ts";
import { leavesOf } from "../journal/leaves.ts";
import { lanesOf, signerOfLane } from "../journal/operations.ts";
import { decodeCounters } from "../policy/usage.ts";
import { ConfigError } from "./configError.ts";
import type { House } from "./house.ts";
import { holdOwnLane, laneName, ownNextNonce, requireFreeLane, wasReleased } from "./lane.ts";

/** The chain knows more of this agent than its journal: the journal was lost, replaced or restored from an old copy. */
export class JournalBehindChainError extends BaseError {
  override readonly name = "JournalBehindChainError";
  constructor(what: string, facts: Readonly<Record<string, string | number>>) {
    super(`The journal is not the one this agent's decisions were written in: ${what}.`, {
      remedy:
        "Do not run on it: bills that were paid would be paid again. Bring the newest journal back; if it is lost, revoke the grant, note by hand what was paid, and start with a new agent key, a new state folder and an empty inbox.",
      facts,
    });
  }
}

/**
 * Refuses to run an agent on a journal that does not hold everything the chain has seen of it: its committed decision
 * tree, its anchored tree, its nonces and those of its earlier keys.
 *
 * @throws JournalBehindChainError · LaneHeldError · ConfigError for an agent that had another name in this journal
 */
export async function requireWholeJournal(
  house: Pick<House, "account" | "agent" | "chain" | "journal" | "origin" | "policy" | "purse">,
): Promise<void> {
  requireFreeLane(house);
  requireOwnName(house);
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
  await requireKnownNonces(house, state.nonce);
  for (const lane of lanesOf(journal, agent.name)) {
    if (lane === laneName(house)) continue;
    const [earlierAccount, key] = lane.split("/") as [Address, Address];
    const next = await nonceIn(chain, earlierAccount, laneOf(key));
    await requireKnownNonces({ ...house, account: earlierAccount, policy: { ...policy, agent: key } }, next);
  }
  if (purse) await requireAnchoredTree(house, leaves);
}

/** What was paid is remembered by the agent's name: under another one, the same key would pay the same bills again. */
function requireOwnName(house: Pick<House, "account" | "agent" | "journal" | "policy">): void {
  const { agent, journal, policy } = house;
  const name = signerOfLane(journal, laneName(house)) ?? agent.name;
  if (name === agent.name) return;
  throw new ConfigError(
    `In this journal the agent's key signed for an agent of another name: what ${name} has paid, ${agent.name} does not know, and would pay again.`,
    {
      remedy: `Call the agent ${name} again. A new agent needs a key and an inbox of its own.`,
      facts: { agent: policy.agent, name: agent.name, before: name },
    },
  );
}

/**
 * A lost journal also shows in the lane of a key that the agent has no longer.
 *
 * @param next the chain's next nonce of the lane, the whole 256-bit number
 */
async function requireKnownNonces(
  house: Pick<House, "account" | "agent" | "chain" | "journal" | "policy">,
  next: bigint,
): Promise<void> {
  // At most one past the newest operation in the journal, or where the operator has looked.
  const used = sequenceOf(next);
  const known = sequenceOf(ownNextNonce(house));
  if (used <= known) return;
  // Whoever used the lane once may use it again. A lost journal shows in the trees above, which every operation makes larger.
  requireFreeLane(house);
  if (wasReleased(house)) throw await holdOwnLane(house, next, null);
  throw new JournalBehindChainError("the chain has operations of the agent that it does not know", {
    key: house.policy.agent,
    onChain: Number(used),
    inJournal: Number(known),
  });
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
