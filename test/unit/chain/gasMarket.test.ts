import { describe, expect, test } from "vitest";

import { boundFees, feesIn } from "../../../src/chain/gasMarket.ts";

const gwei = 1_000_000_000n;
const market = { baseFeeWei: 10n * gwei, tipWei: gwei };
const price = (maxFeePerGasWei: bigint, maxPriorityFeePerGasWei: bigint) => ({
  maxFeePerGasWei,
  maxPriorityFeePerGasWei,
});

describe("a bundler's price", () => {
  test("is taken as it is up to twice our own, and no further", () => {
    expect(feesIn(market)).toEqual(price(21n * gwei, gwei));
    expect(boundFees(price(25n * gwei, 2n * gwei), market)).toEqual(price(25n * gwei, 2n * gwei));
    expect(boundFees(price(1000n * gwei, 1000n * gwei), market)).toEqual(
      price(42n * gwei, (21n * gwei) / 10n),
    );
  });

  test("may hold a small tip where the chain knows none, and never one above the price", () => {
    const tipless = { baseFeeWei: 10n * gwei, tipWei: 0n };
    expect(boundFees(price(1000n * gwei, 1000n * gwei), tipless)).toEqual(price(40n * gwei, 2n * gwei));
    expect(boundFees(price(gwei, 2n * gwei), market)).toEqual(price(gwei, gwei));
  });
});
