import type { Address, Hex } from "viem";

import { approvalHash } from "../policy/meter.ts";
import { isDeployed } from "./isDeployed.ts";
import { agentAccountAbi } from "./abi/agentAccount.ts";
import { ask, type Chain } from "./connectChain.ts";

/** What an account has on record of an approval. */
export type ApprovalState = "none" | "recorded" | "used";

const states = ["none", "recorded", "used"] as const;

/** One approval by what identifies it: EIP-712 `Approval`. */
export type ApprovalName = {
  readonly approver: Address;
  readonly policyId: Hex;
  readonly callHash: Hex;
  readonly nonce: bigint;
  readonly deadline: bigint;
};

/** @param blockNumber at which block; the newest without */
export async function readApproval(
  chain: Chain,
  account: Address,
  name: ApprovalName,
  blockNumber?: bigint,
): Promise<ApprovalState> {
  // One that its agent's first operation is to make has nothing on record.
  if (!(await isDeployed(chain, account, blockNumber))) return "none";
  const state = await ask(chain, () =>
    chain.client.readContract({
      address: account,
      abi: agentAccountAbi,
      functionName: "approvalState",
      args: [approvalHash(name, name.policyId, name.callHash)],
      ...(blockNumber === undefined ? {} : { blockNumber }),
    }),
  );
  return states[Number(state)] ?? "used";
}
