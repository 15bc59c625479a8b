import {
  encodeFunctionData,
  keccak256,
  numberToHex,
  concatHex,
  sliceHex,
  type Address,
  type Hex,
} from "viem";
import type { PrivateKeyAccount } from "viem/accounts";

import { decisionLogAbi } from "./abi/decisionLog.ts";
import { ask, type Chain } from "./connectChain.ts";
import { broadcastTransaction } from "./deploy.ts";

/** One decision tree: whose, how many leaves, and the root over them. */
export type AnchoredTree = {
  readonly account: Address;
  readonly agent: Address;
  readonly size: number;
  readonly root: Hex;
};

/**
 * Stores a tree in the DecisionLog by a plain transaction, so that decisions not to act are on the chain too. It takes the
 * place of the smaller one before; the event keeps the root of each. Keyed by its sender: it says that the sender published the tree at that time, and takes nothing from the account.
 */
export function sendAnchor(
  chain: Chain,
  sender: PrivateKeyAccount,
  decisionLog: Address,
  tree: AnchoredTree,
): Promise<Hex> {
  return broadcastTransaction(chain, sender, {
    to: decisionLog,
    data: encodeFunctionData({
      abi: decisionLogAbi,
      functionName: "anchor",
      args: [tree.account, tree.agent, BigInt(tree.size), tree.root],
    }),
  });
}

/** What the DecisionLog stores of a tree: `size` counts leaves, zero when nothing was anchored. */
export type StoredTree = { readonly size: number; readonly fingerprint: Hex };

/** Twin of `fingerprintOf` in `contracts/libraries/DecisionTree.sol`: the first 28 bytes of keccak256(size ‖ root). */
export const fingerprintOf = (size: number, root: Hex): Hex =>
  sliceHex(keccak256(concatHex([numberToHex(size, { size: 32 }), root])), 0, 28);

/** The tree that `writer` anchored last. */
export async function storedTree(
  chain: Chain,
  writer: Address,
  decisionLog: Address,
  account: Address,
  agent: Address,
): Promise<StoredTree> {
  const [size, fingerprint] = await ask(chain, () =>
    chain.client.readContract({
      address: decisionLog,
      abi: decisionLogAbi,
      functionName: "treeOf",
      args: [writer, account, agent],
    }),
  );
  return { size: Number(size), fingerprint };
}
