import fc from "fast-check";
import type { Hex } from "viem";
import { describe, expect, it } from "vitest";

import {
  derivedSeed,
  discloseField,
  fieldCommitment,
  fieldSalt,
  sealDecision,
  tokensDigest,
  verifyDisclosedField,
  type DisclosedField,
  type RecordFields,
} from "../../../src/core/decision.ts";
import { keyedSha256, sha256Concat, sha256Hex } from "../../../src/core/hash.ts";

const secret: Hex = `0x${"5e".repeat(32)}`;
const fields: RecordFields = {
  "header.index": 12,
  "header.chainId": 31337,
  "decision.verdict": "allow",
  "decision.reasons": [],
  "decision.action": { action: "transfer", to: "acme", amount: "42.50", token: "USDC", reference: "INV-1" },
  "execution.nonce": null,
  "mail.authenticated": true,
};
const decision = sealDecision(fields, secret);

describe("sealDecision", () => {
  it("gives the same root and leaf for the same fields and secret, in any order of the fields", () => {
    const reversed = Object.fromEntries(Object.entries(fields).reverse());
    expect(sealDecision(reversed, secret).leaf).toBe(decision.leaf);
    expect(decision.leaf).toBe(sha256Concat("0x00", decision.root));
  });

  it("gives another leaf for another secret, value, path or field more", () => {
    const others = [
      sealDecision(fields, `0x${"5f".repeat(32)}`),
      sealDecision({ ...fields, "header.index": 13 }, secret),
      sealDecision({ ...fields, "header.extra": 1 }, secret),
    ].map(({ leaf }) => leaf);
    expect(new Set([...others, decision.leaf]).size).toBe(4);
  });

  it("commits equal values in different fields, and in different decisions, to different hashes", () => {
    const salted = (path: string, key: Hex) => fieldCommitment(path, fieldSalt(key, path), "42.50");
    const other: Hex = `0x${"5f".repeat(32)}`;
    expect(new Set([salted("a", secret), salted("b", secret), salted("a", other)]).size).toBe(3);
  });
});

describe("a disclosed field", () => {
  const verify = (field: DisclosedField) => verifyDisclosedField(field, decision.root, decision.leaf);

  it.each(Object.keys(fields))("%s is checked alone, and holds nothing of the others", (path) => {
    const field = discloseField(decision, path);
    expect(field.value).toEqual(fields[path]);
    expect(verify(field)).toBe(true);
    expect(JSON.stringify(field)).not.toContain(secret.slice(2));
    const others = Object.keys(fields).filter((other) => other !== path);
    expect(others.filter((other) => JSON.stringify(field).includes(`"${other}"`))).toEqual([]);
  });

  it.each(Object.keys(fields))(
    "%s is refused with another value, salt, path, index, count or proof",
    (path) => {
      const field = discloseField(decision, path);
      const wrong = sha256Hex("wrong");
      const spoilt: readonly DisclosedField[] = [
        { ...field, value: "another" },
        { ...field, salt: wrong },
        { ...field, path: `${path}x` },
        { ...field, index: (field.index + 1) % field.count },
        { ...field, proof: field.proof.with(0, wrong) },
        { ...field, proof: field.proof.slice(1) },
      ];
      expect(spoilt.filter(verify)).toEqual([]);
      expect(verifyDisclosedField(field, wrong, decision.leaf)).toBe(false);
      expect(verifyDisclosedField(field, decision.root, wrong)).toBe(false);
    },
  );

  it("cannot be read differently by moving digits between its salt and its value", () => {
    const field = discloseField(decision, "header.index");
    // The same bytes under the hash: salt ‖ "12" = (salt ‖ "1") ‖ "2".
    expect(verify({ ...field, salt: `${field.salt}31`, value: 2 })).toBe(false);
    const chain = discloseField(decision, "header.chainId");
    expect(verify({ ...chain, salt: `${chain.salt}33313333`, value: 7 })).toBe(false);
    expect(() => fieldCommitment("a", `${secret}31`, 2)).toThrow(/can't be committed/);
    expect(() => fieldCommitment("a", secret.slice(0, -2) as Hex, 2)).toThrow(/can't be committed/);
  });

  it("cannot be read differently by moving bytes between its path and its salt", () => {
    expect(() => sealDecision({ "a\0b": 1 }, secret)).toThrow(/can't be committed/);
    const field = discloseField(decision, "header.index");
    expect(verify({ ...field, path: "header.index\0" })).toBe(false);
  });

  it("is refused, not thrown at, when its value has no canonical form", () => {
    expect(verify({ ...discloseField(decision, "header.index"), value: 12.5 })).toBe(false);
  });

  it("is there for every field of every record", () => {
    const path = fc.stringMatching(/^[a-z]{1,8}(\.[a-zA-Z]{1,8})?$/);
    const value = fc.oneof(
      fc.integer().map((n) => n + 0),
      fc.string({ unit: "grapheme" }),
      fc.constant(null),
    );
    fc.assert(
      fc.property(
        fc.dictionary(path, value, { minKeys: 1, maxKeys: 20, noNullPrototype: true }),
        (record) => {
          const sealed = sealDecision(record, secret);
          for (const one of Object.keys(record))
            expect(verifyDisclosedField(discloseField(sealed, one), sealed.root, sealed.leaf)).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  });

  it.each(["toString", "header", ""])("cannot be made of %j, which is no field of the record", (path) => {
    expect(() => discloseField(decision, path)).toThrow(`The record has no field "${path}".`);
  });
});

describe("hashes", () => {
  it.each<readonly [Hex, string, Hex]>([
    [
      `0x${"0b".repeat(20)}`,
      "Hi There",
      "0xb0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ],
    [
      "0x4a656665",
      "what do ya want for nothing?",
      "0x5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ],
    [
      `0x${"aa".repeat(131)}`,
      "Test Using Larger Than Block-Size Key - Hash Key First",
      "0x60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ],
    [
      `0x${"aa".repeat(131)}`,
      "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.",
      "0x9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ],
  ])("HMAC-SHA256 is that of RFC 4231 (%#)", (key, text, expected) => {
    const keyed = keyedSha256(key);
    expect([keyed(text), keyed(text)]).toEqual([expected, expected]);
  });

  it("SHA-256 is that of FIPS 180-4, over UTF-8 and over bytes", () => {
    const abc = "0xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    expect([
      sha256Hex("abc"),
      sha256Hex(new Uint8Array([97, 98, 99])),
      sha256Concat("0x61", "0x6263"),
    ]).toEqual([abc, abc, abc]);
    expect(sha256Hex("€")).toBe(sha256Concat("0xe282ac"));
  });

  it("derives a seed from the previous leaf and the index, and from nothing else", () => {
    const previous: Hex = `0x${"ab".repeat(32)}`;
    expect(derivedSeed(previous, 258)).toBe(
      Number.parseInt(sha256Concat(previous, "0x0000000000000102").slice(2, 10), 16),
    );
    expect(derivedSeed(previous, 0)).not.toBe(derivedSeed(previous, 1));
    expect(derivedSeed(previous, 2 ** 32)).not.toBe(derivedSeed(previous, 0));
  });

  it("hashes token ids as four little-endian bytes each", () => {
    expect(tokensDigest([1, 256, 0xfffffffe])).toBe(sha256Concat("0x0100000000010000feffffff"));
    expect(tokensDigest([])).toBe(sha256Hex(""));
  });
});
