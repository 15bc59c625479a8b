import { expect, it } from "vitest";

import { locateIn } from "../../../src/policy/locate.ts";
import { parsePolicy } from "../../../src/policy/parse.ts";
import { edited } from "./documents.ts";

const text = `payees:
  acme:
    address: "0x06"
    senders: [a.example, b.example]
limits:
  - window: 24h
flow: { alone }
`;
const { locate } = locateIn(text);
const place = (...args: Parameters<typeof locate>) => {
  const { line, column } = locate(...args);
  return `${line}:${column}`;
};

it.each<readonly [string, readonly (string | number)[], string, string]>([
  ["the document", [], "1:1", "1:1"],
  ["a map", ["payees", "acme"], "3:5", "2:3"],
  ["a value in a map", ["payees", "acme", "address"], "3:14", "3:5"],
  ["an entry of a list", ["payees", "acme", "senders", 1], "4:26", "4:26"],
  ["a value in an entry", ["limits", 0, "window"], "6:13", "6:5"],
  ["a key without a value", ["flow", "alone"], "7:9", "7:9"],
])("finds %s, and its key", (_, path, value, key) => {
  expect([place(path), place(path, true)]).toEqual([value, key]);
});

it.each<readonly [string, readonly (string | number)[], string]>([
  ["the document, of an unknown section", ["gas", "budget"], "1:1"],
  ["the entry, of a key", ["payees", "acme", "purse"], "3:5"],
  ["the list, of an entry", ["limits", 3, "window"], "6:3"],
  ["the value, of what would be inside of it", ["limits", 0, "window", "hours"], "6:13"],
  ["the key, of what would be in nothing", ["flow", "alone", "more"], "7:9"],
])("finds the nearest that exists where there is no such place: %s", (_, path, expected) => {
  expect([place(path), place(path, true)]).toEqual([expected, expected]);
});

it("reads no text that another reader of YAML may refuse", () => {
  // The bracket at the end is not indented.
  expect(() =>
    parsePolicy(edited(["senders: [acme.example]", "senders: [\nacme.example\n]"]), "a.yaml"),
  ).toThrow(/a\.yaml:10:1 .*indent/);
});
