import { describe, expect, test } from "vitest";
import * as rules from "./rules.ts";
import { codeOnly, importsOf, readSources } from "./sources.ts";

const sources = readSources("src", ".ts");
const interfaces = readSources("contracts/interfaces", ".sol");
const file = (path: string, text: string) => [{ path, text }];

describe("the scanner", () => {
  test("finds every way to import", () => {
    const text = `
      import a from "one";
      import type { B } from "two";
      import {
        c, // a comment with "quotes"
        type D,
      } from 'three';
      import "four";
      export * from "./five.ts";
      export type { E } from "six";
      const f = await import("seven");
      // import g from "no";
      /* import h from "no"; */`;
    expect(importsOf({ path: "src/x.ts", text })).toEqual([
      { from: "one", typeOnly: false },
      { from: "two", typeOnly: true },
      { from: "three", typeOnly: false },
      { from: "four", typeOnly: false },
      { from: "./five.ts", typeOnly: false },
      { from: "six", typeOnly: true },
      { from: "seven", typeOnly: false },
    ]);
  });

  test("tells code from text", () => {
    const seen = codeOnly(
      'a("Date.now()"); // Date.now()\nb(`x ${Date.now()} y`); c = /Date.now"/; d = e / f; g("h");',
    );
    expect(seen.match(/Date\.now/g)).toHaveLength(1);
    expect(seen).toContain("d = e / f");
  });

  test("sees the sources", () => {
    expect(sources.length).toBeGreaterThan(10);
    expect(sources.flatMap(importsOf).length).toBeGreaterThan(sources.length);
  });
});

test("unit tests of the policy need core and policy alone: mutants meet them in a copy of these rooms", () => {
  const tests = readSources("test/unit/policy", ".ts");
  expect(tests.length).toBeGreaterThan(10);
  const far = tests.flatMap((source) =>
    importsOf(source)
      .filter(({ from }) => /^\.\.\/.*\/src\/(?!core\/|policy\/)/.test(from))
      .map(({ from }) => `${source.path}: ${from}`),
  );
  expect(far).toEqual([]);
});

/** Each rule holds for the house, and is shown to fire on something that breaks it. */
const house: readonly [sentence: string, rule: (of: typeof sources) => string[], bad: typeof sources][] = [
  [
    "a room looks only into the rooms the design allows",
    rules.wrongEdges,
    file("src/chain/a.ts", 'import "../journal/b.ts";'),
  ],
  [
    "types obey the same edges",
    rules.wrongEdges,
    file("src/core/a.ts", 'import type { B } from "../policy/b.ts";'),
  ],
  [
    "the command line reaches the effect rooms through runtime",
    rules.wrongEdges,
    file("src/cli/a.ts", 'import "../chain/b.ts";'),
  ],
  [
    "nothing in src imports from outside of it",
    rules.wrongEdges,
    file("src/core/a.ts", 'import "../../test/b.ts";'),
  ],
  ["every folder of src is a room", rules.unknownRooms, file("src/attic/a.ts", "")],
  [
    "a library is known to one room",
    rules.wrongPackages,
    file("src/runtime/a.ts", 'import "node-llama-cpp";'),
  ],
  [
    "pure rooms stay pure",
    rules.wrongPackages,
    file("src/core/a.ts", 'import { readFileSync } from "node:fs";'),
  ],
  [
    "the environment is read in one place",
    rules.reachesFor("environment"),
    file("src/mail/a.ts", "const a = process.env.A;"),
  ],
  ["time is handed in", rules.reachesFor("time"), file("src/core/a.ts", "const a = new Date();")],
  [
    "chance is handed in",
    rules.reachesFor("chance"),
    file("src/core/a.ts", "const a = crypto.randomUUID();"),
  ],
  ["only the command line prints", rules.reachesFor("console"), file("src/runtime/a.ts", "console.log(1);")],
  ["no folder or file is an attic", rules.attics, file("src/core/utils/a.ts", "")],
  ["no file is named a manager", rules.attics, file("src/core/walletManager.ts", "")],
  ["no file has more than 400 lines", rules.longFiles, file("src/core/a.ts", "x\n".repeat(401))],
  ["shapes are types", rules.interfaces, file("src/core/a.ts", "export interface A {}")],
];

describe("src", () => {
  test.each(house)("%s", (_, rule, bad) => {
    expect(rule(bad)).toHaveLength(1);
    expect(rule(sources)).toEqual([]);
  });

  test("has no import cycles at run time", () => {
    const a = { path: "src/core/a.ts", text: 'import { b } from "./b.ts";' };
    const b = { path: "src/core/b.ts", text: 'import { a } from "./a.ts";' };
    const c = { path: "src/core/b.ts", text: 'import type { a } from "./a.ts";' };
    expect(rules.cycles([a, b])).toEqual(["src/core/a.ts → src/core/b.ts → src/core/a.ts"]);
    expect(rules.cycles([a, c])).toEqual([]);
    expect(rules.cycles(sources)).toEqual([]);
  });
});

describe("contracts/interfaces", () => {
  test("explains every event, error and function", () => {
    expect(
      rules.unexplained(file("I.sol", "/// Why.\ninterface I {\n    function f() external;\n}")),
    ).toHaveLength(1);
    expect(interfaces.length).toBeGreaterThan(0);
    expect(rules.unexplained(interfaces)).toEqual([]);
  });
});
