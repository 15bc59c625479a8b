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
    .limit(1),
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

/** Appends a leaf; size and root of the tree that ends with it. Call it inside `atomically`. */
export function addLeaf(
  database: JournalDatabase,
  agent: string,
  decision: string,
  leaf: Hex,
): { readonly size: number; readonly root: Hex } {
  const frontier = leavesOf(database, agent).reduce<Frontier>(appendLeaf, emptyFrontier);
  database.run(insertLeaf({ agent, position: frontier.size, decision, leaf }));
  const grown = appendLeaf(frontier, leaf);
  return { size: grown.size, root: frontierRoot(grown) };
}
