import type { Hex } from "viem";

import { ask, requireChainId, type Chain } from "./connectChain.ts";
import { ChainReplacedError, WitnessError } from "./errors.ts";
import type { OperationStatus } from "./findReceipt.ts";

/** A block that was final when an operation was signed: what tells its chain from every other. `hash`: null when none was kept. */
export type Mark = { readonly number: bigint; readonly hash: Hex | null };

/**
 * Makes sure that a node still serves the chain on which something was signed. The id alone does not say so: forks, test chains and
 * nodes that were set up anew share it.
 *
 * @throws WrongChainError · ChainReplacedError · RpcUnreachableError
 */
export async function requireSameChain(chain: Chain, { hash, number }: Mark): Promise<void> {
  await requireChainId(chain);
  if (hash === null) return;
  const block = await ask(chain, () => chain.client.getBlock({ blockNumber: number }).catch(missing));
  if (block?.hash === hash) return;
  throw new ChainReplacedError(chain.url, { number, hash, now: block?.hash ?? "no such block" });
}

function missing(error: unknown): undefined {
  if (error instanceof Error && error.name === "BlockNotFoundError") return undefined;
  throw error;
}

/**
 * Makes sure of what a decision's end rests on: every witness comes to the same end and, where nothing was executed, all of them still
 * serve the same chain. Before that nothing is settled, and above all nothing is given up: the same payment must not be decided again
 * while somebody has seen it.
 *
 * @throws WitnessError · WrongChainError · ChainReplacedError · RpcUnreachableError
 */
export async function requireAgreement(
  chain: Chain,
  mark: Mark,
  ours: OperationStatus,
  look: (witness: Chain) => Promise<OperationStatus>,
): Promise<void> {
  // What was executed says by its own hash on which chain; what is missing is missing on many.
  const known: Mark = ours.landed ? { number: mark.number, hash: null } : mark;
  await requireSameChain(chain, known);
  for (const witness of chain.witnesses) {
    await requireSameChain(witness, known);
    const { landed, recovery } = await look(witness);
    if (recovery.act !== ours.recovery.act) throw new WitnessError(witness.url, recovery.row);
    if (landed?.receipt.blockHash !== ours.landed?.receipt.blockHash)
      throw new WitnessError(witness.url, "executed in another block");
    // A block's hash does not say what a node tells of the block: a payment that is called reverted would be made again.
    if (landed?.receipt.outcome !== ours.landed?.receipt.outcome)
      throw new WitnessError(witness.url, recovery.row);
  }
}
