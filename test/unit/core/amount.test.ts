import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { formatUnitsExact, parseUnitsExact } from "../../../src/core/amount.ts";

describe("amounts", () => {
  it("survive the way to text and back, with any number of decimals", () => {
    const input = fc.tuple(fc.bigInt({ min: 0n, max: 10n ** 40n }), fc.nat(36), fc.nat(40));
    fc.assert(
      fc.property(input, ([units, decimals, minFraction]) => {
        const text = formatUnitsExact(units, decimals, minFraction);
        expect(parseUnitsExact(text, decimals)).toBe(units);
        expect(formatUnitsExact(-units, decimals, minFraction)).toBe(units === 0n ? text : `-${text}`);
      }),
    );
  });

  it.each([
    ["42.50", 6, 42_500_000n],
    ["0042.500000000", 6, 42_500_000n],
    ["0", 0, 0n],
    ["1.000", 0, 1n],
    ["0.000001", 6, 1n],
    ["123456789012345678901234567890", 18, 123456789012345678901234567890n * 10n ** 18n],
  ] as const)("reads %s with %d decimals", (text, decimals, units) => {
    expect(parseUnitsExact(text, decimals)).toBe(units);
  });

  it.each([
    "",
    " 1",
    "1 ",
    "-1",
    "+1",
    "1e3",
    "1,000.00",
    "1_000",
    ".5",
    "5.",
    "1.2.3",
    "0x10",
    "١",
    "Infinity",
    "1\n",
    `${"9".repeat(61)}`,
  ])("refuse %j", (text) => {
    expect(() => parseUnitsExact(text, 6)).toThrow(/is not an amount: it has to be digits/);
  });

  it("are never rounded", () => {
    expect(() => parseUnitsExact("0.0000001", 6)).toThrowErrorMatchingInlineSnapshot(`
      [AmountError: "0.0000001" is not an amount: the token has only 6 decimals.
      Write digits with at most one point, for example "42.50".]
    `);
  });

  it.each([
    [42_500_000n, 6, 0, "42.5"],
    [42_500_000n, 6, 2, "42.50"],
    [1n, 18, 2, "0.000000000000000001"],
    [0n, 6, 2, "0.00"],
    [7n, 0, 2, "7"],
    [-1_500_000n, 6, 2, "-1.50"],
  ] as const)("show %d with %d decimals and at least %d as %s", (units, decimals, minFraction, text) => {
    expect(formatUnitsExact(units, decimals, minFraction)).toBe(text);
  });
});
