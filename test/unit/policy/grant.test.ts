import { describe, expect, it } from "vitest";

import { extrasFit, plainExtras, unitsOf, type Extras, type Grant } from "../../../src/policy/grant.ts";
import { grant } from "./operations.ts";

describe("the units of a grant", () => {
  const fits = (part: Partial<Grant>) => unitsOf({ ...grant, ...part }) !== undefined;

  it.each<readonly [keyof Grant, bigint, bigint]>([
    ["bucket", (1n << 24n) - 1n, 1n << 24n],
    ["expiry", (1n << 32n) - 1n, 1n << 32n],
    ["salt", (1n << 20n) - 1n, 1n << 20n],
    ["perCall", 40_000n, 40_001n],
    ["perWindow", 250_000_000n, 250_000_001n],
    ["lifetime", 65_535n * 10n ** 63n, 65_535n * 10n ** 67n],
    ["gasBudget", 65_535n * 10n ** 63n, 65_535n * 10n ** 67n],
    ["feeCap", 10n ** 15n, 10n ** 15n + 1n],
  ])("hold %s up to its bits and without rounding", (key, good, bad) => {
    const coarse = { perCall: 0n, perWindow: 0n, feeCap: 0n };
    const rest = good > 1n << 64n ? coarse : {};
    expect(fits({ ...rest, [key]: good })).toBe(true);
    expect(fits({ ...rest, [key]: bad })).toBe(false);
  });
});

describe("extras", () => {
  it.each<readonly [keyof Extras, bigint]>([
    ["functions", 16n],
    ["operations", 1n << 24n],
    ["operationsPerWindow", 1n << 16n],
    ["heartbeat", 1n << 32n],
  ])("hold %s below %s", (key, bound) => {
    expect(extrasFit({ ...plainExtras, [key]: bound - 1n })).toBe(true);
    expect(extrasFit({ ...plainExtras, [key]: bound })).toBe(false);
  });
});
