import fc from "fast-check";
import { expect, test } from "vitest";

import {
  amountsIn,
  candidateAmounts,
  candidateReferences,
  mayMeanPayee,
  namesPayee,
  referencesIn,
} from "../../../src/policy/occurrences.ts";

test("finds amounts without their thousands separators, in order, each once", () => {
  expect(amountsIn("Net 1,204.50, VAT 240.90; total $1,445.40 by 3 May. 1,204.50 again.")).toEqual([
    "1204.50",
    "240.90",
    "1445.40",
    "3",
  ]);
  expect(amountsIn("12\u00a0000 and 12'000.5, 2 235.00")).toEqual([
    "12000",
    "12",
    "000",
    "12000.5",
    "2",
    "235.00",
  ]);
  expect(amountsIn("no numbers here")).toEqual([]);
});

test("offers no amount that an action could not hold", () => {
  expect(candidateAmounts("1234567890123456 and 5")).toEqual(["5"]);
});

test("offers the amounts that stand beside a currency the agent pays in, if there are any", () => {
  expect(candidateAmounts("2 chairs at $235.00, total 470.00 USDC, by 14 May")).toEqual(["235.00", "470.00"]);
  expect(candidateAmounts("Amount due: 129.00, invoice 7")).toEqual(["129.00", "7"]);
  expect(candidateAmounts("USD 1,204.50 or 12 dollars")).toEqual(["1204.50", "12"]);
});

test("offers no foreign money", () => {
  expect(candidateAmounts("Bitte 320,00 € bis 14. Mai, netto 268.90 EUR")).toEqual([]);
  for (const money of ["euro", "pound", "franc", "euros", "pounds", "francs"])
    expect(candidateAmounts(`Please pay 320 ${money}`)).toEqual([]);
  expect(candidateAmounts("320 EUR, that is $347.10")).toEqual(["347.10"]);
});

test("takes no year, date, day, price or small count for a reference", () => {
  expect(referencesIn("On 2026-02-14 or 14/02/2026, the 3rd, in 2026: 129.00, 12 pieces, USD 4711")).toEqual([
    "4711",
  ]);
});

test("offers a page of candidates of a kind, and no more", () => {
  const many = Array.from({ length: 40 }, (_, index) => `R-${100 + index}`);
  expect(referencesIn(many.join(", "))).toEqual(many.slice(0, 32));
  expect(referencesIn("AB 1234 CD-5678", 1)).toHaveLength(1);
  expect(candidateAmounts(many.join(", "))).toHaveLength(32);
});

test("takes no long word for a reference, with its prefix or without", () => {
  const word = (length: number) => `X${"1".repeat(length - 1)}`;
  expect(referencesIn(`${word(32)} ${word(33)}`)).toEqual([word(32)]);
  expect(referencesIn(`AB ${word(29)}, CD ${word(30)}`)).toEqual([word(29), `AB ${word(29)}`, word(30)]);
});

test("reads a mail that is one word of signs as fast as any other", () => {
  // Quadratic, each of them takes minutes.
  for (const sign of ["-", ".", "_", "/", "-a-", "#", "A ", "1,"])
    expect(candidateReferences(`a${sign.repeat(1_000_000)}a INV-7`).length).toBeLessThanOrEqual(32);
  expect(referencesIn(`INV-7${"-".repeat(1_000_000)} INV-8`)).toEqual(["INV-7", "INV-8"]);
});

test("takes a word that only begins like a currency for a prefix", () => {
  expect(referencesIn("DAIRY 7719, DAI 7720")).toEqual(["7719", "DAIRY 7719", "7720"]);
});

test("takes what ends a sentence for no part of a reference, and no currency for a prefix", () => {
  expect(referencesIn("See INV-77.-. and EUR 4712, USDC 4713; AUSD 4714, a9 14/02")).toEqual([
    "INV-77",
    "4712",
    "4713",
    "4714",
    "AUSD 4714",
    "a9",
  ]);
});

test("reads thousands however often they are parted, and no number inside of another", () => {
  expect(amountsIn("1,204,500.50 and 7.,'")).toEqual(["1204500.50", "7"]);
  expect(amountsIn("1.2.3 and 12,34.5")).toEqual([]);
  expect(amountsIn("5\u00a0\u00a06")).toEqual(["5", "6"]);
  expect(amountsIn("5,\u00a06.,\u00a07")).toEqual(["5", "6", "7"]);
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

test("knows a payee by any of its names, as whole words", () => {
  const lindqvist = { name: "lindqvist", names: ["Åsa Lindqvist Översättningar"] };
  const coffee = { name: "harbor-coffee", names: [] };
  expect(namesPayee("From: asa lindqvist oversattningar", lindqvist)).toBe(true);
  expect(namesPayee("LINDQVIST'S bill", lindqvist)).toBe(true);
  expect(namesPayee("Lindqvistson & Co", lindqvist)).toBe(false);
  for (const text of ["Harbor Coffee Roasters", "harbor-coffee", "HARBORCOFFEE ltd", "from harbor\ncoffee"])
    expect(namesPayee(text, coffee)).toBe(true);
  for (const text of ["Harbor Books", "coffee harbor", ""]) expect(namesPayee(text, coffee)).toBe(false);
});

test("knows a name with other accents, and takes one of signs alone for no name", () => {
  const asa = { name: "a-co", names: ["Åsa Öst!"] };
  for (const text of ["asa ost writes", "ÅSA ÖST", "(åsa, öst)"]) expect(namesPayee(text, asa)).toBe(true);
  for (const text of ["", "a - b", "--- !"])
    expect(namesPayee(text, { name: "x", names: ["---"] })).toBe(false);
});

test("offers no amount beside its currency as a reference, and a bare number still", () => {
  expect(
    candidateReferences("Invoice 4711: $1,815 by Friday, USD 99 and 360 DAI, orders 360, 815-A and PO 7719"),
  ).toEqual(["4711", "360", "815-A", "7719", "PO 7719"]);
  expect(candidateReferences("$100-7X")).toEqual(["7X"]);
  expect(candidateReferences("Rent, 1450, flat 311")).toEqual(["1450", "311"]);
});

test("a text may mean a payee when it has one telling word of its names", () => {
  const meant = (text: string, name: string, ...names: string[]) => mayMeanPayee(text, { name, names });
  expect(meant("From: John Smith", "j-smith")).toBe(true);
  expect(meant("Åsa wrote", "asa-lind")).toBe(true);
  expect(meant("the HARBOR is closed", "harbor-coffee")).toBe(true);
  expect(meant("HarborCoffee's bill", "harbor-coffee")).toBe(true);
  expect(meant("Huber Immobilien", "landlord", "Huber & Co")).toBe(true);
  expect(meant("Harbour tea", "harbor-coffee")).toBe(false);
  expect(meant("smithy", "j-smith")).toBe(false);
  // Short words tell nothing, but for the whole name.
  expect(meant("J. Jones & co", "J & Co")).toBe(false);
  expect(meant("pay J & Co", "J & Co")).toBe(true);
  expect(meant("co-op of J", "j-co-baker")).toBe(false);
  expect(meant("pay hp", "hp")).toBe(true);
  expect(meant("anything", "--")).toBe(false);
});

test("whoever a text names, it may mean", () => {
  const name = fc.stringMatching(/^[a-z]{1,8}(-[a-z0-9]{1,8}){0,3}$/);
  fc.assert(
    fc.property(
      name,
      fc.string(),
      fc.string(),
      fc.constantFrom("-", " ", ""),
      (payee, before, after, glue) => {
        const text = `${before} ${payee.replaceAll("-", glue)} ${after}`;
        expect(mayMeanPayee(text, { name: payee, names: [] })).toBe(true);
      },
    ),
  );
});
