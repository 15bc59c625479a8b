import { encodeFunctionData, parseAbi, decodeFunctionResult } from "viem";

import { ask, type Chain } from "../connectChain.ts";
import { decodeRefusal, revertDataOf } from "../decodeRefusal.ts";
import { entryPointAddress, packUserOp, userOpHashOf, type PlainUserOp } from "../entryPoint.ts";
import { PaymasterError } from "../errors.ts";
import type { Sponsorship } from "./paymaster.ts";

const paymasterAbi = parseAbi([
  "struct PackedUserOperation { address sender; uint256 nonce; bytes initCode; bytes callData; bytes32 accountGasLimits; uint256 preVerificationGas; bytes32 gasFees; bytes paymasterAndData; bytes signature; }",
  "function validatePaymasterUserOp(PackedUserOperation userOp, bytes32 userOpHash, uint256 maxCost) returns (bytes context, uint256 validationData)",
]);

/** A bound with this bit is a block's number (ERC-4337, EntryPoint 0.9). */
const blockFlag = 1n << 47n;
const uint48 = (1n << 48n) - 1n;

/**
 * Until when the paymaster pays for the operation, unix seconds, inclusive; undefined: it sets no end, or one in blocks. Asked of the
 * contract itself, as the EntryPoint will ask it: ERC-7677 has no word for it.
 *
 * @throws PaymasterError when the contract does not pay for it
 */
export async function sponsorshipEnd(
  chain: Chain,
  name: string,
  userOp: PlainUserOp & Sponsorship,
): Promise<bigint | undefined> {
  const gas =
    userOp.verificationGasLimit +
    userOp.callGasLimit +
    userOp.preVerificationGas +
    userOp.paymasterVerificationGasLimit +
    userOp.paymasterPostOpGasLimit;
  const args = [packUserOp(userOp), userOpHashOf(chain.chainId, userOp), gas * userOp.maxFeePerGas] as const;
  const call = { abi: paymasterAbi, functionName: "validatePaymasterUserOp" } as const;
  let validationData: bigint;
  try {
    const { data } = await ask(chain, () =>
      chain.client.call({
        account: entryPointAddress,
        to: userOp.paymaster,
        data: encodeFunctionData({ ...call, args }),
      }),
    );
    [, validationData] = decodeFunctionResult({ ...call, data: data ?? "0x" });
  } catch (error) {
    const revert = revertDataOf(error);
    if (revert === undefined && !(error instanceof Error && error.name.startsWith("AbiDecoding")))
      throw error;
    throw new PaymasterError(
      name,
      "gave data that its own contract refuses",
      revert === undefined ? error : decodeRefusal(revert).words,
    );
  }
  // Low to high: 20 bytes of an aggregator or 1 for "no", validUntil, validAfter (ERC-4337).
  if ((validationData & ((1n << 160n) - 1n)) !== 0n)
    throw new PaymasterError(name, "gave data that its own contract refuses", "the signature is not good");
  const validUntil = (validationData >> 160n) & uint48;
  return validUntil === 0n || (validUntil & blockFlag) !== 0n ? undefined : validUntil;
}
