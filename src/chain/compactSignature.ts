import { parseSignature, serializeCompactSignature, signatureToCompactSignature, type Hex } from "viem";

/** r, s, v (65 bytes) → r, vs (64 bytes, EIP-2098): what agents', owners' and approvers' signatures travel as. */
export const compactSignature = (signature: Hex): Hex =>
  serializeCompactSignature(signatureToCompactSignature(parseSignature(signature)));
