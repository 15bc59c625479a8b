import { describe, expect, test } from "vitest";

import { namesMeasured, namesNotMeasured, type Figures } from "../../bench/gas/measure.ts";
import { compare, readSnapshot, type Snapshot } from "../../bench/gas/snapshot.ts";
import { targets } from "../../bench/gas/targets.ts";
import * as rules from "./rules.ts";
import { importsOf, readSources } from "./sources.ts";

const sources = readSources("bench", ".ts");

describe("bench", () => {
  test("keeps the house's rules", () => {
    expect(sources.length).toBeGreaterThan(5);
    for (const rule of [rules.attics, rules.longFiles, rules.interfaces]) expect(rule(sources)).toEqual([]);
  });

  test("takes nothing but artifacts from packages under the GPL", () => {
    const taken = sources.flatMap(importsOf).filter(({ from }) => from.startsWith("@account-abstraction/"));
    expect(taken.filter(({ from }) => !/\/artifacts\/\w+\.json$/.test(from))).toEqual([]);
    expect(readSources("bench", ".sol")).toEqual([]);
  });
});

describe("the gas snapshot", () => {
  test("has every figure that is measured, and no other", () => {
    expect(Object.keys(readSnapshot().rows)).toEqual(namesMeasured());
    expect(Object.keys(readSnapshot().contracts)).not.toEqual([]);
  });

  test("figures are measured or told as not measured", () => {
    const names = targets.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect([...namesMeasured(), ...namesNotMeasured()].toSorted()).toEqual(names.toSorted());
  });
});

describe("the comparison with the snapshot", () => {
  const snapshot: Snapshot = { rows: { a: 100 }, contracts: { C: 50 } };
  const figures = (txGas: number, bytes = 50, must: number | null = null): Figures => ({
    rows: [{ name: "a", txGas, aim: null, must, ratioToSimpleAccount: 1 }],
    contracts: [{ name: "C", bytes }],
    notMeasured: [],
  });

  test("is content with the same figures", () => {
    expect(compare(figures(100), snapshot)).toEqual({ failures: [], gains: [] });
  });

  test.each<[string, Figures, string]>([
    ["a rise", figures(101), "a rose from 100 to 101 gas."],
    ["more code", figures(100, 51), "C rose from 50 to 51 bytes."],
    [
      "a figure above its limit",
      figures(100, 50, 99),
      "a is above its limit: 100 gas, and 99 at most. Make it cheaper.",
    ],
    [
      "a figure that is gone",
      { ...figures(100), contracts: [] },
      "C is in the snapshot and was not measured.",
    ],
  ])("refuses %s", (_, now, sentence) => {
    expect(compare(now, snapshot).failures).toEqual([sentence]);
  });

  test("refuses a figure that the snapshot does not know", () => {
    expect(compare(figures(100), { rows: {}, contracts: { C: 50 } }).failures).toEqual([
      "a is not in the snapshot: 100 gas.",
    ]);
  });

  test("refuses code that no chain would take", () => {
    expect(compare(figures(100, 24_577), { ...snapshot, contracts: { C: 24_577 } }).failures).toHaveLength(1);
  });

  test("tells what became less", () => {
    expect(compare(figures(90, 40), snapshot)).toEqual({
      failures: [],
      gains: ["a fell from 100 to 90 gas.", "C fell from 50 to 40 bytes."],
    });
  });
});
