import { concatHex, keccak256, pad, type Address, type Hex } from "viem";

const hashPair = (a: Hex, b: Hex): Hex =>
  keccak256(BigInt(a) < BigInt(b) ? concatHex([a, b]) : concatHex([b, a]));

/** The tree of allowed payees: twin of the proof check in `contracts/libraries/SpendPolicy.sol`. */
export type PayeeTree = { readonly root: Hex; readonly payees: readonly Address[] };

/** Levels from the leaves up. Leaves are addresses padded to 32 bytes, in ascending order; an odd node moves up unchanged. */
function levels(payees: readonly Address[]): readonly (readonly Hex[])[] {
  const all: Hex[][] = [payees.map((payee) => pad(payee.toLowerCase() as Hex))];
  while (all.at(-1)!.length > 1) {
    const below = all.at(-1)!;
    const above: Hex[] = [];
    for (let i = 0; i < below.length; i += 2)
      above.push(i + 1 < below.length ? hashPair(below[i]!, below[i + 1]!) : below[i]!);
    all.push(above);
  }
  return all;
}

/** Merkle tree over distinct addresses, sorted here: the same set always has the same root. */
export function payeeTree(payees: readonly Address[]): PayeeTree {
  const sorted = [...new Set(payees.map((payee) => payee.toLowerCase()))].sort((a, b) =>
    a < b ? -1 : 1,
  ) as Address[];
  if (sorted.length === 0) throw new RangeError("A payee tree needs at least one payee.");
  return { root: levels(sorted).at(-1)![0]!, payees: sorted };
}

/** Sibling hashes from the payee to the root; undefined when the payee is not in the tree. */
export function payeeProof(tree: PayeeTree, payee: Address): readonly Hex[] | undefined {
  let index = tree.payees.indexOf(payee.toLowerCase() as Address);
  if (index < 0) return undefined;
  const proof: Hex[] = [];
  for (const level of levels(tree.payees).slice(0, -1)) {
    const sibling = level[index ^ 1];
    if (sibling) proof.push(sibling);
    index >>= 1;
  }
  return proof;
}
