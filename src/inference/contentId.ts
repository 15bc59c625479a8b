import type { Hex } from "viem";
import { ModelSourceError } from "./storeErrors.ts";

/** A content identifier of IPFS, as far as it is needed here (multiformats CID v0 and v1). */
export type Cid = {
  readonly text: string;
  /** sha256 of the file itself. Only when the file is one raw block: larger files are trees, whose root is hashed. */
  readonly fileSha256: Hex | null;
};

const RAW = 0x55;
const DAG_PB = 0x70;
const SHA2_256 = 0x12;

/** @throws ModelSourceError when the text is no CID that is known */
export function parseCid(text: string): Cid {
  if (/^Qm[1-9A-HJ-NP-Za-km-z]{44}$/.test(text)) return { text, fileSha256: null };
  const bytes = text.startsWith("b")
    ? base32(text.slice(1))
    : text.startsWith("z")
      ? base58(text.slice(1))
      : undefined;
  const numbers = bytes && readHead(bytes);
  if (!bytes || !numbers) throw unknown(text);
  const [codec, hash, length, at] = numbers;
  if (hash !== SHA2_256 || length !== 32 || bytes.length !== at + 32 || (codec !== RAW && codec !== DAG_PB))
    throw unknown(text);
  return {
    text,
    fileSha256: codec === RAW ? `0x${Buffer.from(bytes.subarray(at)).toString("hex")}` : null,
  };
}

const unknown = (text: string) =>
  new ModelSourceError(
    "this is no CID that is known here",
    "Give a CID of version 0 (Qm…) or 1 (b…, z…) with a sha2-256 hash, of a file (raw or dag-pb).",
    { cid: text.slice(0, 100) },
  );

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
function base32(text: string): Uint8Array | undefined {
  const bytes: number[] = [];
  let [bits, value] = [0, 0];
  for (const letter of text) {
    const digit = "abcdefghijklmnopqrstuvwxyz234567".indexOf(letter);
    if (digit < 0) return undefined;
    value = ((value << 5) | digit) & 0xfff;
    bits += 5;
    if (bits >= 8) bytes.push((value >> (bits -= 8)) & 0xff);
  }
  // Fewer than a letter's bits may be left and they have to be zero, or one CID could be written in many ways.
  return bits < 5 && (value & ((1 << bits) - 1)) === 0 ? Uint8Array.from(bytes) : undefined;
}

/** Bitcoin's alphabet. */
function base58(text: string): Uint8Array | undefined {
  let value = 0n;
  for (const letter of text) {
    const digit = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".indexOf(letter);
    if (digit < 0) return undefined;
    value = value * 58n + BigInt(digit);
  }
  const hex = value.toString(16);
  return Uint8Array.from(Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex"));
}
