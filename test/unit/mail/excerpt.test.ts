import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { excerptMail } from "../../../src/mail/excerpt.ts";

const excerpt = (subject: string, text: string, max = 420) => excerptMail({ subject, text }, max);

describe("an excerpt", () => {
  it("is the whole mail where nothing is in the way", () => {
    expect(excerpt("Beans", "42.50 USDC for the beans, please.\nRef HC-1\n\nJoel")).toEqual({
      text: "Beans\n42.50 USDC for the beans, please. Ref HC-1\nJoel",
      rule: "whole",
      cut: false,
    });
  });

  it("leaves out greeting, signature and footer", () => {
    const text =
      "Dear Dana Whitlock,\n\nThe bill is $9.00.\n\nThis e-mail and any attachments are confidential. If you are not the\nintended recipient, delete it.\n\nUnsubscribe: here\n\n--\nTom\nBig Corp $1";
    expect(excerpt("Bill", text)).toEqual({ text: "Bill\nThe bill is $9.00.", rule: "stripped", cut: false });
  });

  it("takes a greeting off the sentence it opens", () => {
    expect(excerpt("Bill", "Hi Dana, it is $9.00.")).toEqual({
      text: "Bill\nit is $9.00.",
      rule: "stripped",
      cut: false,
    });
    expect(excerpt("Bill", "Hi there everybody in the office today who reads this it is $9.00.").rule).toBe(
      "whole",
    );
  });

  it("keeps a footer that names money", () => {
    expect(excerpt("Bill", "VAT no. 12 - total due $9.00").text).toContain("$9.00");
  });

  it.each([
    [
      "wrapped attribution",
      "It is $9.00.\n\nOn Tue, 3 Mar 2026 at 10:00, Dana Whitlock\n<d@x.example> wrote:\n> Was it $8.00?",
    ],
    ["answers between quotes", "On Tue, 3 Mar 2026 Dana wrote:\n> How much?\nIt is $9.00.\n> For $8.00?"],
    [
      "Outlook, classic",
      "It is $9.00.\n\n-----Original Message-----\nFrom: D\nSent: x\nTo: y\n\nWas it $8.00?",
    ],
    [
      "Outlook, new",
      "It is $9.00.\n\n________________________________\nFrom: D\nSent: x\nTo: y\nSubject: z\n\nWas it $8.00?",
    ],
    ["unquoted history", "It is $9.00.\n\nOn 3 March 2026 Dana wrote:\n\nWas it $8.00?"],
  ])("leaves out quoted history: %s", (_, text) => {
    expect(excerpt("Re: Bill", text).text).toBe("Bill\nIt is $9.00.");
  });

  it.each([
    [
      "Gmail",
      "See below.\n\n---------- Forwarded message ---------\nFrom: A <a@x.example>\nDate: x\nSubject: Bill\nTo: D\n\nDear D,\n\nIt is $9.00.",
    ],
    [
      "Apple Mail",
      "See below.\n\nBegin forwarded message:\n\n> From: A <a@x.example>\n> Subject: Bill\n> Date: x\n> To: D\n>\n> Hi D,\n>\n> It is $9.00.\n>\n> On 1 March 2026 D wrote:\n>> Is it $8.00?",
    ],
    [
      "Thunderbird",
      "See below.\n\n-------- Forwarded Message --------\nSubject: Bill\nDate: x\nFrom: A\nTo: D\n\nIt is $9.00.",
    ],
    [
      "Outlook",
      "See below.\n\n-----Original Message-----\nFrom: A\nSent: x\nTo: D\nSubject: Bill\n\nIt is $9.00.",
    ],
    [
      "Outlook, new, own signature above",
      "See below.\n--\nSam\n\n________________________________\nFrom: A\nSent: x\nTo: D\nSubject: Bill\n\nIt is $9.00.",
    ],
    [
      "twice forwarded",
      "See below.\n\n---------- Forwarded message ---------\nFrom: A\nTo: B\n\n---------- Forwarded message ---------\nFrom: C\nTo: A\n\nIt is $9.00.",
    ],
  ])("takes the forwarded message as the content: %s", (_, text) => {
    expect(excerpt("Fwd: Bill", text).text).toBe("Bill\nSee below. It is $9.00.");
  });

  it("keeps quotes where there is nothing else", () => {
    expect(excerpt("Bill", "> It is $9.00.").text).toBe("Bill\nIt is $9.00.");
  });

  it("chooses the sentences about money where the mail is too long", () => {
    const filler = "We had a lovely day at the sea with all of our friends. ";
    const cut = excerpt(
      "News",
      `${filler.repeat(20)}The total due is $1,042.50 for INV-7. ${filler.repeat(20)}`,
      200,
    );
    expect(cut).toMatchObject({ rule: "payment-sentences", cut: true });
    expect(cut.text).toContain("The total due is $1,042.50 for INV-7.");
    expect(cut.text.startsWith("News\nWe had a lovely day")).toBe(true);
  });

  it("chooses words around the amount where no sentence fits", () => {
    const cut = excerpt(
      "News",
      `${"and so on ".repeat(100)}for 1,042.50 USDC and ${"and so on ".repeat(100)}`,
      60,
    );
    expect(cut).toMatchObject({ rule: "payment-words", cut: true });
    expect(cut.text).toContain("1,042.50 USDC");
  });

  it("does not end a sentence at an abbreviation or a decimal point", () => {
    const cut = excerpt(
      "x",
      `${"Blah blah blah blah. ".repeat(30)}Invoice No. 7 of Acme Ltd. Company is $3.50 in all.`,
      90,
    );
    expect(cut.text).toContain("Invoice No. 7 of Acme Ltd. Company is $3.50 in all.");
  });
});

const word = fc.oneof(
  fc.constantFrom(
    "$42.50",
    "1,042.50 USDC",
    "INV-7",
    "due",
    "total",
    "Ltd.",
    "-----Original Message-----",
    "> x",
    "--",
  ),
  fc.stringMatching(/^[a-zA-Z0-9.,$:>-]{1,12}$/),
);
const text = fc
  .array(fc.tuple(word, fc.constantFrom(" ", " ", " ", "\n", ". ", "\n\n")), { maxLength: 120 })
  .map((pairs) => pairs.flat().join(""));

describe("whatever the mail, an excerpt", () => {
  const squeezed = (value: string) => value.replace(/[\s>]+/g, "");

  it("fits, is deterministic and invents nothing", () => {
    fc.assert(
      fc.property(word, text, fc.integer({ min: 0, max: 500 }), (subject, body, max) => {
        const one = excerpt(subject, body, max);
        expect(one.text.length).toBeLessThanOrEqual(max);
        expect(excerpt(subject, body, max)).toEqual(one);
        const source = squeezed(`${subject}\n${body}`);
        for (const line of one.text.split("\n"))
          for (const part of line.split(/(?<=[.!?,;:]) /)) expect(source).toContain(squeezed(part));
      }),
      { numRuns: 400, seed: 7 },
    );
  });

  it("never shows a part of a number", () => {
    fc.assert(
      fc.property(text, fc.integer({ min: 0, max: 300 }), (body, max) => {
        const numbers = new Set(` ${body} `.match(/(?<![\d.,])\d[\d.,]*/g));
        for (const number of excerpt("Bill", body, max).text.match(/(?<![\d.,])\d[\d.,]*/g) ?? [])
          expect(numbers).toContain(number);
      }),
      { numRuns: 400, seed: 7 },
    );
  });

  it("is cut exactly when the rule says so", () => {
    fc.assert(
      fc.property(text, fc.integer({ min: 0, max: 300 }), (body, max) => {
        const { rule, cut } = excerpt("Bill", body, max);
        expect(cut).toBe(rule.startsWith("payment"));
      }),
      { seed: 7 },
    );
  });

  it.each(["a ", "> a\n", "On 1 wrote\n", "USD", "$1 ", "1,", "From: a\n", ". ", "A.", "(", "\n"])(
    "is cheap on %j without end",
    (unit) => {
      const started = process.cpuUsage();
      excerpt("x", unit.repeat(1e6 / unit.length));
      const { user, system } = process.cpuUsage(started);
      expect((user + system) / 1e6).toBeLessThan(2);
    },
  );
});
