import { hexToBigInt, sliceHex, type Hex } from "viem";

/** Half the order of secp256k1: a signature has one form only, the one with the lower s (EIP-2). */
export const highestS = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;

/** Is it in the form that contracts take? @param signature 65 bytes: r, s, v */
export function isLowSignature(signature: Hex): boolean {
  const v = sliceHex(signature, 64, 65);
  return hexToBigInt(sliceHex(signature, 32, 64)) <= highestS && (v === "0x1b" || v === "0x1c");
}
