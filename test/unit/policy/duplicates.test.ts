import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { findEarlier, normaliseReference, type EarlierPayment } from "../../../src/policy/duplicates.ts";

const paid: EarlierPayment = {
  payee: "acme",
  address: "0xac",
  reference: "INV-1042",
  references: ["INV-1042"],
  amountUnits: "42500000",
  asset: "0x01",
  at: 1_000_000_000,
  words: "42.50 USDC for bill.eml",
};
const day = 86_400;
const bill = {
  payee: "acme",
  address: "0xac",
  reference: "INV-1042",
  references: ["INV-1042"] as readonly string[],
  amountUnits: "42500000",
  asset: "0x01",
  at: paid.at + 30 * day,
};
const kindOf = (part: Partial<typeof bill>, earlier: readonly EarlierPayment[] = [paid]) =>
  findEarlier({ ...bill, ...part }, earlier)?.kind ?? null;

describe("normaliseReference", () => {
  it.each([
    "INV-1042",
    "inv 1042",
    "Inv. 1042",
    "#inv/1042",
    "ＩＮＶ－１０４２",
    "inv\u00a01042",
    "iNV_1042\n",
  ])("reads %j as INV1042", (reference) => {
    expect(normaliseReference(reference)).toBe("INV1042");
  });

  it("says the same of a reference that it has normalised", () => {
    fc.assert(
      fc.property(fc.string(), (reference) => {
        const once = normaliseReference(reference);
        expect(normaliseReference(once)).toBe(once);
      }),
    );
  });

  it("tells references apart that differ in a letter or a digit", () => {
    expect(new Set(["INV-1042", "INV-1043", "INW-1042", "INV-01042"].map(normaliseReference)).size).toBe(4);
  });
});

describe("findEarlier", () => {
  it("finds the same bill however its reference is written, and whatever its amount", () => {
    expect(kindOf({ reference: "inv 1042", amountUnits: "1" })).toBe("same");
    expect(findEarlier(bill, [paid])?.words).toBe("acme INV-1042 was paid before: 42.50 USDC for bill.eml.");
  });

  it("takes a reference without separators for the same as one with them, on either side", () => {
    const [whole, parted] = [{ reference: "A112" }, { reference: "A1/12" }];
    expect(kindOf(whole, [{ ...paid, ...parted }])).toBe("same");
    expect(kindOf(parted, [{ ...paid, ...whole }])).toBe("same");
    expect(kindOf({ reference: "A1 -- 12" }, [{ ...paid, ...parted }])).toBe("same");
  });

  it("names all that it looks like, so that one more is another question", () => {
    const like = (number: number): EarlierPayment => ({
      ...paid,
      reference: `AC-55${number}`,
      references: [],
      at: bill.at - day * (9 - number),
      words: `bill ${number}`,
    });
    const wordsOf = (...numbers: readonly number[]) => findEarlier(bill, numbers.map(like))?.words;
    expect(wordsOf(1)).toBe("This may have been paid before: bill 1.");
    expect(wordsOf(1, 2)).toBe("This may have been paid before: bill 2; bill 1.");
    expect(wordsOf(2, 1)).toBe(wordsOf(1, 2));
    const [one, other] = [1, 2].map((number) => ({ ...like(number), at: bill.at }));
    expect(findEarlier(bill, [one!, other!])?.words).toBe("This may have been paid before: bill 1; bill 2.");
    expect(findEarlier(bill, [other!, one!])?.words).toBe("This may have been paid before: bill 1; bill 2.");
    const many = "This may have been paid before: bill 7; bill 6; bill 5; bill 4; bill 3";
    expect(wordsOf(3, 4, 5, 6, 7)).toBe(`${many}.`);
    expect(wordsOf(1, 2, 3, 4, 5, 6, 7)).toBe(`${many}; 2 more.`);
  });

  it("knows a payee by its address, whatever the policy calls it now", () => {
    expect(kindOf({ payee: "acme-hosting" })).toBe("same");
    expect(kindOf({ payee: "acme-hosting", reference: "1042" })).toBe("similar");
    expect(kindOf({ address: "0x0f" })).toBe("same");
  });

  it("leaves a bill to a person when nobody knows whether it was the same payee's", () => {
    const unknown = { ...paid, address: null };
    expect(kindOf({ payee: "acme-hosting" }, [unknown])).toBe("similar");
    expect(kindOf({ payee: "acme-hosting", reference: "B-7", references: [] }, [unknown])).toBeNull();
    expect(kindOf({}, [unknown])).toBe("same");
  });

  it.each<readonly [string, Partial<typeof bill>, readonly EarlierPayment[]]>([
    ["whose digits agree", { reference: "1042" }, [paid]],
    ["whose letters differ only", { reference: "RE-1042" }, [paid]],
    ["without a reference, of the same amount", { reference: "" }, [paid]],
    ["of the same amount as one without a reference", {}, [{ ...paid, reference: "" }]],
    [
      "of the same amount, long after one without a reference",
      {},
      [{ ...paid, reference: "", references: [] }],
    ],
    ["without a reference, of the same amount, long after", { reference: "", references: [] }, [paid]],
    [
      "of the same amount three weeks later",
      { reference: "B-7", references: ["B-7"], at: paid.at + 21 * day },
      [paid],
    ],
    [
      "whose reference grew a tail",
      { reference: "INV-1042-R1", references: ["INV-1042-R1"], amountUnits: "1" },
      [paid],
    ],
    [
      "in a message that speaks of the paid one",
      { reference: "AC-5531", references: ["AC-5531", "INV-1042"], amountUnits: "1" },
      [paid],
    ],
    [
      "that the paid one's message spoke of",
      { reference: "AC-5531", references: ["AC-5531"], amountUnits: "1" },
      [{ ...paid, references: ["INV-1042", "AC-5531"] }],
    ],
    [
      "whose separators stand elsewhere",
      { reference: "A11/2", references: ["A11/2"], amountUnits: "1" },
      [{ ...paid, reference: "A1/12", references: ["A1/12"] }],
    ],
    [
      "of few letters whose separators stand elsewhere",
      { reference: "A1/2", references: ["A1/2"], amountUnits: "1" },
      [{ ...paid, reference: "A/12", references: ["A/12"] }],
    ],
    [
      "whose three digits agree, in other letters",
      { reference: "RE-104", references: ["RE-104"], amountUnits: "1" },
      [{ ...paid, reference: "INV-104", references: ["INV-104"] }],
    ],
    [
      "whose four letters stand in the paid one's message",
      { reference: "AC-55", references: ["AC-55"], amountUnits: "1" },
      [{ ...paid, references: ["INV-1042", "AC-55"] }],
    ],
    [
      "whose short reference grew a tail",
      { reference: "123-R1", references: ["123-R1"], amountUnits: "1" },
      [{ ...paid, reference: "123", references: ["123"] }],
    ],
    [
      "that speaks of a paid one's short reference",
      { reference: "REM-9001", references: ["REM-9001", "123"], amountUnits: "1" },
      [{ ...paid, reference: "123", references: ["123"] }],
    ],
    [
      "whose short reference stands in the paid one's message, without its separator",
      { reference: "A-5", references: ["A-5"], amountUnits: "1" },
      [{ ...paid, references: ["INV-1042", "A5"] }],
    ],
    [
      "that speaks of a third number, as the paid one's message did",
      { reference: "REM-0088", references: ["REM-0088", "inv 104"], amountUnits: "1" },
      [{ ...paid, reference: "PO-7719", references: ["PO-7719", "INV-104", "INV-104"] }],
    ],
    [
      "that speaks of a third number that ends in a letter",
      { reference: "REM-0088", references: ["REM-0088", "104-A"], amountUnits: "1" },
      [{ ...paid, reference: "PO-7719", references: ["PO-7719", "104-A"] }],
    ],
    [
      "whose four letters are a part of another's",
      { reference: "AC-55", references: ["AC-55"], amountUnits: "1" },
      [{ ...paid, references: ["INV-1042", "BAC-55"] }],
    ],
    [
      "of letters alone whose separators stand elsewhere",
      { reference: "A/BC", references: [], amountUnits: "1" },
      [{ ...paid, reference: "AB/C", references: [] }],
    ],
    ["without a letter or a digit in its reference", { reference: "#", references: [] }, [paid]],
    [
      "of the same amount a second before the month is over",
      { reference: "B-7", references: ["B-7"], at: paid.at + 25 * day - 1 },
      [paid],
    ],
    ["without a reference, like one without a reference", { reference: " - " }, [{ ...paid, reference: "" }]],
  ])("leaves a bill %s to a person", (_, part, earlier) => {
    expect(kindOf(part, earlier)).toBe("similar");
  });

  it.each<readonly [string, Partial<typeof bill>, readonly EarlierPayment[]]>([
    ["of another payee", { payee: "northwind", address: "0x0f" }, [paid]],
    ["with another number, a month later", { reference: "INV-1043", references: ["INV-1043"] }, [paid]],
    ["without a reference, of another amount", { reference: "", references: [], amountUnits: "1" }, [paid]],
    ["without a reference, in another asset", { reference: "", references: [], asset: "0x02" }, [paid]],
    [
      "with two digits in common",
      { reference: "A-42", references: ["A-42"] },
      [{ ...paid, reference: "B-42", references: ["B-42"] }],
    ],
    [
      "of the same amount 25 days later",
      { reference: "B-7", references: ["B-7"], at: paid.at + 25 * day },
      [paid],
    ],
    [
      "of another amount, when neither has a letter or a digit in its reference",
      { reference: "#", references: [], amountUnits: "1" },
      [{ ...paid, reference: "-", references: [] }],
    ],
    [
      "whose three letters stand in the paid one's message",
      { reference: "A-5", references: ["A-5"], amountUnits: "1" },
      [{ ...paid, references: ["INV-1042", "A-55"] }],
    ],
    [
      "that only begins with the letters of a short reference",
      { reference: "AB-7", references: ["AB-7"], amountUnits: "1" },
      [{ ...paid, reference: "AB", references: ["AB"] }],
    ],
    [
      "whose short reference is the end of another",
      { reference: "7-123", references: ["7-123", "1234"], amountUnits: "1" },
      [{ ...paid, reference: "123", references: ["123"] }],
    ],
    ...["0449128", "ABCDEF", "VAT 19"].map(
      (third): readonly [string, Partial<typeof bill>, readonly EarlierPayment[]] => [
        `that has ${third} in common with the paid one's message`,
        { reference: "B-7", references: ["B-7", third], amountUnits: "1" },
        [{ ...paid, references: ["INV-1042", third] }],
      ],
    ),
    [
      "that has a number in common with each message of the payee",
      { reference: "B-7", references: ["B-7", "K1102938"], amountUnits: "1" },
      [
        { ...paid, references: ["INV-1042", "K1102938"] },
        { ...paid, reference: "INV-1043", references: ["INV-1043", "K1102938"] },
      ],
    ],
    ["when nothing was paid", {}, []],
  ])("lets a bill pass %s", (_, part, earlier) => {
    expect(kindOf(part, earlier)).toBeNull();
  });

  it("prefers the same bill to one that is similar, in any order", () => {
    const similar = { ...paid, reference: "RE-1042" };
    expect(kindOf({}, [similar, paid])).toBe("same");
    expect(kindOf({}, [paid, similar])).toBe("same");
  });
});
