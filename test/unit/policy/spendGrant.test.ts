import { readFileSync } from "node:fs";
import { keccak256, stringToHex, type Address, type Hex } from "viem";
import { describe, expect, test } from "vitest";

import { spendGrantArgument, spendGrantHash, type SpendGrant } from "../../../src/policy/spendGrant.ts";

type Vector = Omit<SpendGrant, "perCall" | "perWindow" | "total" | "epoch" | "salt"> &
  Readonly<
    Record<"perCall" | "perWindow" | "total" | "epoch" | "salt", string> & Record<"hash" | "purposeHash", Hex>
  >;
const { domain, grants } = JSON.parse(
  readFileSync(new URL("../../vectors/spendGrant.json", import.meta.url), "utf8"),
) as { readonly domain: { chainId: number; verifyingContract: Address }; readonly grants: readonly Vector[] };

const grantOf = (vector: Vector): SpendGrant => ({
  ...vector,
  perCall: BigInt(vector.perCall),
  perWindow: BigInt(vector.perWindow),
  total: BigInt(vector.total),
  epoch: BigInt(vector.epoch),
  salt: BigInt(vector.salt),
});

describe("a spend grant", () => {
  test.each(grants)("has the hash that the contract gives it: $purpose", (vector) => {
    expect(spendGrantHash(grantOf(vector), domain.chainId, domain.verifyingContract)).toBe(vector.hash);
  });

  test.each(grants)("is handed to the contract with the hash of its purpose: $purpose", (vector) => {
    expect(spendGrantArgument(grantOf(vector)).purpose).toBe(vector.purposeHash);
    expect(vector.purposeHash).toBe(keccak256(stringToHex(vector.purpose)));
  });

  test("has another hash on another chain and in another contract", () => {
    const grant = grantOf(grants[0]!);
    const here = spendGrantHash(grant, domain.chainId, domain.verifyingContract);
    expect(spendGrantHash(grant, 1, domain.verifyingContract)).not.toBe(here);
    expect(spendGrantHash(grant, domain.chainId, grant.token)).not.toBe(here);
  });
});
