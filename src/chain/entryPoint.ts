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

/** A user operation in viem's numeric form. Few have a factory (the account is made now) or a paymaster (it pays the gas). */
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
  | "factory"
  | "factoryData"
  | "paymaster"
  | "paymasterVerificationGasLimit"
  | "paymasterPostOpGasLimit"
  | "paymasterData"
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
    ...(userOp.factory ? { factory: userOp.factory, factoryData: userOp.factoryData ?? "0x" } : {}),
    ...(userOp.paymaster
      ? {
          paymaster: userOp.paymaster,
          paymasterVerificationGasLimit: numberToHex(userOp.paymasterVerificationGasLimit ?? 0n),
          paymasterPostOpGasLimit: numberToHex(userOp.paymasterPostOpGasLimit ?? 0n),
          paymasterData: userOp.paymasterData ?? "0x",
        }
      : {}),
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
    ...(json.factory ? { factory: json.factory, factoryData: json.factoryData ?? "0x" } : {}),
    ...(json.paymaster
      ? {
          paymaster: json.paymaster,
          paymasterVerificationGasLimit: hexToBigInt(json.paymasterVerificationGasLimit ?? "0x0"),
          paymasterPostOpGasLimit: hexToBigInt(json.paymasterPostOpGasLimit ?? "0x0"),
          paymasterData: json.paymasterData ?? "0x",
        }
      : {}),
  };
}

/** The EIP-712 hash that EntryPoint 0.8 computes for the operation. The signature is not part of it. */
export function userOpHashOf(chainId: number, userOp: PlainUserOp): Hex {
  return getUserOperationHash({ chainId, entryPointAddress, entryPointVersion, userOperation: userOp });
}

export const packUserOp = (userOp: PlainUserOp): PackedUserOperation => toPackedUserOperation(userOp);
