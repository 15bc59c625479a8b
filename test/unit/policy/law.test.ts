import fc from "fast-check";
import { keccak256, type Address, type Hex } from "viem";
import { describe, expect, it } from "vitest";

import { changeCap, decodeCap } from "../../../src/policy/cap.ts";
import { carryCounters } from "../../../src/policy/carry.ts";
import { encodeExecution, readExecution } from "../../../src/policy/execution.ts";
import { law, lawReasons } from "../../../src/policy/law.ts";
import { approvalHash } from "../../../src/policy/meter.ts";
import { payeeTree } from "../../../src/policy/payeeTree.ts";
import { decodeCounters, encodeCounters } from "../../../src/policy/usage.ts";
import { windowAt } from "../../../src/policy/window.ts";
import { acme, base, bucket, fresh, grant, limit, now, ruled, stateOf, transfer } from "./operations.ts";

describe("law", () => {
  it("charges lifetime, gas, tree and the bucket of the claim's end, and nothing else", () => {
    const before = { ring: [5, 0, 7, 0, 0, 0, 0, 9], lifetime: 21, gas: 40 };
    const answer = law(
      {
        ...base,
        claim: { validAfter: now + bucket - 1n, validUntil: now + bucket },
        prefundWei: 15_000_000_000n,
      },
      stateOf(before),
    );
    expect(answer).toMatchObject({ kind: "allow", policyId: limit.policyId, amountUnits: 42_500_000n });
    expect(decodeCounters((answer as { counters: bigint }).counters)).toEqual({
      ...fresh,
      ring: [4_250, 5, 0, 7, 0, 0, 0, 0],
      newestBucket: 125_001,
      lifetime: 4_271,
      // 15 gwei in units of 10 gwei, rounded up.
      gas: 42,
      treeSize: 2,
    });
  });

  it("names the first reason with its numbers, and all of them in the contract's order", () => {
    const spent = stateOf(
      { ring: [21_000, 0, 0, 0, 0, 0, 0, 0], lifetime: 496_000, treeSize: 2 },
      { frozen: true },
    );
    const late = { ...base, claim: { validAfter: grant.expiry, validUntil: grant.expiry + 1n } };
    expect(law(late, spent)).toEqual({ kind: "refuse", error: "Frozen", args: [] });
    expect(lawReasons({ ...base, callData: transfer(acme, 42_500_001n) }, spent)).toEqual([
      { error: "Frozen", args: [] },
      { error: "StaleSize", args: [2n, 2n] },
      { error: "OverPerCall", args: [42_500_001n, 42_500_000n] },
      // 4,250.0001 units are charged as 4,251.
      { error: "OverLifetime", args: [5_002_510_000n, 5_000_000_000n] },
      { error: "OverWindow", args: [252_510_000n, 250_000_000n] },
    ]);
  });

  it("takes a stranger for the payee of another policy, which nobody granted", () => {
    const callData = transfer("0x00000000000000000000000000000000000000bb", 1n);
    const answer = law({ ...base, callData }, stateOf({}, { counters: () => 0n }));
    expect(answer).toMatchObject({ kind: "refuse", error: "NotGranted" });
    expect((answer as { args: readonly unknown[] }).args).not.toEqual([limit.policyId]);
    expect(law({ ...ruled({}), callData }, stateOf())).toMatchObject({ error: "PayeeNotAllowed" });
  });

  it("lets an approver lift the cap per call once, up to the ceiling", () => {
    const approver: Address = "0x00000000000000000000000000000000000000cc";
    const callData = transfer(acme, 60_000_000n);
    const operation = {
      ...ruled({ approvers: payeeTree([approver]).root, ceiling: 60_000_000n }),
      callData,
      approval: { approver, path: [], nonce: 5n, deadline: now + 300n, signatureLength: 64n },
    };
    const hash = approvalHash(operation.approval, operation.named.policyId, keccak256(callData));
    expect(law(operation, stateOf())).toMatchObject({ kind: "allow", approval: hash });
    expect(law(operation, stateOf({}, { approval: () => "used" }))).toMatchObject({
      error: "ApprovalUsed",
      args: [hash],
    });
    expect(law({ ...operation, approval: null }, stateOf())).toMatchObject({
      error: "OverPerCall",
      args: [60_000_000n, 42_500_000n],
    });
    expect(
      law({ ...operation, claim: { validAfter: now + 2n, validUntil: now + 301n } }, stateOf()),
    ).toMatchObject({
      error: "ApprovalExpired",
      args: [now + 301n, now + 300n],
    });
  });

  it("counts operations, demands a heartbeat and minds the cap over all agents", () => {
    const counted = ruled({ operations: 2n, operationsPerWindow: 1n });
    const once = law(counted, stateOf()) as { operations: bigint };
    expect(decodeCounters(once.operations)).toMatchObject({
      lifetime: 1,
      newestBucket: 125_000,
      status: "unknown",
    });
    expect(law(counted, stateOf({}, { operations: () => once.operations }))).toMatchObject({
      error: "TooManyOperationsInWindow",
      args: [2n, 1n],
    });
    expect(law(ruled({ heartbeat: 299n }), stateOf({}, { heartbeat: now }))).toMatchObject({
      error: "HeartbeatMissed",
      args: [now + 300n, now + 299n],
    });
    const cap = changeCap(0n, { perWindow: 42_000_000n, bucket: 300n }, now) as bigint;
    expect(law(base, stateOf({}, { cap: () => cap }))).toEqual({
      kind: "refuse",
      error: "OverCap",
      args: [grant.asset.toLowerCase(), 42_500_000n, 42_000_000n],
    });
  });
});

describe("carryCounters", () => {
  const scale = { unit: 100n, gasUnit: 10n, bucket: 300n };
  const word = encodeCounters({
    ...fresh,
    ring: [1, 2, 0, 0, 0, 0, 0, 3],
    lifetime: 7,
    gas: 9,
    newestBucket: 50,
  });
  it("rounds up into coarser units, lane by lane", () => {
    expect(
      decodeCounters(carryCounters(word, scale, { unit: 1_000n, gasUnit: 100n, bucket: 300n }, 0n)),
    ).toEqual({
      ...fresh,
      ring: [1, 1, 0, 0, 0, 0, 0, 1],
      lifetime: 1,
      gas: 1,
      newestBucket: 50,
      epoch: 0,
      status: "unknown",
    });
  });
  it("takes the whole ring as spent now when the bucket changes", () => {
    const carried = decodeCounters(carryCounters(word, scale, { ...scale, bucket: 600n }, 6_123n));
    expect(carried).toMatchObject({ ring: [6, 0, 0, 0, 0, 0, 0, 0], newestBucket: 10, lifetime: 7, gas: 9 });
  });
  it("never forgets any of it", () => {
    const lane = fc.integer({ min: 0, max: 65_535 });
    const power = fc.integer({ min: 0, max: 20 }).map((exponent) => 10n ** BigInt(exponent));
    fc.assert(
      fc.property(fc.array(lane, { minLength: 8, maxLength: 8 }), power, power, (ring, from, to) => {
        const before = ring.reduce((sum, spent) => sum + BigInt(spent), 0n) * from;
        const carried = decodeCounters(
          carryCounters(
            encodeCounters({ ...fresh, ring }),
            { ...scale, unit: from },
            { ...scale, unit: to },
            0n,
          ),
        );
        const after = carried.ring.reduce((sum, spent) => sum + BigInt(spent), 0n) * to;
        expect(after >= before || carried.ring.includes(65_535)).toBe(true);
      }),
    );
  });
});

describe("a cap over all agents", () => {
  it("keeps what was spent, with the smallest exponent that fits", () => {
    const first = changeCap(0n, { perWindow: 655_350n, bucket: 300n }, 0n) as bigint;
    expect(decodeCap(first)).toEqual({ perWindow: 655_350n, bucket: 300n, unit: 10n });
    const second = changeCap(first | 0x1234n, { perWindow: 1_000n, bucket: 300n }, 0n) as bigint;
    expect(second & 0xffffn).toBe(0xb608n);
    expect(changeCap(second, { perWindow: 0n, bucket: 0n }, 0n)).toBe(0n);
    expect(changeCap(0n, { perWindow: 655_361n, bucket: 300n }, 0n)).toMatchObject({
      error: "CapNotRepresentable",
    });
    expect(changeCap(0n, { perWindow: 1n, bucket: 299n }, 0n)).toMatchObject({
      error: "CapNotRepresentable",
    });
  });
});

describe("counters and calls", () => {
  it("come back from their word as they went in", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 250n) - 1n }), (word) => {
        fc.pre(word >> 248n < 3n);
        expect(encodeCounters(decodeCounters(word))).toBe(word);
      }),
    );
  });
  it("come back from their callData as they went in", () => {
    const hex = (bytes: Uint8Array): Hex => `0x${Buffer.from(bytes).toString("hex")}`;
    const call = fc.record({
      to: fc.uint8Array({ minLength: 20, maxLength: 20 }).map(hex),
      valueWei: fc.bigInt({ min: 0n, max: (1n << 256n) - 1n }),
      data: fc.uint8Array({ maxLength: 80 }).map(hex),
    });
    fc.assert(
      fc.property(fc.array(call, { maxLength: 4 }), (calls) => {
        expect(readExecution(encodeExecution({ batch: true, calls }))).toEqual({ batch: true, calls });
      }),
    );
    expect(readExecution("0x")).toMatchObject({ error: "CallNotAllowed" });
  });
});

describe("a window", () => {
  it("holds what was charged from the bucket of start - 6 buckets on, and refuses to guess", () => {
    const word = encodeCounters({ ...fresh, ring: [1, 2, 4, 8, 16, 32, 64, 128] });
    const at = (from: bigint, to: bigint) => windowAt(word, { validAfter: from, validUntil: to }, bucket);
    expect(at(now, now + 300n)).toMatchObject({ spent: 127n, lane: 0n, tooOld: null });
    expect(at(now - 1n, now)).toMatchObject({ spent: 255n, lane: 0n, tooOld: null });
    expect(at(now - 300n, now - 1n)).toMatchObject({ spent: 255n, lane: 16n, tooOld: null });
    expect(at(now + bucket - 1n, now + bucket)).toMatchObject({ spent: 127n, newest: 125_001n });
    expect(at(now - bucket - 1n, now - bucket)).toMatchObject({
      tooOld: { actual: 124_998n, allowed: 124_999n },
    });
  });
});
