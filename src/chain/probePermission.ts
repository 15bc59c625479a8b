import { encodeFunctionData, zeroHash } from "viem";

import type { Permission } from "../policy/permission.ts";
import { ask, type Chain } from "./connectChain.ts";
import { decodeRefusal, revertDataOf } from "./decodeRefusal.ts";
import { delegationManagerAbi, transferExecution } from "./delegationFramework.ts";
import { RpcUnreachableError, type Refusal } from "./errors.ts";

/** What strangers' code may take before it counts as a refusal, in gas; a whole payment takes less than a twentieth of it. */
const mostGas = 10_000_000n;

/**
 * Asks a block's state, the newest unless told otherwise, without changing it, whether a permission's manager would let its spender move an amount: what the chain says of
 * the wallet's bytes, the signature in them included. The spender need not be there yet.
 *
 * @param amountUnits base units, moved to the spender itself
 * @returns why not; undefined where it would
 * @throws RpcUnreachableError
 */
export async function probePermission(
  chain: Chain,
  { context, manager, spender, token }: Permission,
  amountUnits: bigint,
  blockNumber?: bigint,
): Promise<Refusal | undefined> {
  const execution = transferExecution(token, spender, amountUnits);
  const data = encodeFunctionData({
    abi: delegationManagerAbi,
    functionName: "redeemDelegations",
    args: [[context], [zeroHash], [execution]],
  });
  try {
    await ask(chain, () =>
      chain.client.call({
        account: spender,
        to: manager,
        data,
        gas: mostGas,
        ...(blockNumber === undefined ? {} : { blockNumber }),
      }),
    );
    return undefined;
  } catch (error) {
    if (error instanceof RpcUnreachableError) throw error;
    return decodeRefusal(revertDataOf(error) ?? "0x");
  }
}
