import { expect, test } from "vitest";
import { actionGrammar } from "../../../src/inference/grammar.ts";

const tokens = ["USDC", "DAI", "ETH"];
const holdReasons = ["not-a-bill", "unknown-payee", "unclear"];

test("is exactly this text: a grammar is part of a record, and its bytes are hashed", () => {
  expect(actionGrammar({ payees: ["acme", "northwind"], tokens, holdReasons })).toBe(
    String.raw`root ::= transfer | hold
transfer ::= "{\"action\":\"transfer\",\"to\":\"" payee "\",\"amount\":\"" amount "\",\"token\":\"" token "\",\"reference\":\"" reference "\"}"
payee ::= "acme" | "northwind"
token ::= "USDC" | "DAI" | "ETH"
amount ::= [0-9]{1,12} ("." [0-9]{1,18})?
reference ::= [\x20-\x21\x23-\x5B\x5D-\x7E]{0,32}
hold ::= "{\"action\":\"hold\",\"reason\":\"" reason "\"}"
reason ::= "not-a-bill" | "unknown-payee" | "unclear"
`,
  );
});

test("without payees or tokens there is nothing to do but hold", () => {
  for (const grammar of [
    actionGrammar({ payees: [], tokens, holdReasons }),
    actionGrammar({ payees: ["acme"], tokens: [], holdReasons }),
  ]) {
    expect(grammar).toMatch(/^root ::= hold\n/);
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
  expect(actionGrammar({ payees: ["acme", "acme"], tokens, holdReasons })).toContain('payee ::= "acme"\n');
});

test("names only amounts and references of the message when they are given", () => {
  const grammar = actionGrammar({
    payees: ["acme"],
    tokens,
    holdReasons,
    message: { amounts: ["42.50"], references: ["INV-1042", "PO 7719"] },
  });
  expect(grammar).toContain('amount ::= "42.50"\n');
  expect(grammar).toContain('reference ::= "" | "INV-1042" | "PO 7719"\n');
  const none = actionGrammar({
    payees: ["acme"],
    tokens,
    holdReasons,
    message: { amounts: [], references: [] },
  });
  expect(none).not.toContain("transfer");
});
