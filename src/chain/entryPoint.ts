import {
  entryPoint08Address,
  getUserOperationHash,
  toPackedUserOperation,
  type PackedUserOperation,
  type UserOperation,
} from "viem/account-abstraction";
import { hexToBigInt, numberToHex, type Address, type Hex } from "viem";

import type { UserOpJson } from "../core/operation.ts";

/** EntryPoint 0.8 at its canonical address (ERC-4337). */
export const entryPointAddress: Address = entryPoint08Address;
export const entryPointVersion = "0.8";

/** A user operation in viem's numeric form, without paymaster or factory: agents use neither. */
export type PlainUserOp = Pick<
  UserOperation<"0.8">,
  | "sender"
  | "nonce"
  | "callData"
  | "callGasLimit"
  | "verificationGasLimit"
  | "preVerificationGas"
  | "maxFeePerGas"
  | "maxPriorityFeePerGas"
  | "signature"
>;

export function toUserOpJson(userOp: PlainUserOp): UserOpJson {
  return {
    sender: userOp.sender,
    nonce: numberToHex(userOp.nonce),
    callData: userOp.callData,
    callGasLimit: numberToHex(userOp.callGasLimit),
    verificationGasLimit: numberToHex(userOp.verificationGasLimit),
    preVerificationGas: numberToHex(userOp.preVerificationGas),
    maxFeePerGas: numberToHex(userOp.maxFeePerGas),
    maxPriorityFeePerGas: numberToHex(userOp.maxPriorityFeePerGas),
    signature: userOp.signature,
  };
}

export function fromUserOpJson(json: UserOpJson): PlainUserOp {
  return {
    sender: json.sender,
    nonce: hexToBigInt(json.nonce),
    callData: json.callData,
    callGasLimit: hexToBigInt(json.callGasLimit),
    verificationGasLimit: hexToBigInt(json.verificationGasLimit),
    preVerificationGas: hexToBigInt(json.preVerificationGas),
    maxFeePerGas: hexToBigInt(json.maxFeePerGas),
    maxPriorityFeePerGas: hexToBigInt(json.maxPriorityFeePerGas),
    signature: json.signature,
  };
}

/** The EIP-712 hash that EntryPoint 0.8 computes for the operation. The signature is not part of it. */
export function userOpHashOf(chainId: number, userOp: PlainUserOp): Hex {
  return getUserOperationHash({ chainId, entryPointAddress, entryPointVersion, userOperation: userOp });
}

export const packUserOp = (userOp: PlainUserOp): PackedUserOperation => toPackedUserOperation(userOp);
