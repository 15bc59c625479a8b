import { hmac } from "@noble/hashes/hmac";
import { sha256 } from "@noble/hashes/sha2";
import { bytesToHex, hexToBytes, utf8ToBytes } from "@noble/hashes/utils";
import type { Hex } from "viem";

const toHex = (bytes: Uint8Array): Hex => `0x${bytesToHex(bytes)}`;
const toBytes = (hex: Hex): Uint8Array => hexToBytes(hex.slice(2));

/** sha256 of UTF-8 text or of bytes. */
export function sha256Hex(data: string | Uint8Array): Hex {
  return toHex(sha256(typeof data === "string" ? utf8ToBytes(data) : data));
}

/** sha256 over the concatenation of byte strings given as hex, bytes or UTF-8 text (`text:` is not a prefix: pass `utf8`). */
export function sha256Concat(...parts: readonly (Hex | Uint8Array)[]): Hex {
  const hash = sha256.create();
  for (const part of parts) hash.update(typeof part === "string" ? toBytes(part) : part);
  return toHex(hash.digest());
}

/** HMAC-SHA256 (RFC 2104) keyed with a 32-byte secret, over UTF-8 texts: the key's own part is computed once. */
export function keyedSha256(key: Hex): (text: string) => Hex {
  const keyed = hmac.create(sha256, toBytes(key));
  return (text) => toHex(keyed.clone().update(utf8ToBytes(text)).digest());
}

/** 32 bytes as we write them: lower case. */
export const isHash = (text: string): boolean => /^0x[0-9a-f]{64}$/.test(text);

export const utf8 = utf8ToBytes;
