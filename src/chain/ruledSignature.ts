import {
  concatHex,
  encodeAbiParameters,
  keccak256,
  numberToHex,
  zeroAddress,
  type Address,
  type Hex,
} from "viem";
import type { PrivateKeyAccount } from "viem/accounts";

import { grantTypes, type Grant } from "../policy/grant.ts";
import type { CallProof } from "../policy/proveCalls.ts";
import { approvalTypedData } from "./checkApproval.ts";
import { compactSignature } from "./compactSignature.ts";
import type { Commitment } from "./signOperation.ts";

/** A co-signature that lifts one operation above the cap per call: twin of `Approval` in contracts/interfaces/ISpendPolicy.sol. */
export type Approval = {
  /** Zero: nobody co-signs. */
  readonly approver: Address;
  /** Sibling hashes from the approver to `Extras.approvers`. */
  readonly path: readonly Hex[];
  /** Two approvals of the same calls need different ones. */
  readonly nonce: bigint;
  /** Last second at which the operation may run, unix time, inclusive. */
  readonly deadline: bigint;
  /** 64 bytes (EIP-2098), or empty when the approval was recorded on the account before. */
  readonly signature: Hex;
};

export const noApproval: Approval = Object.freeze({
  approver: zeroAddress,
  path: [],
  nonce: 0n,
  deadline: 0n,
  signature: "0x",
});

/** What a signature of kind 4 ends with: twin of `Tail` in contracts/interfaces/ISpendPolicy.sol. */
export type Tail = Pick<Grant, "asset" | "payees" | "extras"> & {
  /** One for each call, in order. */
  readonly proofs: readonly CallProof[];
  readonly approval: Approval;
  /** Empty, or 64 bytes (EIP-2098) of the owner's `Install`: then the grant is made now. */
  readonly ownerSignature: Hex;
};

const tailParameter = {
  type: "tuple",
  components: [
    { name: "asset", type: "address" },
    { name: "payees", type: "bytes32" },
    { name: "extras", type: "tuple", components: grantTypes.Extras },
    {
      name: "proofs",
      type: "tuple[]",
      components: [
        { name: "path", type: "bytes32[]" },
        { name: "rule", type: "bytes" },
      ],
    },
    {
      name: "approval",
      type: "tuple",
      components: [
        { name: "approver", type: "address" },
        { name: "path", type: "bytes32[]" },
        { name: "nonce", type: "uint256" },
        { name: "deadline", type: "uint256" },
        { name: "signature", type: "bytes" },
      ],
    },
    { name: "ownerSignature", type: "bytes" },
  ],
} as const;

export const encodeTail = (tail: Tail): Hex => encodeAbiParameters([tailParameter], [tail]);

/** The agent's signature field of kind 4, see contracts/interfaces/ISpendPolicy.sol. */
export function encodeRuledSignature(input: {
  readonly agent: Address;
  /** 64 bytes, EIP-2098, over `RuledOperation`. */
  readonly signature: Hex;
  readonly commitment: Commitment;
  readonly terms: Hex;
  /** `encodeTail`. */
  readonly tail: Hex;
}): Hex {
  const { commitment } = input;
  return concatHex([
    "0x04",
    input.agent,
    input.signature,
    numberToHex(commitment.validAfter, { size: 4 }),
    numberToHex(commitment.validUntil - commitment.validAfter, { size: 2 }),
    numberToHex(commitment.treeSize, { size: 4 }),
    commitment.treeRoot,
    input.terms,
    input.tail,
  ]);
}

/** What an approver is asked to sign: these calls, once, until the deadline. */
export type ApprovalRequest = {
  readonly chainId: number;
  readonly account: Address;
  readonly approver: Address;
  readonly policyId: Hex;
  /** The operation's whole callData. */
  readonly callData: Hex;
  readonly nonce: bigint;
  readonly deadline: bigint;
};

/** An approver's key co-signs one operation. */
export async function signApproval(
  approver: PrivateKeyAccount,
  request: ApprovalRequest,
  path: readonly Hex[],
): Promise<Approval> {
  const signature = compactSignature(
    await approver.signTypedData(approvalTypedData({ ...request, callHash: keccak256(request.callData) })),
  );
  return { approver: approver.address, path, nonce: request.nonce, deadline: request.deadline, signature };
}
