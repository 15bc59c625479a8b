import { encodeFunctionData, type Address, type Hex } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";

import { decisionLogAbi } from "./abi/decisionLog.ts";
import { ask, type Chain } from "./connectChain.ts";
import { sendTransaction } from "./deploy.ts";

/** One decision tree: whose, how many leaves, and the root over them. */
export type AnchoredTree = {
  readonly account: Address;
  readonly agent: Address;
  readonly size: number;
  readonly root: Hex;
};

/**
 * Stores a tree's root in the DecisionLog by a plain transaction, so that decisions not to act are on the chain too.
 * Keyed by its sender: it says that the sender published the tree at that time, and takes nothing from the account.
 */
export function anchorTree(
  chain: Chain,
  sender: PrivateKeyAccount,
  decisionLog: Address,
  tree: AnchoredTree,
): Promise<Hex> {
  return sendTransaction(chain, sender, {
    to: decisionLog,
    data: encodeFunctionData({
      abi: decisionLogAbi,
      functionName: "anchor",
      args: [tree.account, tree.agent, BigInt(tree.size), tree.root],
    }),
  });
}

/** The root that `writer` anchored for a tree of this size; zero when it did not. */
export function anchoredRoot(
  chain: Chain,
  writer: Address,
  decisionLog: Address,
  tree: Omit<AnchoredTree, "root">,
): Promise<Hex> {
  return ask(chain, () =>
    chain.client.readContract({
      address: decisionLog,
      abi: decisionLogAbi,
      functionName: "rootOf",
      args: [writer, tree.account, tree.agent, BigInt(tree.size)],
    }),
  );
}

/** Size of the tree that `writer` anchored last. Leaves. */
export async function anchoredSize(
  chain: Chain,
  writer: Address,
  decisionLog: Address,
  account: Address,
  agent: Address,
): Promise<number> {
  return Number(
    await ask(chain, () =>
      chain.client.readContract({
        address: decisionLog,
        abi: decisionLogAbi,
        functionName: "sizeOf",
        args: [writer, account, agent],
      }),
    ),
  );
}
