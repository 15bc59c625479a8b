import type { Hex } from "viem";

import { appendLeaf, emptyFrontier, frontierRoot, type Frontier } from "../core/merkle.ts";
import type { JournalDatabase } from "./openJournal.ts";

/** The leaf before the first: an agent's tree starts from here. */
export const noLeaf: Hex = `0x${"00".repeat(32)}`;

/** Leaves of an agent's decision tree, in order. */
export function leavesOf(database: JournalDatabase, agent: string): readonly Hex[] {
  return database
    .all("select leaf from leaf where agent = ? order by position", agent)
    .map((row) => row["leaf"] as Hex);
}

/** Index of the next decision in the agent's tree, and the leaf that it has to name. */
export function nextLeaf(
  database: JournalDatabase,
  agent: string,
): { readonly index: number; readonly previous: Hex } {
  const last = database.get(
    "select position, leaf from leaf where agent = ? order by position desc limit 1",
    agent,
  );
  return last
    ? { index: Number(last["position"]) + 1, previous: last["leaf"] as Hex }
    : { index: 0, previous: noLeaf };
}

/** Appends a leaf; size and root of the tree that ends with it. Call it inside `atomically`. */
export function addLeaf(
  database: JournalDatabase,
  agent: string,
  decision: string,
  leaf: Hex,
): { readonly size: number; readonly root: Hex } {
  const frontier = leavesOf(database, agent).reduce<Frontier>(appendLeaf, emptyFrontier);
  database.run("insert into leaf values (?, ?, ?, ?)", agent, frontier.size, decision, leaf);
  const grown = appendLeaf(frontier, leaf);
  return { size: grown.size, root: frontierRoot(grown) };
}
