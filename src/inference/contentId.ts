import type { Hex } from "viem";
import { ModelSourceError } from "./storeErrors.ts";

/** A content identifier of IPFS with a sha2-256 hash, of a raw block or of a node of a tree (multiformats CID v0 and v1). */
export type Cid = {
  readonly text: string;
  readonly codec: "raw" | "dag-pb";
  /** sha256 of the block: the file's own when the codec is raw, otherwise that of its tree's root. */
  readonly blockSha256: Hex;
};

const RAW = 0x55;
const DAG_PB = 0x70;
const SHA2_256 = 0x12;
const DIGEST_BYTES = 32;
const base32Letters = "abcdefghijklmnopqrstuvwxyz234567";
const base58Letters = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/** @throws ModelSourceError when the text is no CID that is known */
export function parseCid(text: string): Cid {
  const bytes = text.startsWith("b")
    ? fromBase32(text.slice(1))
    : text.startsWith("z")
      ? fromBase58(text.slice(1))
      : /^Qm\w{44}$/.test(text)
        ? fromBase58(text)
        : undefined;
  const cid = bytes && readCid(bytes);
  if (!cid)
    throw new ModelSourceError(
      "this is no CID that is known here",
      "Give a CID of version 0 (Qm…) or 1 (b…, z…) with a sha2-256 hash, of a file (raw or dag-pb).",
      { cid: text.slice(0, 100) },
    );
  return { ...cid, text };
}

/** A CID in its binary form, as links hold it; undefined for kinds that are not known. */
export function readCid(bytes: Uint8Array): Cid | undefined {
  // Version 0 is only a hash, always of a node.
  const isOld = bytes.length === 2 + DIGEST_BYTES && bytes[0] === SHA2_256;
  const head = isOld ? ([DAG_PB, SHA2_256, DIGEST_BYTES, 2] as const) : readHead(bytes);
  if (!head) return undefined;
  const [codec, hash, length, at] = head;
  if (hash !== SHA2_256 || length !== DIGEST_BYTES || bytes.length !== at + DIGEST_BYTES) return undefined;
  if (codec !== RAW && codec !== DAG_PB) return undefined;
  const digest = bytes.subarray(at);
  return {
    text: `b${toBase32(Uint8Array.from([1, codec, SHA2_256, DIGEST_BYTES, ...digest]))}`,
    codec: codec === RAW ? "raw" : "dag-pb",
    blockSha256: `0x${Buffer.from(digest).toString("hex")}`,
  };
}

/** Version (1), codec, hash function and its length, each a varint; then where the digest begins. */
function readHead(bytes: Uint8Array): readonly [number, number, number, number] | undefined {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = bytes[at++] ?? 0;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return -1;
  };
  if (varint() !== 1) return undefined;
  return [varint(), varint(), varint(), at];
}

/** RFC 4648, lower case, without padding. */
function fromBase32(text: string): Uint8Array | undefined {
  const bytes: number[] = [];
  let [bits, value] = [0, 0];
  for (const letter of text) {
    const digit = base32Letters.indexOf(letter);
    if (digit < 0) return undefined;
    value = ((value << 5) | digit) & 0xfff;
    bits += 5;
    if (bits >= 8) bytes.push((value >> (bits -= 8)) & 0xff);
  }
  // Fewer than a letter's bits may be left and they have to be zero, or one CID could be written in many ways.
  return bits < 5 && (value & ((1 << bits) - 1)) === 0 ? Uint8Array.from(bytes) : undefined;
}

function toBase32(bytes: Uint8Array): string {
  let [bits, value, text] = [0, 0, ""];
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff;
    bits += 8;
    while (bits >= 5) text += base32Letters[(value >> (bits -= 5)) & 31];
  }
  return bits > 0 ? text + base32Letters[(value << (5 - bits)) & 31] : text;
}

/** Bitcoin's alphabet. */
function fromBase58(text: string): Uint8Array | undefined {
  let value = 0n;
  for (const letter of text) {
    const digit = base58Letters.indexOf(letter);
    if (digit < 0) return undefined;
    value = value * 58n + BigInt(digit);
  }
  const hex = value.toString(16);
  return Uint8Array.from(Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex"));
}
