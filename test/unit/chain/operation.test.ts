import {
  getAbiItem,
  keccak256,
  recoverTypedDataAddress,
  toFunctionSelector,
  size,
  slice,
  toHex,
  type Address,
  type Hex,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { describe, expect, it } from "vitest";

import { canonicalize, parseCanonical } from "../../../src/core/canonical.ts";
import type { UserOpJson } from "../../../src/core/operation.ts";
import {
  entryPointAddress,
  fromUserOpJson,
  packUserOp,
  toUserOpJson,
  userOpHashOf,
  type PlainUserOp,
} from "../../../src/chain/entryPoint.ts";
import { permissionSpenderAbi } from "../../../src/chain/abi/permissionSpender.ts";
import { spendGrantAbi } from "../../../src/chain/abi/spendGrant.ts";
import { decodeCalls } from "../../../src/chain/decodeCalls.ts";
import {
  encodeCall,
  encodeCalls,
  encodeSignature,
  laneOf,
  signCommitment,
} from "../../../src/chain/signOperation.ts";
import { accountDomain, operationTypes } from "../../../src/policy/grant.ts";

const signer = privateKeyToAccount(keccak256(toHex("agent")));
const account: Address = "0x359e534d4C79745c3c0A0BC80d80cfAe9e82699e";
const commitment = {
  validAfter: 1_800_000_000,
  validUntil: 1_800_000_300,
  treeSize: 41,
  treeRoot: keccak256(toHex("root")),
};
const userOp: PlainUserOp = {
  sender: account,
  nonce: laneOf(signer.address) << 64n,
  callData: "0xdeadbeef",
  callGasLimit: 1n,
  verificationGasLimit: 2n,
  preVerificationGas: 3n,
  maxFeePerGas: 5n,
  maxPriorityFeePerGas: 0n,
  signature: "0x01",
};

describe("encodeSignature", () => {
  const proof = [keccak256("0x01"), keccak256("0x02")];
  const terms: Hex = `0x${"7e".repeat(24)}`;
  const signature: Hex = `0x${"51".repeat(64)}`;
  const encoded = encodeSignature({ agent: signer.address, signature, commitment, terms, payeeProof: proof });

  it("lays the fields out byte by byte as ISpendPolicy says", () => {
    expect(slice(encoded, 0, 1)).toBe("0x01");
    expect(slice(encoded, 1, 21).toLowerCase()).toBe(signer.address.toLowerCase());
    expect(slice(encoded, 21, 85)).toBe(signature);
    expect(slice(encoded, 85, 89)).toBe(toHex(1_800_000_000, { size: 4 }));
    expect(slice(encoded, 89, 91)).toBe("0x012c");
    expect(slice(encoded, 91, 95)).toBe("0x00000029");
    expect(slice(encoded, 95, 127)).toBe(commitment.treeRoot);
    expect(slice(encoded, 127, 151)).toBe(terms);
    expect(slice(encoded, 151, 183)).toBe(proof[0]);
    expect(slice(encoded, 183)).toBe(proof[1]);
  });

  it("is 151 bytes and 32 for each hash of the proof", () => {
    expect(size(encoded)).toBe(151 + 64);
    expect(
      size(encodeSignature({ agent: signer.address, signature, commitment, terms, payeeProof: [] })),
    ).toBe(151);
  });

  it("refuses numbers that do not fit their bytes", () => {
    const base = { agent: signer.address, signature, terms, payeeProof: [] };
    const spoilt = [
      { ...commitment, validUntil: commitment.validAfter - 1 },
      { ...commitment, validUntil: commitment.validAfter + 65_536 },
      { ...commitment, treeSize: 2 ** 32 },
    ];
    for (const one of spoilt)
      expect(() => encodeSignature({ ...base, commitment: one })).toThrow(/not in safe|range|number/i);
  });
});

describe("signCommitment", () => {
  it("signs hash, policy, claim and tree under the account's domain, in 64 bytes", async () => {
    const [userOpHash, policyId] = [keccak256("0x0a"), keccak256("0x0b")];
    const signature = await signCommitment({
      chainId: 31337,
      account,
      signer,
      userOpHash,
      policyId,
      commitment,
    });
    expect(size(signature)).toBe(64);
    // EIP-2098: the highest bit of s is the parity.
    const vs = BigInt(slice(signature, 32));
    const s = toHex(vs & ((1n << 255n) - 1n), { size: 32 });
    const full = `${slice(signature, 0, 32)}${s.slice(2)}${vs >> 255n ? "1c" : "1b"}` as Hex;
    const message = {
      userOpHash,
      policyId,
      validAfter: 1_800_000_000n,
      validUntil: 1_800_000_300n,
      size: 41n,
      root: commitment.treeRoot,
    };
    const recovered = recoverTypedDataAddress({
      domain: accountDomain(31337, account),
      types: operationTypes,
      primaryType: "Operation",
      message,
      signature: full,
    });
    expect(await recovered).toBe(signer.address);
  });
});

describe("a user operation", () => {
  it("survives the way to JSON, through canonical bytes, and back", () => {
    const json = toUserOpJson(userOp);
    const back = parseCanonical(canonicalize(json)) as unknown as UserOpJson;
    expect(back).toEqual(json);
    expect(fromUserOpJson(back)).toEqual(userOp);
    expect(userOpHashOf(31337, fromUserOpJson(back))).toBe(userOpHashOf(31337, userOp));
  });

  it("has a hash that its signature does not change, and everything else does", () => {
    const hash = userOpHashOf(31337, userOp);
    expect(userOpHashOf(31337, { ...userOp, signature: "0x02" })).toBe(hash);
    const others = [
      { ...userOp, nonce: userOp.nonce + 1n },
      { ...userOp, callData: "0xdeadbeee" as Hex },
      { ...userOp, callGasLimit: 2n },
      { ...userOp, maxFeePerGas: 6n },
      { ...userOp, sender: entryPointAddress },
    ].map((one) => userOpHashOf(31337, one));
    expect(new Set([hash, userOpHashOf(1, userOp), ...others]).size).toBe(7);
  });

  it("is packed as the EntryPoint reads it", () => {
    expect(packUserOp(userOp)).toMatchObject({
      accountGasLimits: `0x${"2".padStart(32, "0")}${"1".padStart(32, "0")}`,
      gasFees: `0x${"0".repeat(32)}${"5".padStart(32, "0")}`,
      initCode: "0x",
      paymasterAndData: "0x",
    });
  });

  it("uses the lane of its agent's own address", () => {
    expect(toHex(laneOf(signer.address), { size: 20 })).toBe(signer.address.toLowerCase());
  });
});

describe("encodeCall", () => {
  it("writes a native payment in the one form that the account accepts", () => {
    const to: Address = `0x${"ab".repeat(20)}`;
    const data = encodeCall({ to, valueWei: 7n, data: "0x" });
    expect(size(data)).toBe(164);
    expect(slice(data, 0, 4)).toBe("0xe9ae5c53");
    expect([slice(data, 4, 36), slice(data, 36, 68), slice(data, 68, 100)].map(BigInt)).toEqual([
      0n,
      64n,
      52n,
    ]);
    expect(slice(data, 100, 152)).toBe(`${to}${toHex(7n, { size: 32 }).slice(2)}`);
    expect(BigInt(slice(data, 152))).toBe(0n);
  });
});

describe("encodeCalls", () => {
  const to: Address = `0x${"22".repeat(20)}`;
  const modeOf = (callData: Hex) => slice(callData, 4, 36);
  const callOf = (name: "spend" | "giveUp" | "approveBySignature" | "spendDirectly") => ({
    to,
    valueWei: 0n,
    data: toFunctionSelector(getAbiItem({ abi: spendGrantAbi, name })),
  });

  it("is a batch, also of one call, where the contract asks which agent is executing", () => {
    for (const name of ["spend", "giveUp"] as const) {
      const data = toFunctionSelector(getAbiItem({ abi: permissionSpenderAbi, name }));
      for (const call of [callOf(name), { to, valueWei: 0n, data }]) {
        const callData = encodeCalls([call]);
        expect(modeOf(callData)).toBe(`0x01${"00".repeat(31)}`);
        expect(decodeCalls(callData)).toEqual([call]);
      }
    }
  });

  it("is a single call otherwise, and a batch of several", () => {
    for (const call of [
      callOf("approveBySignature"),
      callOf("spendDirectly"),
      { to, valueWei: 7n, data: "0x" as Hex },
    ]) {
      const callData = encodeCalls([call]);
      expect(modeOf(callData)).toBe(`0x${"00".repeat(32)}`);
      expect(decodeCalls(callData)).toEqual([call]);
    }
    const calls = [callOf("approveBySignature"), { to, valueWei: 7n, data: "0x" as Hex }];
    expect(modeOf(encodeCalls(calls))).toBe(`0x01${"00".repeat(31)}`);
    expect(decodeCalls(encodeCalls(calls))).toEqual(calls);
    expect(encodeCalls([])).toBe("0x");
  });
});
