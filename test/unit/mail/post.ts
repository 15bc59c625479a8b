import { generateKeyPairSync } from "node:crypto";
import { dkimSign } from "mailauth/lib/dkim/sign.js";
import { readMail } from "../../../src/mail/readMail.ts";
import type { Mail } from "../../../src/mail/mail.ts";
import type { MailSettings } from "../../../src/mail/settings.ts";

const keys = {
  rsa: generateKeyPairSync("rsa", { modulusLength: 2048 }),
  short: generateKeyPairSync("rsa", { modulusLength: 512 }),
  ed25519: generateKeyPairSync("ed25519"),
};

function recordOf(kind: keyof typeof keys): string {
  const der = keys[kind].publicKey.export({ format: "der", type: "spki" });
  return kind === "ed25519"
    ? `v=DKIM1; k=ed25519; p=${der.subarray(-32).toString("base64")}`
    : `v=DKIM1; k=rsa; p=${der.toString("base64")}`;
}

/** acme.example signs with s1 (RSA) and s2 (ed25519); mx.bursar.example is the operator's own server. */
export const settings: MailSettings = {
  trustedServers: ["mx.bursar.example"],
  dkimKeys: {
    "s1._domainkey.acme.example": recordOf("rsa"),
    "s2._domainkey.acme.example": recordOf("ed25519"),
    "s1._domainkey.mail.acme.example": recordOf("rsa"),
    "s1._domainkey.evil.example": recordOf("rsa"),
    "short._domainkey.acme.example": recordOf("short"),
    "test._domainkey.acme.example": `${recordOf("rsa")}; t=y`,
  },
  maxBytes: 1024 * 1024,
};

export type Draft = {
  readonly from?: string;
  /** Further header lines, each without its line end. */
  readonly above?: readonly string[];
  readonly below?: readonly string[];
  readonly body?: string;
};

export function draft({
  from = "Acme <billing@acme.example>",
  above = [],
  below = [],
  body = "Please pay $42.50.",
}: Draft = {}): string {
  const header = [
    ...above,
    `From: ${from}`,
    "To: a@bursar.example",
    "Subject: Invoice 7",
    "Date: Mon, 2 Mar 2026 10:00:00 +0000",
    "Message-ID: <7@acme.example>",
    ...below,
  ];
  return `${header.join("\r\n")}\r\n\r\n${body.replace(/\r?\n/g, "\r\n")}\r\n`;
}

export type Signing = {
  readonly domain?: string;
  readonly selector?: string;
  readonly key?: keyof typeof keys;
  readonly headers?: string;
  readonly bodyLength?: number;
  readonly expires?: Date;
};

export async function sign(mail: string, signing: Signing = {}): Promise<string> {
  const key = signing.key ?? "rsa";
  const one = {
    signingDomain: signing.domain ?? "acme.example",
    selector: signing.selector ?? "s1",
    privateKey: keys[key].privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
    algorithm: key === "ed25519" ? "ed25519-sha256" : "rsa-sha256",
    canonicalization: "relaxed/relaxed",
    signTime: new Date("2026-03-02T10:00:00Z"),
    headerList: signing.headers ?? "From:To:Subject:Date:Message-ID:Content-Type:Content-Transfer-Encoding",
    ...(signing.bodyLength === undefined ? {} : { maxBodyLength: signing.bodyLength }),
    ...(signing.expires === undefined ? {} : { expires: signing.expires }),
  };
  const { signatures } = await dkimSign(Buffer.from(mail, "latin1"), { ...one, signatureData: [one] });
  return signatures + mail;
}

export function read(
  mail: string | Uint8Array,
  over: Partial<MailSettings> = {},
  at?: number,
): Promise<Mail> {
  const raw = typeof mail === "string" ? Buffer.from(mail, "utf8") : mail;
  return readMail(raw, { ...settings, ...over }, at === undefined ? {} : { at });
}
