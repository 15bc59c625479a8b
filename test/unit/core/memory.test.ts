import { describe, expect, it } from "vitest";

import {
  afterRemembering,
  memoryOf,
  mostMemories,
  readMemories,
  type Memory,
} from "../../../src/core/memory.ts";

const names = (memories: readonly Memory[]) => memories.map(({ name }) => name);
const one = (name: string) => memoryOf(name, name.toUpperCase(), false);

describe("afterRemembering", () => {
  it("puts the written last, replaces by name, and forgets", () => {
    const before = [one("a"), one("b"), one("c")];
    expect(names(afterRemembering(before, [one("a")]))).toEqual(["b", "c", "a"]);
    expect(names(afterRemembering(before, [{ name: "b", value: null }]))).toEqual(["a", "c"]);
    expect(names(afterRemembering(before, []))).toEqual(["a", "b", "c"]);
  });

  it("forgets the one that was written longest ago, beyond the bound", () => {
    const full = Array.from({ length: mostMemories }, (_, index) => one(`m${index}`));
    const after = names(afterRemembering(full, [one("m0"), one("new")]));
    expect(after).toHaveLength(mostMemories);
    expect([after[0], after.at(-2), after.at(-1)]).toEqual(["m2", "m0", "new"]);
  });
});

describe("readMemories", () => {
  it.each([
    [{ "No Name": 1 }, "no name of a memory"],
    [{ __proto__x: 1 }, "no name of a memory"],
    [{ ["a".repeat(33)]: 1 }, "no name of a memory"],
    [{ long: "x".repeat(1023) }, "more than 1024"],
    [{ float: 1.5 }, ""],
  ])("refuses %j", (wanted, words) => {
    expect(() => readMemories(wanted)).toThrow(words);
  });

  it("takes names and values within the bounds, and null to forget", () => {
    const wanted = { "a.b-C": "x".repeat(1022), gone: null, list: [1, "two"] };
    expect(readMemories(wanted)).toBe(wanted);
  });
});
