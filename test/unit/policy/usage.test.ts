import { describe, expect, it } from "vitest";

import { decodeCounters, spentInWindow, windowReaches } from "../../../src/policy/usage.ts";
import { bucket, fresh, limit, now } from "./operations.ts";

describe("the counters' word", () => {
  it("is read field by field, as the contract packs it", () => {
    const word =
      (1n << 248n) |
      (0x1234n << 232n) |
      (0x89abcdefn << 200n) |
      (0xabcdefn << 176n) |
      (0x123456n << 152n) |
      (0xfedcban << 128n) |
      0x0008_0007_0006_0005_0004_0003_0002_0001n;
    expect(decodeCounters(word)).toEqual({
      ring: [1, 2, 3, 4, 5, 6, 7, 8],
      newestBucket: 0xfedcba,
      lifetime: 0x123456,
      gas: 0xabcdef,
      treeSize: 0x89abcdef,
      epoch: 0x1234,
      status: "granted",
    });
    expect([0n, 1n, 2n].map((status) => decodeCounters(status << 248n).status)).toEqual([
      "unknown",
      "granted",
      "revoked",
    ]);
  });

  it("counts the lanes from six buckets before the claim's first on", () => {
    const full = { ...fresh, ring: [1, 2, 4, 8, 16, 32, 64, 128] };
    const at = (buckets: bigint) => ({
      validAfter: now + buckets * bucket,
      validUntil: now + buckets * bucket + 300n,
    });
    const units = 10_000n;
    expect(
      [-1n, 0n, 1n, 5n, 6n, 7n].map((buckets) => spentInWindow(limit, full, at(buckets)) / units),
    ).toEqual([255n, 127n, 63n, 3n, 1n, 0n]);
    expect([-2n, -1n, 0n, 7n].map((buckets) => windowReaches(limit, full, at(buckets)))).toEqual([
      false,
      true,
      true,
      true,
    ]);
  });
});
