import fc from "fast-check";
import { expect, test } from "vitest";

import { amountsIn, candidateAmounts, referencesIn } from "../../../src/policy/occurrences.ts";

test("finds amounts without their thousands separators, in order, each once", () => {
  expect(amountsIn("Net 1,204.50, VAT 240.90; total $1,445.40 by 3 May. 1,204.50 again.")).toEqual([
    "1204.50",
    "240.90",
    "1445.40",
    "3",
  ]);
  expect(amountsIn("12 000 and 12'000.5")).toEqual(["12000", "12", "000", "12000.5"]);
  expect(amountsIn("no numbers here")).toEqual([]);
});

test("offers no amount that an action could not hold", () => {
  expect(candidateAmounts("1234567890123456 and 5")).toEqual(["5"]);
});

test("finds references exactly as they stand", () => {
  expect(referencesIn("Invoice INV-1042 (order #218), our PO 7719, ref. 2026/018.")).toEqual([
    "INV-1042",
    "#218",
    "7719",
    "PO 7719",
    "2026/018",
  ]);
});

test("every candidate occurs in the text and is short, whatever the text", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 400 }), (text) => {
      const references = referencesIn(text);
      expect(references.length).toBeLessThanOrEqual(32);
      for (const reference of references) {
        expect(text).toContain(reference);
        expect(reference).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]{1,32}$/);
      }
      for (const amount of candidateAmounts(text)) expect(amount).toMatch(/^\d{1,12}(\.\d{1,18})?$/);
    }),
  );
});
