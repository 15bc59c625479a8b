import { sql } from "kysely";
import type { Hex } from "viem";

import { appendLeaf, emptyFrontier, frontierRoot, type Frontier } from "../core/merkle.ts";
import type { JournalDatabase } from "./openJournal.ts";
import { query } from "./query.ts";
import type { Tables } from "./tables.ts";

/** The leaf before the first: an agent's tree starts from here. */
export const noLeaf: Hex = `0x${"00".repeat(32)}`;

type OfAgent = { readonly agent: string };
const leavesInOrder = query((tables, { agent }: OfAgent) =>
  tables
    .selectFrom("leaf")
    .select(["position", "decision", "leaf"])
    .where("agent", "=", agent)
    .orderBy("position"),
);
const lastLeaf = query((tables, { agent }: OfAgent) =>
  tables
    .selectFrom("leaf")
    .select(["position", "leaf"])
    .where("agent", "=", agent)
    .orderBy("position", "desc")
    .limit(sql.lit(1)),
);
const insertLeaf = query((tables, row: Tables["leaf"]) => tables.insertInto("leaf").values(row));

/** An agent's decision tree as the journal holds it, in order: each leaf, its place, and the decision that it is said to be of. */
export const leafRowsOf = (
  database: Pick<JournalDatabase, "all">,
  agent: string,
): readonly Omit<Tables["leaf"], "agent">[] => database.all(leavesInOrder({ agent }));

/** Leaves of an agent's decision tree, in order. */
export const leavesOf = (database: Pick<JournalDatabase, "all">, agent: string): readonly Hex[] =>
  leafRowsOf(database, agent).map(({ leaf }) => leaf);

/** Index of the next decision in the agent's tree, and the leaf that it has to name. */
export function nextLeaf(
  database: JournalDatabase,
  agent: string,
): { readonly index: number; readonly previous: Hex } {
  const last = database.get(lastLeaf({ agent }));
  return last ? { index: last.position + 1, previous: last.leaf } : { index: 0, previous: noLeaf };
}

/** The right edge of an agent's tree, and the leaf that it ends with. */
type Edge = { readonly frontier: Frontier; readonly last: Hex };

/** Edges by agent, of each open journal. In memory only: what follows from the leaves is stored nowhere, where it could differ. */
const edges = new WeakMap<object, Map<string, Edge>>();

/**
 * The right edge of an agent's tree. All leaves are read the first time; then only the newest one, which tells whether the edge in
 * memory still is the tree's: a transaction that was undone leaves one behind that is not.
 */
function edgeOf(database: JournalDatabase, agent: string): Frontier {
  const { index: size, previous } = nextLeaf(database, agent);
  const known = edges.get(database)?.get(agent);
  if (known && known.frontier.size === size && known.last === previous) return known.frontier;
  return leavesOf(database, agent).reduce<Frontier>(appendLeaf, emptyFrontier);
}

/** Size and root of an agent's decision tree. */
export function treeOf(
  database: JournalDatabase,
  agent: string,
): { readonly size: number; readonly root: Hex } {
  const edge = edgeOf(database, agent);
  return { size: edge.size, root: frontierRoot(edge) };
}

/** Appends a leaf; size and root of the tree that ends with it. Call it inside `atomically`. */
export function addLeaf(
  database: JournalDatabase,
  agent: string,
  decision: string,
  leaf: Hex,
): { readonly size: number; readonly root: Hex } {
  const before = edgeOf(database, agent);
  database.run(insertLeaf({ agent, position: before.size, decision, leaf }));
  const frontier = appendLeaf(before, leaf);
  let ofJournal = edges.get(database);
  if (!ofJournal) edges.set(database, (ofJournal = new Map<string, Edge>()));
  ofJournal.set(agent, { frontier, last: leaf });
  return { size: frontier.size, root: frontierRoot(frontier) };
}
