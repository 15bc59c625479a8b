import type { Address } from "viem";

import { ask, type Chain } from "../connectChain.ts";
import {
  checkValidation,
  codeReached,
  type ValidationFrame,
  type ValidationParties,
  type Violation,
} from "./erc7562.ts";

/**
 * `checkValidation`, with the node's word on which addresses have code. Asked each time: what an account delegates to (EIP-7702) may go.
 *
 * @throws RpcUnreachableError
 */
export async function checkTrace(
  chain: Chain,
  trace: ValidationFrame,
  parties: ValidationParties,
): Promise<readonly Violation[]> {
  const reached = [...codeReached(trace, parties)];
  const codes = await Promise.all(
    reached.map((address) => ask(chain, () => chain.client.getCode({ address: address as Address }))),
  );
  const codeless = new Set(reached.filter((_, index) => codes[index] === undefined));
  return checkValidation(trace, { ...parties, codeless });
}
