import { hashTypedData, isAddressEqual, keccak256, type Address, type Hex } from "viem";

import { approvalTypedData } from "../chain/checkApproval.ts";
import { compactSignature } from "../chain/compactSignature.ts";
import { openKeystore } from "../chain/keystore.ts";
import { encodeCalls } from "../chain/signOperation.ts";
import type { Ask } from "../core/approval.ts";
import { BaseError } from "../core/errors.ts";
import { passwordFor, type AskPassword } from "./password.ts";
import { approvalNameOf } from "./takeAnswer.ts";

/** A key that can't say yes to an ask, or an ask that contradicts itself. */
export class ApproverError extends BaseError {
  override readonly name = "ApproverError";
}

/** An approver's key, for one ask. */
export type ApproverKey = { readonly address: Address; sign(): Promise<Hex> };

/**
 * What an approver's wallet is given (eth_signTypedData_v4, numbers as decimal text), and the hash that it shows.
 *
 * @throws ApproverError
 */
export function signable(ask: Ask, approver: Address): { readonly digest: Hex; readonly typedData: unknown } {
  requireSameCalls(ask);
  const data = approvalTypedData(approvalNameOf(ask, approver));
  const plain = JSON.stringify(data, (_, value: unknown) =>
    typeof value === "bigint" ? value.toString() : value,
  );
  return { digest: hashTypedData(data), typedData: JSON.parse(plain) as unknown };
}

/** What is signed is what is shown: the journal that holds both is the agent's. */
function requireSameCalls(ask: Ask): void {
  const calls = ask.calls.map((call) => ({ ...call, valueWei: BigInt(call.valueWei) }));
  if (keccak256(encodeCalls(calls)) !== ask.callHash)
    throw new ApproverError("The ask names other calls than it wants a signature for.", {
      remedy: "Don't sign it: the journal was changed from outside.",
      facts: { ask: ask.leaf },
    });
}

/**
 * Opens the key of somebody who was asked. The calls are hashed here again: what is signed is what was shown.
 *
 * @throws ApproverError · what `openKeystore` throws
 */
export async function openApprover(
  where: { readonly keystore: string; readonly passwordFile?: string | undefined },
  ask: Ask,
  askPassword: AskPassword,
): Promise<ApproverKey> {
  requireSameCalls(ask);
  const signer = await openKeystore(where.keystore, await passwordFor(where, askPassword));
  if (!ask.approvers.some(({ address }) => isAddressEqual(address, signer.address)))
    throw new ApproverError(`${signer.address} is not asked.`, {
      remedy: `Use the key of one who is: ${ask.approvers.map(({ name }) => name).join(", ")}.`,
    });
  return {
    address: signer.address,
    sign: async () =>
      compactSignature(await signer.signTypedData(approvalTypedData(approvalNameOf(ask, signer.address)))),
  };
}
