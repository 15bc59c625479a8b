import {
  compactSignatureToSignature,
  isAddressEqual,
  parseCompactSignature,
  parseSignature,
  recoverAddress,
  serializeSignature,
  size,
  type Address,
  type Hex,
} from "viem";

/**
 * A key's signature as contracts take it: r, s, and v of 27 or 28. Some wallets answer with v of 0 or 1, some with 64 bytes (EIP-2098). Any
 * other comes back as it is, so also what only looks like one of a key: a contract reads its own bytes as it likes.
 *
 * @param hash what was signed
 */
export async function keySignature(account: Address, hash: Hex, signature: Hex): Promise<Hex> {
  try {
    if (size(signature) > 65) return signature;
    const usual = serializeSignature(
      size(signature) === 64
        ? compactSignatureToSignature(parseCompactSignature(signature))
        : parseSignature(signature),
    );
    return isAddressEqual(await recoverAddress({ hash, signature: usual }), account) ? usual : signature;
  } catch {
    return signature;
  }
}
