import {
  hashMessage,
  parseSignature,
  serializeCompactSignature,
  signatureToCompactSignature,
  type Hex,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { expect, test } from "vitest";

import { keySignature } from "../../../../src/runtime/delegate/keySignature.ts";

const signer = privateKeyToAccount(`0x${"11".repeat(32)}`);
const other = privateKeyToAccount(`0x${"77".repeat(32)}`);
// One of each parity.
const texts = ["a", "b", "c", "d", "e", "f", "g", "h"];

test("what a key signed comes out as r, s and v of 27 or 28, however the wallet writes it", async () => {
  const seen = new Set<string>();
  for (const text of texts) {
    const usual = await signer.signMessage({ message: text });
    const v = usual.slice(-2);
    seen.add(v);
    const low: Hex = `0x${usual.slice(2, -2)}${v === "1b" ? "00" : "01"}`;
    const compact = serializeCompactSignature(signatureToCompactSignature(parseSignature(usual)));
    for (const written of [usual, low, compact])
      expect(await keySignature(signer.address, hashMessage(text), written)).toBe(usual);
  }
  expect([...seen].sort()).toEqual(["1b", "1c"]);
});

test("what the account's key did not sign is left as it is: a contract may read it its own way", async () => {
  const hash = hashMessage("a");
  const usual = await signer.signMessage({ message: "a" });
  const approvedHash: Hex = `0x${other.address.slice(2).toLowerCase().padStart(64, "0")}${"00".repeat(32)}01`;
  const others: readonly Hex[] = [approvedHash, `${usual}00`, `0x${"00".repeat(64)}`, "0x1234"];
  for (const written of others) expect(await keySignature(other.address, hash, written)).toBe(written);
  const low: Hex = `0x${usual.slice(2, -2)}00`;
  expect(await keySignature(other.address, hash, low)).toBe(low);
});
