import { pad, type Address, type Hex } from "viem";

import { rootFrom, setProof, setTree } from "./setTree.ts";

/** The tree of allowed payees, or of approvers: twin of `contracts/libraries/PayeeTree.sol`. */
export type PayeeTree = { readonly root: Hex; readonly payees: readonly Address[] };

/** A leaf is the address padded to 32 bytes. */
const leafOf = (payee: string): Hex => pad(payee.toLowerCase() as Hex);

/** Merkle tree over distinct addresses, sorted here: the same set always has the same root. */
export function payeeTree(payees: readonly Address[]): PayeeTree {
  if (payees.length === 0) throw new RangeError("A payee tree needs at least one payee.");
  const { root, leaves } = setTree(payees.map(leafOf));
  return { root, payees: leaves.map((leaf): Address => `0x${leaf.slice(-40)}`) };
}

/** Sibling hashes from the payee to the root; undefined when the payee is not in the tree. */
export const payeeProof = (tree: PayeeTree, payee: Address): readonly Hex[] | undefined =>
  setProof(tree.payees.map(leafOf), leafOf(payee));

/** The root that a path leads to from a payee: twin of `PayeeTree.rootFrom`. */
export const payeeRoot = (payee: Address, path: readonly Hex[]): Hex => rootFrom(leafOf(payee), path);
