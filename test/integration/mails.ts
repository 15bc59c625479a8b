import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The operator's own server, the one whose word on senders is believed. */
export const mailSettings = { trustedServers: ["mx.bursar.example"] };

export type Bill = {
  readonly to: string;
  /** Whole tokens, e.g. "42.50". */
  readonly amount: string;
  readonly reference: string;
  /** Domain that the mail claims to be from; `to`.example when not given. */
  readonly domain?: string;
  /** false: nobody vouches for the sender. */
  readonly authenticated?: boolean;
  /** Words around the bill, so that two mails with one bill are different mails. */
  readonly greeting?: string;
};

/** A mail that asks for one payment, in the words that the scripted reader understands. */
export function billMail(bill: Bill): string {
  const domain = bill.domain ?? `${bill.to}.example`;
  const passed = `dkim=pass header.d=${domain}`;
  return [
    `Authentication-Results: mx.bursar.example; ${bill.authenticated === false ? "dkim=none" : passed}`,
    `From: Billing <billing@${domain}>`,
    "To: accounts@bursar.example",
    `Subject: Bill ${bill.reference}`,
    "Date: Mon, 2 Mar 2026 10:00:00 +0000",
    `Message-ID: <${bill.reference.replace(/\W/g, "")}@${domain}>`,
    "Content-Type: text/plain; charset=utf-8",
    "",
    `${bill.greeting ?? "Hello,"}`,
    `Please pay ${bill.amount} USDC to ${bill.to}, reference ${bill.reference}.`,
    "",
  ].join("\r\n");
}

/** A folder of mails beside the settings that say whom to believe. */
export function writeInbox(folder: string, mails: Readonly<Record<string, string | Uint8Array>>): void {
  const inbox = join(folder, "inbox");
  mkdirSync(inbox, { recursive: true });
  writeFileSync(join(folder, "mail.json"), JSON.stringify(mailSettings));
  for (const [name, mail] of Object.entries(mails)) writeFileSync(join(inbox, name), mail);
}
