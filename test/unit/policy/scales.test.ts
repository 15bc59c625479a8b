import { describe, expect, it } from "vitest";

import { changeCap, decodeCap } from "../../../src/policy/cap.ts";
import { carryCounters, carryRing, withoutSize } from "../../../src/policy/carry.ts";
import { isRefusal } from "../../../src/policy/refusal.ts";
import { charge, decodeCounters, encodeCounters } from "../../../src/policy/usage.ts";
import { bucket, fresh, limit, now } from "./operations.ts";

const most = 65_535;
const same = { unit: 10n, gasUnit: 10n, bucket: 300n };
/** Of lanes and totals, in units of ten. */
const word = (part: Partial<typeof fresh>) => encodeCounters({ ...fresh, ...part });

describe("counters in another scale", () => {
  it("stay at the most that they hold, in whatever unit: it may have been more", () => {
    const full = word({ ring: [most, 0, 0, 0, 0, 0, 0, most - 1], lifetime: 0xffffff, gas: 0xffffff });
    expect(
      decodeCounters(carryCounters(full, same, { ...same, unit: 100n, gasUnit: 100n }, 0n)),
    ).toMatchObject({
      ring: [most, 0, 0, 0, 0, 0, 0, 6_554],
      lifetime: 0xffffff,
      gas: 0xffffff,
    });
  });

  it("grow in a finer unit, to the most at the most", () => {
    const finer = { ...same, unit: 1n, gasUnit: 1n };
    const some = word({ ring: [6_553, 6_554, 0, 0, 0, 0, 0, 0], lifetime: 1_677_721, gas: 1_677_722 });
    expect(decodeCounters(carryCounters(some, same, finer, 0n))).toMatchObject({
      ring: [65_530, most, 0, 0, 0, 0, 0, 0],
      lifetime: 16_777_210,
      gas: 0xffffff,
      treeSize: 1,
    });
  });

  it("hold the whole ring in the bucket of now when its length changes", () => {
    const ring = word({ ring: [30_000, 30_000, 30_000, 0, 0, 0, 0, 0] });
    const carried = decodeCounters(carryRing(ring, same, { ...same, bucket: 600n }, 1_199n));
    expect(carried).toMatchObject({ ring: [most, 0, 0, 0, 0, 0, 0, 0], newestBucket: 1, lifetime: 0 });
    expect(decodeCounters(carryRing(ring, same, same, 1_199n))).toMatchObject({
      ring: [30_000, 30_000, 30_000, 0, 0, 0, 0, 0],
      newestBucket: fresh.newestBucket,
    });
  });

  it("of another agent lose the size of the tree, and nothing else", () => {
    const counted = word({ lifetime: 0xffffff, gas: 0xffffff, treeSize: 0xffffffff, epoch: 0xffff });
    expect(withoutSize(counted)).toBe(
      word({ lifetime: 0xffffff, gas: 0xffffff, treeSize: 0, epoch: 0xffff }),
    );
  });
});

describe("a cap over all agents", () => {
  const cap = (perWindow: bigint, length: bigint, before = 0n) =>
    changeCap(before, { perWindow, bucket: length }, now);

  it("of nothing still is a cap, and only two zeros remove it", () => {
    expect(decodeCap(cap(0n, 300n) as bigint)).toEqual({ perWindow: 0n, bucket: 300n, unit: 1n });
    expect(cap(0n, 0n, 5n)).toBe(0n);
    expect(cap(1n, 0n)).toEqual({ error: "CapNotRepresentable", args: [1n, 0n] });
    expect([cap(1n, 0n), cap(0n, 300n)].map(isRefusal)).toEqual([true, false]);
  });

  it("fits 16 bits, 63 powers of ten and 24 bits of seconds", () => {
    const edge = 65_535n * 10n ** 63n;
    expect(decodeCap(cap(edge, 0xffffffn) as bigint)).toEqual({
      perWindow: edge,
      bucket: 0xffffffn,
      unit: 10n ** 63n,
    });
    for (const [perWindow, length] of [
      [edge * 10n, bucket],
      [edge, 0x1000000n],
      [edge + 1n, bucket],
    ] as const)
      expect(cap(perWindow, length)).toEqual({ error: "CapNotRepresentable", args: [perWindow, length] });
  });

  it("that changes its unit or its bucket keeps what was spent", () => {
    const first = (cap(10n, bucket) as bigint) | (125_000n << 128n) | 7n;
    expect(cap(655_300n, bucket, first)).toBe((cap(655_300n, bucket) as bigint) | (125_000n << 128n) | 1n);
    expect(cap(10n, 300n, first)).toBe((cap(10n, 300n) as bigint) | ((now / 300n) << 128n) | 7n);
  });
});

describe("what a payment is charged", () => {
  it("is a whole number of units, rounded up", () => {
    expect([0n, 1n, 10_000n, 10_001n].map((amount) => charge(limit, amount))).toEqual([
      0n,
      10_000n,
      10_000n,
      20_000n,
    ]);
  });
});
