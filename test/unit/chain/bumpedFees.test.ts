import { describe, expect, it } from "vitest";

import { bumpedFees, isOutbid } from "../../../src/chain/gasMarket.ts";

const fees = (maxFeePerGasWei: bigint, maxPriorityFeePerGasWei: bigint) => ({
  maxFeePerGasWei,
  maxPriorityFeePerGasWei,
});
const market = (baseFeeWei: bigint, tipWei: bigint) => ({ baseFeeWei, tipWei });
const plenty = 10n ** 18n;

describe("isOutbid", () => {
  it.each([
    ["room for the whole tip", fees(210n, 10n), market(100n, 10n), false],
    ["room for half of it", fees(105n, 10n), market(100n, 10n), false],
    ["room for less", fees(104n, 10n), market(100n, 10n), true],
    ["a tip of its own that is too small", fees(1000n, 4n), market(100n, 10n), true],
    ["a base fee above it", fees(99n, 0n), market(100n, 0n), true],
    ["a base fee that it just pays, where nobody tips", fees(100n, 0n), market(100n, 0n), false],
  ])("%s", (_, offered, now, outbid) => {
    expect(isOutbid(offered, now)).toBe(outbid);
  });
});

describe("bumpedFees", () => {
  it("are today's where those are more than a tenth higher", () => {
    expect(bumpedFees(fees(210n, 10n), market(300n, 20n), plenty)).toEqual(fees(620n, 20n));
  });

  it("are a tenth more, rounded up, where today's are not: less would be taken by nobody", () => {
    expect(bumpedFees(fees(211n, 11n), market(105n, 8n), plenty)).toEqual(fees(233n, 13n));
  });

  it("keep to the most that is allowed, and are none where a tenth more is above it", () => {
    expect(bumpedFees(fees(210n, 10n), market(300n, 20n), 400n)).toEqual(fees(400n, 20n));
    expect(bumpedFees(fees(210n, 10n), market(200n, 20n), 231n)).toEqual(fees(231n, 20n));
    expect(bumpedFees(fees(210n, 10n), market(200n, 20n), 230n)).toBeUndefined();
  });

  it("are none where they would not help", () => {
    expect(bumpedFees(fees(210n, 10n), market(400n, 20n), 405n)).toBeUndefined();
  });

  it("never rise above twice today's price, whatever a bundler says", () => {
    const now = market(100n, 10n);
    let offered: ReturnType<typeof fees> | undefined = fees(210n, 10n);
    let last = offered;
    for (let times = 0; offered && times < 50; times++) {
      last = offered;
      offered = bumpedFees(offered, now, plenty);
    }
    expect(offered).toBeUndefined();
    expect(last.maxFeePerGasWei).toBeLessThanOrEqual(420n);
    expect(last.maxFeePerGasWei).toBeGreaterThan(380n);
  });
});
