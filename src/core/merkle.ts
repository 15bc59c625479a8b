import type { Hex } from "viem";

import { BaseError } from "./errors.ts";
import { isHash, sha256Concat } from "./hash.ts";

const NODE = new Uint8Array([1]);

/** An index or size that the tree does not have. */
export class TreeRangeError extends BaseError {
  override readonly name = "TreeRangeError";
  constructor(index: number, size: number) {
    super(`Leaf ${index} is not in a tree of ${size} leaves.`, { facts: { index, size } });
  }
}

/** Largest power of two smaller than n (n ≥ 2): where RFC 9162 §2.1.1 splits. */
function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/**
 * Root of an RFC 9162 §2.1.1 tree (sha256) over leaf hashes. The leaf prefix 0x00 is already inside a leaf hash;
 * nodes are sha256(0x01 ‖ left ‖ right). The empty tree has sha256("") as its root.
 */
export function treeRoot(leaves: readonly Hex[]): Hex {
  if (leaves.length === 0) return sha256Concat();
  if (leaves.length === 1) return leaves[0]!;
  const k = split(leaves.length);
  return sha256Concat(NODE, treeRoot(leaves.slice(0, k)), treeRoot(leaves.slice(k)));
}

/** RFC 9162 §2.1.3.1: the sibling hashes from the leaf to the root. */
export function inclusionProof(leaves: readonly Hex[], index: number): readonly Hex[] {
  if (!Number.isInteger(index) || index < 0 || index >= leaves.length)
    throw new TreeRangeError(index, leaves.length);
  if (leaves.length === 1) return [];
  const k = split(leaves.length);
  return index < k
    ? [...inclusionProof(leaves.slice(0, k), index), treeRoot(leaves.slice(k))]
    : [...inclusionProof(leaves.slice(k), index - k), treeRoot(leaves.slice(0, k))];
}

/** RFC 9162 §2.1.3.2: does the proof lead from the leaf to the root of a tree of `size` leaves? */
export function verifyInclusion(input: {
  readonly leaf: Hex;
  readonly index: number;
  readonly size: number;
  readonly proof: readonly Hex[];
  readonly root: Hex;
}): boolean {
  const { leaf, index, size, proof, root } = input;
  if (!Number.isInteger(index) || index < 0 || index >= size) return false;
  let first = index;
  let last = size - 1;
  let hash = leaf;
  for (const sibling of proof) {
    // What a stranger calls a hash may be anything.
    if (last === 0 || !isHash(sibling)) return false;
    if (first % 2 === 1 || first === last) {
      hash = sha256Concat(NODE, sibling, hash);
      while (first % 2 === 0 && first !== 0) {
        first = Math.floor(first / 2);
        last = Math.floor(last / 2);
      }
    } else hash = sha256Concat(NODE, hash, sibling);
    first = Math.floor(first / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && hash === root;
}

/**
 * The right edge of a growing tree: enough to append and to know the root in O(log n), so that a long-lived agent
 * does not rehash its past for every decision. Perfect subtrees from left to right, largest first.
 */
export type Frontier = { readonly size: number; readonly peaks: readonly Hex[] };

export const emptyFrontier: Frontier = { size: 0, peaks: [] };

export function appendLeaf(frontier: Frontier, leaf: Hex): Frontier {
  const peaks = [...frontier.peaks];
  let node = leaf;
  // Each trailing one-bit of the size is a perfect subtree as large as the new one: merge them.
  for (let size = frontier.size; size % 2 === 1; size = Math.floor(size / 2))
    node = sha256Concat(NODE, peaks.pop()!, node);
  peaks.push(node);
  return { size: frontier.size + 1, peaks };
}

export function frontierRoot(frontier: Frontier): Hex {
  if (frontier.peaks.length === 0) return treeRoot([]);
  return frontier.peaks.reduceRight((right, left) => sha256Concat(NODE, left, right));
}
