import { expect, it } from "vitest";

import { diffPolicies } from "../../../src/policy/diff.ts";
import { parsePolicy } from "../../../src/policy/parse.ts";
import { editedEverything } from "./documents.ts";

const withFee = (condition: string) => parsePolicy(editedEverything(["{ in: [500, 3000] }", condition]));
const effects = (before: string, after: string) =>
  diffPolicies(withFee(before), withFee(after)).map(({ effect }) => effect);

it.each<readonly [string, string, readonly string[]]>([
  ["{ in: [500, 501, 502] }", "{ atLeast: 500, atMost: 502 }", []],
  ["{ equals: 500 }", "{ atLeast: 500, atMost: 500 }", []],
  ["{ in: [500, 501] }", "{ atLeast: 500, atMost: 502 }", ["widens"]],
  ["{ in: [500, 502, 504] }", "{ atLeast: 500, atMost: 504 }", ["widens"]],
  ["{ in: [500, 501, 502] }", "{ atLeast: 501, atMost: 502 }", ["narrows"]],
  ["{ in: [500, 501, 502] }", "{ atLeast: 500, atMost: 501 }", ["narrows"]],
  ["{ in: [499, 501] }", "{ atLeast: 500, atMost: 502 }", ["widens", "narrows"]],
  ["{ in: [501, 503] }", "{ atLeast: 500, atMost: 502 }", ["widens", "narrows"]],
  ["{ in: [100, 600] }", "{ atLeast: 500, atMost: 502 }", ["widens", "narrows"]],
  ["{ in: [500, 3000] }", "{ atMost: 3000 }", ["widens"]],
  ["{ in: [500, 3000] }", "{ atLeast: 500 }", ["widens"]],
  ["{ atLeast: 500 }", "{ atMost: 3000 }", ["widens", "narrows"]],
])("compares a list and a range by what they let through: %s, %s", (list, range, expected) => {
  expect(effects(list, range)).toEqual(expected);
  const opposite: Record<string, string> = { widens: "narrows", narrows: "widens" };
  expect(new Set(effects(range, list))).toEqual(new Set(expected.map((effect) => opposite[effect])));
});
