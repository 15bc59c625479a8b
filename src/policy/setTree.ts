import { concatHex, keccak256, type Hex } from "viem";

const hashPair = (a: Hex, b: Hex): Hex =>
  keccak256(BigInt(a) < BigInt(b) ? concatHex([a, b]) : concatHex([b, a]));

/** Levels from the leaves up; an odd node moves up unchanged. */
function levels(leaves: readonly Hex[]): readonly (readonly Hex[])[] {
  const all: (readonly Hex[])[] = [leaves];
  while (all.at(-1)!.length > 1) {
    const below = all.at(-1)!;
    const above: Hex[] = [];
    for (let i = 0; i < below.length; i += 2)
      above.push(i + 1 < below.length ? hashPair(below[i]!, below[i + 1]!) : below[i]!);
    all.push(above);
  }
  return all;
}

/**
 * Merkle tree over a set of 32-byte leaves, in lower case: twin of the proof check in `contracts/libraries/PayeeTree.sol`.
 * Leaves are distinct and ascending and pairs are sorted, so the same set always has the same root.
 */
export type SetTree = { readonly root: Hex; readonly leaves: readonly Hex[] };

export function setTree(leaves: readonly Hex[]): SetTree {
  const sorted = [...new Set(leaves)].sort((a, b) => (a < b ? -1 : 1));
  if (sorted.length === 0) throw new RangeError("A tree needs at least one leaf.");
  return { root: levels(sorted).at(-1)![0]!, leaves: sorted };
}

/** Sibling hashes from the leaf to the root; undefined when the leaf is not in the tree. */
export function setProof(leaves: readonly Hex[], leaf: Hex): readonly Hex[] | undefined {
  let index = leaves.indexOf(leaf);
  if (index < 0) return undefined;
  const proof: Hex[] = [];
  for (const level of levels(leaves).slice(0, -1)) {
    const sibling = level[index ^ 1];
    if (sibling) proof.push(sibling);
    index >>= 1;
  }
  return proof;
}

/** Twin of OpenZeppelin's `MerkleProof.processProof`: the root that a path leads to from a leaf. */
export const rootFrom = (leaf: Hex, path: readonly Hex[]): Hex => path.reduce(hashPair, leaf);
