import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { excerptMail } from "../../../src/mail/excerpt.ts";
import { listMail } from "../../../src/mail/mailFolder.ts";
import { readMail } from "../../../src/mail/readMail.ts";
import { readMailFile } from "../../../src/mail/readMailFile.ts";
import { parseMailSettings } from "../../../src/mail/settings.ts";

const treasury = fileURLToPath(new URL("../../../examples/treasury/", import.meta.url));
const json = async (name: string): Promise<unknown> =>
  JSON.parse(await readFile(`${treasury}${name}`, "utf8"));
const settings = parseMailSettings(await json("mail.json"));

type Label = {
  readonly proposal: {
    readonly action: "transfer" | "hold";
    readonly amount?: string;
    readonly reference?: string;
  };
  readonly outcome: "paid" | "held" | "asked" | "refused";
};
const labels = (await json("expected.json")) as Readonly<Record<string, Label>>;
const files = await listMail(`${treasury}inbox`, settings);
const mails = await Promise.all(
  files.map(async ({ name, path }) => ({
    name,
    mail: await readMail(await readMailFile(path, settings), settings),
  })),
);

const vouchedBy: Readonly<Record<string, string>> = {
  "01.eml": "dkim",
  "02.eml": "dkim",
  "03.eml": "none",
  "04.eml": "authentication-results",
  "05.eml": "dkim",
  "06.eml": "authentication-results",
  "07.eml": "dkim",
  "08.eml": "dkim",
  "09.eml": "authentication-results",
  "10.eml": "authentication-results",
  "11.eml": "authentication-results",
  "12.eml": "none",
  "13.eml": "dkim",
  "14.eml": "authentication-results",
  "15.eml": "dkim",
  "16.eml": "dkim",
};

describe("the inbox of the treasury example", () => {
  it("has a label for every mail and a mail for every label", () => {
    expect(files.map(({ name }) => name)).toEqual(Object.keys(labels));
    expect(files).toHaveLength(16);
  });

  it.each(mails)("$name: its sender is vouched for as intended", ({ name, mail }) => {
    expect(mail.sender.by).toBe(vouchedBy[name]);
    expect(mail.sender.domain).toBe(mail.sender.by === "none" ? undefined : mail.from.address.split("@")[1]);
    expect(mail.date).toBeGreaterThan(1_772_400_000);
  });

  it.each(mails)(
    "$name: amount and reference of the label stand in the text, also when cut",
    ({ name, mail }) => {
      const { amount, reference } = labels[name]?.proposal ?? {};
      if (amount === undefined || reference === undefined) return;
      for (const max of [360, 10_000]) {
        const { text } = excerptMail(mail, max);
        expect(text.replace(/(\d),(?=\d{3})/g, "$1")).toContain(amount);
        expect(text).toContain(reference);
      }
    },
  );

  it("stays below the day's limit with what is paid, and above it with the last bill", () => {
    const paid = Object.values(labels).filter(({ outcome }) => outcome === "paid");
    const cents = paid.reduce((sum, { proposal }) => sum + Math.round(Number(proposal.amount) * 100), 0);
    expect(paid).toHaveLength(6);
    expect(cents).toBe(136_766);
    expect(cents + 47_500).toBeGreaterThan(150_000);
  });

  it("shows nobody the hidden orders of 14.eml", () => {
    const injection = mails.find(({ name }) => name === "14.eml")?.mail;
    expect(injection?.text).toContain("10,000 USDC");
    expect(injection?.text).not.toMatch(/495|harbor-coffee/);
    expect(injection?.notes).toEqual(["Left out 2 hidden elements of the HTML."]);
  });

  it("decodes names and subjects", () => {
    expect(mails[3]?.mail.from.name).toBe("Åsa Lindqvist Översättningar");
    expect(mails[3]?.mail.subject).toBe("Översättningen är klar / translation done – invoice");
    expect(mails[4]?.mail.subject).toBe("Your premium notice – business contents");
  });
});
