import { createPublicKey, verify } from "node:crypto";

import * as z from "zod";

/** Longest token that is read, in characters. */
const longestToken = 4096;
/** How far clocks may be apart, in seconds. */
const leeway = 60;
/** Multicodec of an Ed25519 public key, then its 32 bytes. */
const keyBytes = { prefix: [0xed, 0x01], length: 34 } as const;
/** SubjectPublicKeyInfo of an Ed25519 key up to the key itself (RFC 8410). */
const spki = Buffer.from("302a300506032b6570032100", "hex");
const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

const headerSchema = z.looseObject({ alg: z.literal("EdDSA") });
/** `aud` is not looked at: independent clients name the public relay whatever relay they talk to. */
const payloadSchema = z.looseObject({ iss: z.string().max(256), iat: z.number(), exp: z.number() });

/**
 * Who a client is: the did:key that signed its token, which is also the name of its mailbox.
 *
 * @param nowSeconds unix seconds
 * @throws Error with a few words for the close reason when the token does not hold
 */
export function clientOf(token: string, nowSeconds: number): string {
  const [header, payload, signature, ...rest] = token.split(".");
  if (token.length > longestToken || !header || !payload || !signature || rest.length > 0)
    throw new Error("no token");
  if (!headerSchema.safeParse(json(header)).success) throw new Error("token of another algorithm");
  const { data: claims } = payloadSchema.safeParse(json(payload));
  if (claims === undefined) throw new Error("token without iss, iat or exp");
  const key = createPublicKey({
    key: Buffer.concat([spki, publicKey(claims.iss)]),
    format: "der",
    type: "spki",
  });
  if (!verify(null, Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, "base64url")))
    throw new Error("token with a wrong signature");
  if (claims.exp < nowSeconds - leeway) throw new Error("token expired");
  if (claims.iat > nowSeconds + leeway) throw new Error("token from the future");
  return claims.iss;
}

function json(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
}

function publicKey(did: string): Buffer {
  const encoded = /^did:key:z([1-9A-HJ-NP-Za-km-z]+)$/.exec(did)?.[1];
  if (encoded === undefined) throw new Error("issuer is no did:key");
  let number = 0n;
  for (const character of encoded) number = number * 58n + BigInt(base58.indexOf(character));
  const hex = number.toString(16);
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
  if (bytes.length !== keyBytes.length || keyBytes.prefix.some((byte, index) => bytes[index] !== byte))
    throw new Error("issuer is no Ed25519 key");
  return bytes.subarray(keyBytes.prefix.length);
}
