import { hmac } from "@noble/hashes/hmac";
import { sha256 } from "@noble/hashes/sha2";
import { concatBytes, utf8ToBytes } from "@noble/hashes/utils";
import { bytesToHex, hexToBytes, type Hex } from "viem";

/** sha256 of UTF-8 text or of bytes. */
export function sha256Hex(data: string | Uint8Array): Hex {
  return bytesToHex(sha256(typeof data === "string" ? utf8ToBytes(data) : data));
}

/** sha256 over the concatenation of byte strings given as hex, bytes or UTF-8 text (`text:` is not a prefix: pass `utf8`). */
export function sha256Concat(...parts: readonly (Hex | Uint8Array)[]): Hex {
  return bytesToHex(
    sha256(concatBytes(...parts.map((part) => (typeof part === "string" ? hexToBytes(part) : part)))),
  );
}

/** HMAC-SHA256 (RFC 2104) keyed with a 32-byte secret over UTF-8 text. */
export function hmacSha256(key: Hex, text: string): Hex {
  return bytesToHex(hmac(sha256, hexToBytes(key), utf8ToBytes(text)));
}

export const utf8 = utf8ToBytes;
