import { isHex } from "viem";
import * as z from "zod";

import { isJsonObject, type Json } from "../core/json.ts";
import { permissionMethods, type RequestOutcome } from "../core/walletLink.ts";

/** Bytes of a signature: EIP-2098 has 64, and ERC-6492 wraps a whole deployment. */
const shortest = 64;
const longest = 65_536;

/** UTF-16 units of an answer to ERC-7715; MetaMask's has some 4,000. */
const longestPermission = 65_536;

const signature = z
  .string()
  .max(2 + 2 * longest, `a signature has at most ${longest} bytes`)
  .regex(/^0x([0-9a-fA-F]{2})+$/, "a signature is hexadecimal")
  .min(2 + 2 * shortest, `a signature has at least ${shortest} bytes`);
const transactionHash = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/, "a transaction hash is 32 bytes of hexadecimal");

/** What the answer to each method has to look like; that of any other is some JSON without fractions. */
const schemas: Readonly<Record<string, z.ZodType<string>>> = {
  eth_signTypedData_v4: signature,
  personal_sign: signature,
  eth_sendTransaction: transactionHash,
};

/** @param text JSON of the wallet's; null when it was longer than anything that is let through */
export function readAnswer(method: string, text: string | null): RequestOutcome<Json> {
  const isPermission = permissionMethods.some((name) => name === method);
  if (text === null || (isPermission && text.length > longestPermission))
    return { outcome: "hostile", why: "the answer is too long" };
  const value: unknown = JSON.parse(text);
  const schema = schemas[method];
  if (schema === undefined)
    return isJsonObject({ value })
      ? { outcome: "approved", answer: value as Json }
      : { outcome: "hostile", why: "the answer holds something other than text and whole numbers" };
  const parsed = schema.safeParse(value);
  return parsed.success
    ? { outcome: "approved", answer: parsed.data.toLowerCase() }
    : { outcome: "hostile", why: parsed.error.issues[0]?.message ?? "the answer is of another type" };
}

/** What readers of answers to signing and sending give is hexadecimal. */
export function onlyHex(outcome: RequestOutcome<Json>): RequestOutcome {
  if (outcome.outcome !== "approved") return outcome;
  const { answer } = outcome;
  return isHex(answer)
    ? { outcome: "approved", answer }
    : { outcome: "hostile", why: "the answer is not hexadecimal" };
}
