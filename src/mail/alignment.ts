import { domainToASCII } from "node:url";
import { getAlignment } from "mailauth/lib/tools.js";

/** Relaxed alignment of DMARC (RFC 7489 §3.1): both names have the same organisational domain. */
export function isAligned(fromDomain: string, domain: string): boolean {
  const [from, other] = [asciiDomain(fromDomain), asciiDomain(domain)];
  return from !== "" && other !== "" && getAlignment(from, [other]) !== false;
}

/** Lower-case A-labels (RFC 5890), or "" for what is no domain name of at least two labels. */
export function asciiDomain(domain: string): string {
  if (domain.length > 253 || /[\s:/?#@[\]%]/.test(domain)) return "";
  const ascii = domainToASCII(domain.replace(/\.$/, "")).toLowerCase();
  return /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)+$/.test(ascii) && !/\.\d+$/.test(ascii) ? ascii : "";
}
