import { hexToBigInt, type Address, type Hex } from "viem";

import { anchoredRoot, anchoredSize } from "../chain/anchor.ts";
import { committedTrees, decisionLogOf } from "../chain/findReceipt.ts";
import { encodeCall } from "../chain/signOperation.ts";
import { canonicalize } from "../core/canonical.ts";
import { sealDecision, type RecordFields } from "../core/decision.ts";
import type { ReExecution } from "../core/inference.ts";
import type { Json } from "../core/json.ts";
import { treeRoot } from "../core/merkle.ts";
import { observationDigest, type Observation } from "../core/observation.ts";
import type { Operation, Receipt } from "../core/operation.ts";
import { allDecisions, outputOf, type DecisionRow } from "../journal/decisions.ts";
import { verifyEntries } from "../journal/entries.ts";
import { leavesOf } from "../journal/leaves.ts";
import type { House } from "./house.ts";
import type { Thought } from "./steps/parse.ts";
import { inferenceFields, type Sealed } from "./steps/seal.ts";

/** What was found about one decision. `failures` is empty when everything that was checked holds. */
export type DecisionCheck = {
  readonly sequence: number;
  readonly leaf: Hex;
  readonly failures: readonly string[];
  /** Was its leaf found under a root on the chain? */
  readonly onChain: boolean;
  readonly inference: ReExecution["verdict"] | "not checked";
};

export type Verification = {
  readonly journalEntries: number;
  readonly decisions: readonly DecisionCheck[];
};

/** A tree root found on the chain: decisions with an index below `size` are under it. */
type ChainTree = { readonly size: number; readonly root: Hex };

/**
 * Checks every finished decision against the chain and the model: the journal's hash chain, the record against its
 * leaf, the record against what the steps handed on, the leaf against the roots on chain, the executed call against
 * the record, and the inference by running it again from its recorded prompt tokens.
 *
 * @throws JournalBrokenError when the journal itself does not hold
 */
export async function verifyDecisions(
  house: House,
  options: { readonly onChecked?: (check: DecisionCheck) => void; readonly signal?: AbortSignal } = {},
): Promise<Verification> {
  const { journal, agent } = house;
  const { entries } = verifyEntries(journal);
  const leaves = leavesOf(journal, agent.name);
  const finished = allDecisions(journal, agent.name).filter((decision) => decision.done);
  const trees = await treesOnChain(house, finished);
  const decisions: DecisionCheck[] = [];
  for (const decision of finished) {
    if (options.signal?.aborted) throw options.signal.reason;
    const check = await checkDecision(house, decision, leaves, trees, options.signal);
    decisions.push(check);
    options.onChecked?.(check);
  }
  return { journalEntries: entries, decisions };
}

/** Every root that the chain holds for this agent: committed by the account with an operation, or anchored from the purse. */
async function treesOnChain(house: House, decisions: readonly DecisionRow[]): Promise<readonly ChainTree[]> {
  const { account, chain, journal, policy, purse } = house;
  const decisionLog = await decisionLogOf(chain, account);
  const trees: ChainTree[] = [];
  for (const decision of decisions) {
    const receipt = receiptOf(house, decision);
    if (!receipt) continue;
    const committed = await committedTrees(chain, decisionLog, receipt.transaction, account, policy.agent);
    // Only what the account itself wrote: anybody may write to the log under any account's name.
    trees.push(...committed.filter((tree) => tree.writer === account));
  }
  if (purse) {
    const size = await anchoredSize(chain, purse.address, decisionLog, account, policy.agent);
    if (size > 0)
      trees.push({
        size,
        root: await anchoredRoot(chain, purse.address, decisionLog, { account, agent: policy.agent, size }),
      });
  }
  const leaves = leavesOf(journal, house.agent.name);
  return trees.filter(
    (tree) => tree.size <= leaves.length && treeRoot(leaves.slice(0, tree.size)) === tree.root,
  );
}

function receiptOf(
  { journal }: House,
  decision: DecisionRow,
): Extract<Receipt, { transaction: Hex }> | undefined {
  const receipt = (outputOf(journal, decision.id, "settle") as { receipt?: Receipt } | undefined)?.receipt;
  return receipt && receipt.outcome !== "expired" ? receipt : undefined;
}

async function checkDecision(
  house: House,
  decision: DecisionRow,
  leaves: readonly Hex[],
  trees: readonly ChainTree[],
  signal: AbortSignal | undefined,
): Promise<DecisionCheck> {
  const output = (step: string) => outputOf(house.journal, decision.id, step);
  const sealed = output("seal") as unknown as Sealed;
  const thought = output("infer") as unknown as Thought;
  const failures: string[] = [];
  const index = sealed.treeSize - 1;

  const resealed = sealDecision(sealed.fields, sealed.secret);
  if (resealed.leaf !== sealed.leaf) failures.push("The record does not hash to its leaf.");
  if (leaves[index] !== sealed.leaf) failures.push("The leaf is not at its place in the agent's tree.");
  const expected = expectedFields(output, thought);
  for (const [path, value] of Object.entries(expected))
    if (canonicalize(sealed.fields[path] ?? null) !== canonicalize(value))
      failures.push(`The record's ${path} is not what the journal holds.`);

  const onChain = trees.some((tree) => index < tree.size);
  if (!onChain) failures.push("The leaf is under no root on the chain.");
  const receipt = receiptOf(house, decision);
  if (receipt) failures.push(...(await executionFailures(house, sealed, receipt, output)));

  let verdict: DecisionCheck["inference"] = "not checked";
  if ("inference" in thought) {
    const again = await house.engine.reExecute(thought.inference, signal ? { signal } : {});
    verdict = again.verdict;
    if (again.verdict === "MISMATCH")
      failures.push(`The model writes something else at token ${again.firstDivergence.index}: ${again.why}`);
  }
  return { sequence: decision.position, leaf: sealed.leaf, failures, onChain, inference: verdict };
}

/** What the record has to say, recomputed from what the steps handed on. */
function expectedFields(output: (step: string) => Json | undefined, thought: Thought): RecordFields {
  const verdict = output("judge") as unknown as { kind: string; reasons: readonly { code: string }[] };
  return {
    "observation.digest": observationDigest(output("observe") as unknown as Observation),
    ...inferenceFields(thought),
    "decision.action": output("parse") ?? null,
    "decision.verdict": verdict.kind,
    "decision.reasons": verdict.reasons.map((reason) => reason.code),
  };
}

/** The operation on the chain has to carry the very calls and nonce that the record names, and commit this leaf last. */
async function executionFailures(
  house: House,
  sealed: Sealed,
  receipt: { readonly transaction: Hex },
  output: (step: string) => Json | undefined,
): Promise<readonly string[]> {
  const { account, chain, policy } = house;
  const failures: string[] = [];
  const { operation } = output("sign") as unknown as { operation: Operation };
  const [call] = sealed.fields["execution.calls"] as unknown as readonly {
    to: Address;
    valueWei: string;
    data: Hex;
  }[];
  if (
    !call ||
    encodeCall({ to: call.to, valueWei: BigInt(call.valueWei), data: call.data }).toLowerCase() !==
      operation.userOp.callData.toLowerCase()
  )
    failures.push("The operation carries another call than the record names.");
  if (hexToBigInt(sealed.fields["execution.nonce"] as Hex) !== hexToBigInt(operation.userOp.nonce))
    failures.push("The operation has another nonce than the record names.");
  const committed = await committedTrees(
    chain,
    await decisionLogOf(chain, account),
    receipt.transaction,
    account,
    policy.agent,
  );
  if (
    !committed.some(
      (tree) => tree.writer === account && tree.size === sealed.treeSize && tree.root === sealed.treeRoot,
    )
  )
    failures.push("The operation's transaction does not commit this decision as the tree's last leaf.");
  return failures;
}
