import {
  hexToBigInt,
  isAddressEqual,
  parseSignature,
  recoverTypedDataAddress,
  size,
  sliceHex,
  type Address,
  type Hex,
} from "viem";

import { accountDomain, approvalTypes } from "../policy/grant.ts";
import { compactSignature } from "./compactSignature.ts";
import { highestS } from "./lowSignature.ts";
import type { ApprovalName } from "./readApproval.ts";

/** An `Approval` of one account, named by the hash of its calls. */
export type NamedApproval = ApprovalName & { readonly chainId: number; readonly account: Address };

/** EIP-712 typed data of an `Approval`, for any wallet. */
export const approvalTypedData = ({ account, chainId, ...message }: NamedApproval) => {
  const { approver, callHash, deadline, nonce, policyId } = message;
  return {
    domain: accountDomain(chainId, account),
    types: approvalTypes,
    primaryType: "Approval",
    message: { approver, policyId, callHash, nonce, deadline },
  } as const;
};

/**
 * A wallet's 65 bytes, or 64 (EIP-2098), in the form that the account takes, if a key made them for this approval.
 *
 * @returns 64 bytes; undefined when the approver's key did not sign this, or not in the one form that a signature has
 */
export async function signedApproval(name: NamedApproval, signature: Hex): Promise<Hex | undefined> {
  const compact = compactOf(signature);
  if (compact === undefined) return undefined;
  try {
    const signer = await recoverTypedDataAddress({
      ...approvalTypedData(name),
      signature: uncompacted(compact),
    });
    return isAddressEqual(signer, name.approver) ? compact : undefined;
  } catch {
    return undefined;
  }
}

function compactOf(signature: Hex): Hex | undefined {
  try {
    if (size(signature) === 64) return signature.toLowerCase() as Hex;
    if (size(signature) !== 65 || hexToBigInt(parseSignature(signature).s) > highestS) return undefined;
    return compactSignature(signature);
  } catch {
    return undefined;
  }
}

/** r, yParity and s → r, s, v. */
function uncompacted(compact: Hex): Hex {
  const word = hexToBigInt(sliceHex(compact, 32, 64));
  const s = word & ((1n << 255n) - 1n);
  const v = word >> 255n === 0n ? "1b" : "1c";
  return `${sliceHex(compact, 0, 32)}${s.toString(16).padStart(64, "0")}${v}`;
}
