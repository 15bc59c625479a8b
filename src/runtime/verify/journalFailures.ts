import { isAddress, type Address, type Hex } from "viem";

import { fingerprintOf, storedTree } from "../../chain/anchor.ts";
import { canonicalize } from "../../core/canonical.ts";
import type { Entry } from "../../core/entry.ts";
import { sha256Hex } from "../../core/hash.ts";
import type { Json } from "../../core/json.ts";
import { treeRoot } from "../../core/merkle.ts";
import {
  decisionNumbers,
  decisionTables,
  missingDecisions,
  type DecisionRow,
} from "../../journal/decisions.ts";
import { leafRowsOf } from "../../journal/leaves.ts";
import { operationsIn } from "../../journal/operations.ts";
import { triggerRowsOf } from "../../journal/triggers.ts";
import type { House } from "../house.ts";
import { anchoredTrees, type ChainHistory, type ChainTree } from "./chainHistory.ts";

/** The journal as a whole, as it was read once. */
export type Book = {
  readonly decisions: readonly DecisionRow[];
  readonly leaves: readonly Hex[];
  /** This agent's entries. */
  readonly entries: readonly Entry[];
};

/** Does the journal hold every decision, whole, and does the chain know of no other? */
export async function journalFailures(
  house: House,
  book: Book,
  history: ChainHistory,
): Promise<readonly string[]> {
  return [
    ...decisionFailures(house, book),
    ...triggerFailures(house, book),
    ...leafFailures(house, book),
    ...entryFailures(book),
    ...chainFailures(house, book, history),
    ...(await anchorFailures(house, book, history)),
  ];
}

function decisionFailures({ agent, journal }: House, { decisions }: Book): readonly string[] {
  const failures: string[] = [];
  const all = decisionNumbers(journal);
  for (let position = 1; position <= (all.at(-1) ?? 0); position++)
    if (!all.includes(position)) failures.push(`Decision ${position} is missing from the journal.`);
  for (const { done, id, position, snapshot, triggerId } of decisions) {
    if (id !== sha256Hex(`${agent.name}\n${triggerId}`))
      failures.push(`Decision ${position} does not have the name that follows from its trigger.`);
    if (done !== (snapshot["status"] === "done"))
      failures.push(
        `Decision ${position} is ${done ? "" : "not "}marked as finished, and its machine says otherwise.`,
      );
  }
  for (const table of decisionTables)
    for (const id of missingDecisions(journal, table))
      failures.push(`The journal holds an ${table} of decision ${id}, which is missing.`);
  return failures;
}

function triggerFailures({ agent, journal }: House, { decisions, entries }: Book): readonly string[] {
  const failures: string[] = [];
  const byId = new Map(decisions.map((decision) => [decision.id, decision]));
  const triggers = triggerRowsOf(journal, agent.name);
  for (const row of triggers) {
    if (row.decision !== null && byId.get(row.decision)?.triggerId !== row.dedupe_id)
      failures.push(`The decision about "${row.label}" is missing from the journal.`);
  }
  const named = new Map(triggers.map((row) => [row.dedupe_id, row]));
  for (const { id, position, triggerId } of decisions)
    if (named.get(triggerId)?.decision !== id)
      failures.push(`Decision ${position} has no trigger that names it.`);

  const told = entries.filter((entry) => entry.kind === "trigger");
  for (const { body, sequence } of told) {
    const row = named.get(body["dedupeId"] as string);
    if (!row) failures.push(`The trigger of entry ${sequence} is missing from the journal.`);
    else if (row.kind !== body["kind"] || row.label !== body["label"])
      failures.push(`The trigger "${row.label}" is not what entry ${sequence} says.`);
  }
  for (const id of named.keys())
    if (told.filter((entry) => entry.body["dedupeId"] === id).length !== 1)
      failures.push(`The audit log does not tell of the trigger ${id} once.`);
  return failures;
}

function leafFailures({ agent, journal }: House, { decisions }: Book): readonly string[] {
  const failures: string[] = [];
  const finished = new Map(
    decisions.filter((decision) => decision.done).map((decision) => [decision.id, decision]),
  );
  const rows = leafRowsOf(journal, agent.name);
  let last = 0;
  for (const [index, row] of rows.entries()) {
    if (row.position !== index) failures.push(`Leaf ${index} is missing from the agent's tree.`);
    const decision = finished.get(row.decision);
    finished.delete(row.decision);
    if (!decision) failures.push(`Leaf ${index} has no finished decision.`);
    else if (decision.position < last) failures.push(`Leaf ${index} is out of order.`);
    last = decision?.position ?? last;
  }
  for (const { position } of finished.values()) failures.push(`Decision ${position} has no leaf of its own.`);
  return failures;
}

/** Lines about a decision that is not there, or that is not over although they say so. */
function entryFailures({ decisions, entries }: Book): readonly string[] {
  const byId = new Map(decisions.map((decision) => [decision.id, decision]));
  const failures: string[] = [];
  for (const { body, kind, sequence } of entries) {
    const id: Json | undefined = body["decision"];
    if (id === undefined) continue;
    const decision = byId.get(id as string);
    if (!decision) failures.push(`Entry ${sequence} (${kind}) tells of a decision that is missing.`);
    else if (kind === "recorded" && !decision.done)
      failures.push(`Entry ${sequence} records decision ${decision.position}, which is not finished.`);
  }
  return failures;
}

/** What the chain has seen of the agent and the journal does not have. */
function chainFailures({ journal }: House, book: Book, history: ChainHistory): readonly string[] {
  const failures: string[] = [];
  const finished = new Set(book.decisions.filter((decision) => decision.done).map((decision) => decision.id));
  const known = new Set<string>(
    operationsIn(journal)
      .filter(({ decision }) => finished.has(decision))
      .map(({ user_op_hash }) => user_op_hash),
  );
  for (const [userOpHash, { transaction }] of history.operations)
    if (!known.has(userOpHash))
      failures.push(
        `Transaction ${transaction} executed an operation of the agent that no decision tells of.`,
      );
  const sizes = new Set<number>();
  for (const tree of history.committed) {
    if (sizes.has(tree.size)) failures.push(`The chain holds two commitments of ${tree.size} decisions.`);
    sizes.add(tree.size);
  }
  return [
    ...failures,
    ...history.committed.flatMap((tree) => treeFailures("committed", tree, book.leaves)),
    ...history.anchored.flatMap((tree) => treeFailures("anchored", tree, book.leaves)),
  ];
}

/** A root on the chain that contradicts the journal. */
function treeFailures(what: string, { root, size }: ChainTree, leaves: readonly Hex[]): readonly string[] {
  if (size > leaves.length)
    return [`The chain has ${size} decisions ${what}, and the journal holds ${leaves.length}.`];
  return treeHolds({ root, size }, leaves)
    ? []
    : [`The root ${what} on the chain for ${size} decisions is not the journal's.`];
}

export const treeHolds = ({ root, size }: ChainTree, leaves: readonly Hex[]): boolean =>
  size > 0 && size <= leaves.length && treeRoot(leaves.slice(0, size)) === root;

/** What the audit log says was anchored has to be on the chain, and to be the journal's. */
async function anchorFailures(
  house: House,
  { entries, leaves }: Book,
  { decisionLog }: ChainHistory,
): Promise<readonly string[]> {
  const told = entries.filter(({ kind }) => kind === "anchored");
  // The purse is looked at in any case, and purses that came before it when the log names them.
  const writers = new Set([house.purse?.address, ...told.map(({ body }) => body["writer"])].map(lowerCased));
  const failures: string[] = [];
  const anchored = new Map<string, readonly ChainTree[]>();
  for (const writer of writers) {
    if (!isAddress(writer)) continue;
    const trees = await anchoredTrees(house, decisionLog, writer);
    anchored.set(writer, trees);
    failures.push(...(await storedFailures(house, decisionLog, writer, trees.at(-1))));
  }
  for (const { body, sequence } of told) {
    const tree = { size: Number(body["size"]), root: body["root"] as Hex };
    const trees = anchored.get(lowerCased(body["writer"])) ?? [];
    if (!trees.some(({ root, size }) => size === tree.size && root === tree.root))
      failures.push(`The root that entry ${sequence} says was anchored is not on the chain.`);
    if (!treeHolds(tree, leaves))
      failures.push(`Entry ${sequence} anchors ${canonicalize(tree)}, which is not the journal's tree.`);
  }
  return failures;
}

const lowerCased = (value: Json | undefined): string =>
  typeof value === "string" ? value.toLowerCase() : "";

/** The events end with the tree that is stored, or the RPC holds some of them back. */
async function storedFailures(
  { account, chain, policy }: House,
  decisionLog: Address,
  writer: Address,
  newest: ChainTree | undefined,
): Promise<readonly string[]> {
  const { fingerprint, size } = await storedTree(chain, writer, decisionLog, account, policy.agent);
  const same = newest
    ? newest.size === size && fingerprintOf(newest.size, newest.root) === fingerprint
    : size === 0;
  return same
    ? []
    : [
        `The chain stores a tree of ${size} decisions anchored by ${writer}, and its events end with another.`,
      ];
}
