import { concatHex, encodeAbiParameters, parseAbiParameters, size, type Address } from "viem";
import { describe, expect, it } from "vitest";

import {
  delegationHash,
  delegationsIn,
  expiryTerms,
  noValueTerms,
  periodTerms,
  rootAuthority,
  type FrameworkDelegation,
} from "../../../src/chain/delegationFramework.ts";

const address = (digit: string): Address => `0x${digit.repeat(40)}`;
const delegation: FrameworkDelegation = {
  delegate: address("1"),
  delegator: address("2"),
  authority: rootAuthority,
  caveats: [{ enforcer: address("3"), terms: noValueTerms, args: "0x" }],
  salt: 7n,
  signature: "0x1234",
};
const encode = (...delegations: readonly FrameworkDelegation[]) =>
  encodeAbiParameters(
    parseAbiParameters([
      "Delegation[] delegations",
      "struct Delegation { address delegate; address delegator; bytes32 authority; Caveat[] caveats; uint256 salt; bytes signature; }",
      "struct Caveat { address enforcer; bytes terms; bytes args; }",
    ]),
    [delegations],
  );

describe("delegationsIn", () => {
  it("reads what is exactly an encoding of delegations, and nothing else", () => {
    expect(delegationsIn(encode(delegation))).toEqual([delegation]);
    expect(delegationsIn(encode())).toEqual([]);
    expect(delegationsIn(encode(delegation, delegation))).toHaveLength(2);
    expect(delegationsIn(concatHex([encode(delegation), "0x00"]))).toBeUndefined();
    expect(delegationsIn("0x")).toBeUndefined();
    expect(delegationsIn("0xdeadbeef")).toBeUndefined();
  });
});

describe("delegationHash", () => {
  it("is of what is signed: neither of the signature nor of the arguments", () => {
    const hash = delegationHash(delegation);
    const [caveat] = delegation.caveats;
    expect(delegationHash({ ...delegation, signature: "0x" })).toBe(hash);
    expect(delegationHash({ ...delegation, caveats: [{ ...caveat!, args: "0x01" }] })).toBe(hash);
    expect(delegationHash({ ...delegation, caveats: [{ ...caveat!, terms: "0x01" }] })).not.toBe(hash);
    expect(delegationHash({ ...delegation, salt: 8n })).not.toBe(hash);
  });
});

describe("terms of enforcers", () => {
  it("are packed as the enforcers read them", () => {
    const terms = periodTerms({ token: address("4"), perPeriod: 5n, period: 6, start: 7 });
    expect(size(terms)).toBe(116);
    expect(terms.endsWith("7")).toBe(true);
    expect(expiryTerms(255)).toBe(`0x${"0".repeat(62)}ff`);
  });
});
