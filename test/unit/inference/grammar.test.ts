import { expect, test } from "vitest";
import { actionGrammar } from "../../../src/inference/grammar.ts";
import { gbnfToRegExp } from "../../doubles/gbnf.ts";

const tokens = ["USDC", "DAI", "ETH"];
const holdReasons = ["not-a-bill", "unknown-payee", "unclear"];

test("is exactly this text: a grammar is part of a record, and its bytes are hashed", () => {
  expect(actionGrammar({ payees: ["acme", "northwind"], tokens, holdReasons })).toBe(
    String.raw`root ::= r4
r0 ::= "\"" [0-9]{1,12} ("." [0-9]{1,18})? "\""
r1 ::= "\"" [\x20-\x21\x23-\x5B\x5D-\x7E]{0,32} "\""
r2 ::= "{" "\"action\":" "\"transfer\"" ",\"to\":" ("\"acme\"" | "\"northwind\"") ",\"amount\":" r0 ",\"token\":" ("\"USDC\"" | "\"DAI\"" | "\"ETH\"") ",\"reference\":" r1 "}"
r3 ::= "{" "\"action\":" "\"hold\"" ",\"reason\":" ("\"not-a-bill\"" | "\"unknown-payee\"" | "\"unclear\"") "}"
r4 ::= r2 | r3
`,
  );
});

test("without payees or tokens there is nothing to do but hold", () => {
  for (const grammar of [
    actionGrammar({ payees: [], tokens, holdReasons }),
    actionGrammar({ payees: ["acme"], tokens: [], holdReasons }),
  ]) {
    expect('{"action":"hold","reason":"unclear"}').toMatch(gbnfToRegExp(grammar));
    expect(grammar).not.toContain("transfer");
  }
});

test.each(['a"b', "a\\b", "", "naïve", "a\nb", "x".repeat(65)])("refuses the payee %j", (payee) => {
  expect(() => actionGrammar({ payees: ["acme", payee], tokens, holdReasons })).toThrow("payee");
});

test("refuses names that need escaping anywhere, too many names, and no way to refuse", () => {
  expect(() => actionGrammar({ payees: ["acme"], tokens: ['U"'], holdReasons })).toThrow("token");
  expect(() => actionGrammar({ payees: ["acme"], tokens, holdReasons: ["\u{1F600}"] })).toThrow(
    "hold reason",
  );
  expect(() => actionGrammar({ payees: ["acme"], tokens, holdReasons: [] })).toThrow("could not refuse");
  const many = Array.from({ length: 257 }, (_, index) => `p${index}`);
  expect(() => actionGrammar({ payees: many, tokens, holdReasons })).toThrow("256");
});

test("names a payee once", () => {
  expect(actionGrammar({ payees: ["acme", "acme"], tokens, holdReasons })).toContain(
    String.raw`",\"to\":" ("\"acme\"")`,
  );
});

test("names only amounts and references of the message when they are given", () => {
  const grammar = actionGrammar({
    payees: ["acme"],
    tokens,
    holdReasons,
    message: { amounts: ["42.50"], references: ["INV-1042", "PO 7719"] },
  });
  const bill = (amount: string, reference: string) =>
    JSON.stringify({ action: "transfer", to: "acme", amount, token: "DAI", reference });
  for (const reference of ["", "INV-1042", "PO 7719"])
    expect(bill("42.50", reference)).toMatch(gbnfToRegExp(grammar));
  for (const text of [bill("42.5", ""), bill("42.50", "INV-104"), bill("42.50", "PO")])
    expect(text).not.toMatch(gbnfToRegExp(grammar));
  const none = actionGrammar({
    payees: ["acme"],
    tokens,
    holdReasons,
    message: { amounts: [], references: [] },
  });
  expect(none).not.toContain("transfer");
});
