import { describe, expect, it } from "vitest";

import {
  extrasFit,
  leastExponent,
  packTerms,
  plainExtras,
  unitsOf,
  type Extras,
  type Grant,
} from "../../../src/policy/grant.ts";
import { grant } from "./operations.ts";

describe("the units of a grant", () => {
  const fits = (part: Partial<Grant>) => unitsOf({ ...grant, ...part }) !== undefined;

  it.each<readonly [keyof Grant, bigint, bigint]>([
    ["bucket", (1n << 24n) - 1n, 1n << 24n],
    ["expiry", (1n << 32n) - 1n, 1n << 32n],
    ["salt", (1n << 20n) - 1n, 1n << 20n],
    ["perCall", 40_000n, 40_001n],
    ["perWindow", 250_000_000n, 250_000_001n],
    ["lifetime", 16_777_215n * 10n ** 63n, 16_777_215n * 10n ** 64n],
    ["gasBudget", 16_777_215n * 10n ** 63n, 16_777_215n * 10n ** 64n],
    ["feeCap", 10n ** 15n, 10n ** 15n + 1n],
  ])("hold %s up to its bits and without rounding", (key, good, bad) => {
    const coarse = { perCall: 0n, perWindow: 0n, feeCap: 0n };
    const rest = good > 1n << 64n ? coarse : {};
    expect(fits({ ...rest, [key]: good })).toBe(true);
    expect(fits({ ...rest, [key]: bad })).toBe(false);
  });
});

it("finds the exponent at which the largest number just fits, or just does not", () => {
  expect([65_535n, 65_536n, 655_359n, 655_360n].map((value) => leastExponent([[value, 16]]))).toEqual([
    0, 1, 1, 2,
  ]);
});

it.each(["perCall", "perWindow", "lifetime", "gasBudget", "feeCap"] as const)(
  "says that %s is no whole multiple of its unit",
  (key) => {
    const units = unitsOf(grant)!;
    expect(() => packTerms({ ...grant, [key]: grant[key] + 1n }, units)).toThrow(
      `${key} ${grant[key] + 1n} is not a whole multiple of`,
    );
  },
);

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
