import { dkimVerify } from "mailauth/lib/dkim/verify.js";
import { asciiDomain, isAligned } from "./alignment.ts";
import type { Header } from "./header.ts";

export type DkimFinding =
  | { readonly state: "pass"; readonly detail: string }
  /** No signature of the sender could be relied on; `detail` says why. */
  | { readonly state: "none"; readonly detail: string }
  /** Evidence that the mail isn't what its sender wrote. It outweighs any other vouching. */
  | { readonly state: "broken"; readonly detail: string };

export type DkimOptions = {
  readonly keys: Readonly<Record<string, string>>;
  readonly fromDomain: string;
  /** The moment of reading in unix seconds; undefined leaves expiry (x=) unchecked. */
  readonly at: number | undefined;
};

/** Real mail carries one to four; every distinct one costs a pass over the body. */
const maxSignatures = 8;
/** Characters of a signature. Real ones stay below 2,000; the parser needs quadratic time for blanks in them. */
const maxSignature = 4_096;
/** RFC 8301 §3.2: verifiers must refuse shorter RSA keys. */
const minKeyBits = 1024;

/** Headers that decide what is read. Unsigned, a stranger can change what a genuine mail says. */
const decisive = ["from", "subject", "content-type", "content-transfer-encoding", "content-disposition"];

/** DKIM (RFC 6376, 8301, 8463) against pinned keys. Nothing is looked up on a network. */
export async function verifyDkim(
  raw: Uint8Array,
  header: Header,
  options: DkimOptions,
): Promise<DkimFinding> {
  const signatures = header.fields.filter(({ name }) => name === "dkim-signature");
  if (signatures.length === 0) return { state: "none", detail: "it carries no DKIM signature" };
  if (signatures.length > maxSignatures)
    return {
      state: "none",
      detail: `it carries ${signatures.length} DKIM signatures, more than any real mail`,
    };
  if (signatures.some(({ value }) => value.length > maxSignature))
    return { state: "none", detail: "it carries a DKIM signature longer than any real one" };

  const { results } = await dkimVerify(withCrlf(raw), {
    strict: true,
    minBitLength: minKeyBits,
    curTime: new Date((options.at ?? 0) * 1000),
    resolver: async (name) => [[pinned(options.keys, name) ?? missing(name)]],
  });

  const reasons: string[] = [];
  let broken: string | undefined;
  for (const {
    status,
    signingDomain = "",
    selector = "",
    signingHeaders,
    canonBodyLengthLimited,
  } of results) {
    const domain = asciiDomain(signingDomain);
    const record = `${selector}._domainkey.${domain}`.toLowerCase();
    if (!isAligned(options.fromDomain, domain)) {
      reasons.push(
        `the signature of ${domain || "an unnamed domain"} says nothing about ${options.fromDomain}`,
      );
      continue;
    }
    if (canonBodyLengthLimited) {
      broken ??= `the signature of ${domain} covers only a part of the body (l=)`;
      continue;
    }
    if (pinned(options.keys, record) === undefined) {
      reasons.push(`the key of its signature is not pinned (add the record ${record} to "dkimKeys")`);
      continue;
    }
    if (status.result === "fail") {
      broken ??= `the signature of ${domain} does not match, so the mail was changed after signing or is forged`;
      continue;
    }
    if (status.result !== "pass") {
      reasons.push(`the signature of ${domain} can't be accepted (${status.comment || status.result})`);
      continue;
    }
    if (status.testing) {
      reasons.push(`the key of ${domain} is marked as a test (t=y)`);
      continue;
    }
    const signed = (signingHeaders?.keys ?? "").toLowerCase().split(/\s*:\s*/);
    const open = header.fields.find(({ name }) => decisive.includes(name) && !signed.includes(name));
    if (open) {
      reasons.push(`the signature of ${domain} leaves the ${open.name} header open to change`);
      continue;
    }
    return { state: "pass", detail: `Signed by ${domain} with the pinned key ${record}.` };
  }
  if (broken !== undefined) return { state: "broken", detail: broken };
  return { state: "none", detail: reasons[0] ?? "its DKIM signature can't be read" };
}

function pinned(keys: Readonly<Record<string, string>>, name: string): string | undefined {
  const key = name.toLowerCase();
  return Object.hasOwn(keys, key) ? keys[key] : undefined;
}

function missing(name: string): never {
  throw Object.assign(new Error(`${name} is not pinned`), { code: "ENOTFOUND" });
}

/** Mail folders often hold LF line ends; signatures are over CRLF (RFC 6376 §3.4). */
function withCrlf(raw: Uint8Array): Buffer {
  let bare = 0;
  for (let at = raw.indexOf(0x0a); at >= 0; at = raw.indexOf(0x0a, at + 1)) if (raw[at - 1] !== 0x0d) bare++;
  if (bare === 0) return Buffer.from(raw.buffer, raw.byteOffset, raw.length);
  const out = Buffer.allocUnsafe(raw.length + bare);
  let to = 0;
  for (let at = 0; at < raw.length; at++) {
    const byte = raw[at] ?? 0;
    if (byte === 0x0a && raw[at - 1] !== 0x0d) out[to++] = 0x0d;
    out[to++] = byte;
  }
  return out;
}
