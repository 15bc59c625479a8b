// Signs the mails of the inbox as their senders' servers would have (DKIM, RFC 6376 and 8463) and pins the public keys
// in mail.json. The mails themselves are written by hand. Run it after editing one:
//   node examples/treasury/makeInbox.ts
// Signatures are deterministic, so a second run changes nothing.
import { createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dkimSign } from "mailauth/lib/dkim/sign.js";

type Signer = { readonly domain: string; readonly selector: string; readonly kind: "rsa" | "ed25519" };

const acme: Signer = { domain: "acme-hosting.example", selector: "ll2024", kind: "rsa" };
const northwind: Signer = { domain: "northwind-office.example", selector: "ed1", kind: "ed25519" };
// Signs with a subdomain of the From domain: aligned only in the relaxed sense of RFC 7489 §3.1.
const globex: Signer = { domain: "mail.globex-insurance.example", selector: "s1", kind: "rsa" };
const initech: Signer = { domain: "initech-repair.example", selector: "google", kind: "rsa" };

const signers: Readonly<Record<string, Signer>> = {
  "01.eml": acme,
  "02.eml": northwind,
  "05.eml": globex,
  "07.eml": initech,
  "08.eml": acme,
  "13.eml": northwind,
  "15.eml": northwind,
  "16.eml": acme,
};

const here = (path: string): URL => new URL(path, import.meta.url);

/** Signed by all of these senders; what a mail doesn't have is not signed. */
const signedHeaders =
  "From:To:Cc:Subject:Date:Message-ID:In-Reply-To:References:Reply-To:MIME-Version:Content-Type:Content-Transfer-Encoding";

const settings = {
  trustedServers: ["mx.bursar-demo.example"],
  dkimKeys: Object.fromEntries(
    [acme, northwind, globex, initech].map((signer) => [
      `${signer.selector}._domainkey.${signer.domain}`,
      record(signer),
    ]),
  ),
  maxBytes: 1024 * 1024,
};
writeFileSync(here("mail.json"), `${JSON.stringify(settings, undefined, 2)}\n`);

for (const [file, signer] of Object.entries(signers)) {
  const mail = withoutSignature(readFileSync(here(`inbox/${file}`), "latin1"));
  const sent = /^Date: (.*?)\r?$/m.exec(mail)?.[1];
  const signature = {
    signingDomain: signer.domain,
    selector: signer.selector,
    privateKey: privateKey(signer),
    canonicalization: "relaxed/relaxed",
    algorithm: `${signer.kind}-sha256`,
    headerList: signedHeaders,
    signTime: new Date(sent ?? 0),
    strict: true,
  };
  const { signatures, errors } = await dkimSign(Buffer.from(mail, "latin1"), {
    ...signature,
    signatureData: [signature],
  });
  if (signatures === "") throw new Error(`${file} could not be signed: ${JSON.stringify(errors)}`);
  writeFileSync(here(`inbox/${file}`), insertSignature(mail, signatures), "latin1");
}

/** A sender's server puts its signature on top of what it sends, below the traces of the servers after it. */
function insertSignature(mail: string, signature: string): string {
  const at = /(?<=^|\n)(?!Return-Path:|Delivered-To:|Received:|[ \t])/.exec(mail)?.index ?? 0;
  return mail.slice(0, at) + signature + mail.slice(at);
}

function withoutSignature(mail: string): string {
  return mail.replace(/^DKIM-Signature:.*\r?\n(?:[ \t].*\r?\n)*/m, "");
}

function privateKey(signer: Signer): string {
  const file = here(`demo-keys/${signer.domain}.pem`);
  if (!existsSync(file)) {
    const { privateKey: key } =
      signer.kind === "rsa"
        ? generateKeyPairSync("rsa", { modulusLength: 2048 })
        : generateKeyPairSync("ed25519");
    writeFileSync(file, key.export({ format: "pem", type: "pkcs8" }));
  }
  return readFileSync(file, "utf8");
}

/** The DNS record of the key: RSA as SubjectPublicKeyInfo, ed25519 as its bare 32 bytes (RFC 8463 §4). */
function record(signer: Signer): string {
  const der = createPublicKey(createPrivateKey(privateKey(signer))).export({ format: "der", type: "spki" });
  const key = signer.kind === "rsa" ? der : der.subarray(-32);
  return `v=DKIM1; k=${signer.kind}; p=${key.toString("base64")}`;
}
