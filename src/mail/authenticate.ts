import { asciiDomain, isAligned } from "./alignment.ts";
import { parseAuthenticationResults, type MethodResult } from "./authenticationResults.ts";
import { verifyDkim } from "./dkim.ts";
import type { Header } from "./header.ts";
import type { Authentication } from "./mail.ts";
import type { Sender } from "./sender.ts";
import type { MailSettings } from "./settings.ts";

/** Is the mail from the domain its From header names? Money follows the answer, so every doubt is a no. */
export async function authenticate(
  raw: Uint8Array,
  parts: { readonly header: Header; readonly sender: Sender },
  settings: MailSettings,
  at: number | undefined,
): Promise<Authentication> {
  const { header, sender } = parts;
  const fault = header.fault ?? sender.fault;
  if (fault !== undefined) return unauthenticated(`Nobody can vouch for this mail: ${fault}.`);

  const dkim = await verifyDkim(raw, header, { keys: settings.dkimKeys, fromDomain: sender.domain, at });
  if (dkim.state === "pass") return authenticated("dkim", sender.domain, dkim.detail);
  if (dkim.state === "broken") return unauthenticated(`Don't trust this mail: ${dkim.detail}.`);

  const server = judgeServer(header, sender.domain, settings.trustedServers);
  if (server.believed) return authenticated("authentication-results", sender.domain, server.detail);
  return unauthenticated(`Nobody vouches for ${sender.domain}: ${dkim.detail}, and ${server.detail}.`);
}

type ServerFinding = { readonly believed: boolean; readonly detail: string };

/** RFC 8601 §5: only the border server's own header counts, and it stands above everything that came with the mail. */
function judgeServer(header: Header, fromDomain: string, trusted: readonly string[]): ServerFinding {
  const doubt = (detail: string): ServerFinding => ({ believed: false, detail });
  const topmost = header.fields.find(({ name }) => name === "authentication-results");
  if (topmost === undefined) return doubt("no receiving server has reported on it");
  const report = parseAuthenticationResults(topmost.value);
  if (report === undefined) return doubt("the report of the receiving server can't be read");
  if (!trusted.includes(report.server))
    return doubt(`the topmost report is by ${printable(report.server)}, which is not among "trustedServers"`);

  const dmarc = report.results.filter(({ method }) => method === "dmarc");
  if (dmarc.some(({ result }) => result !== "pass" && result !== "none"))
    return doubt(`${report.server} reports a DMARC failure`);
  for (const result of report.results) {
    if (result.result !== "pass") continue;
    const domain = vouchedDomain(result);
    if (domain === undefined) continue;
    // A DMARC pass is about the From domain by definition (RFC 7489 §11.2); when it names one, it must be this one.
    const covers =
      result.method === "dmarc" ? domain === "" || domain === fromDomain : isAligned(fromDomain, domain);
    if (covers)
      return { believed: true, detail: `${report.server} reports ${result.method}=pass for ${fromDomain}.` };
  }
  return doubt(`${report.server} reports nothing that passes for ${fromDomain}`);
}

/** The domain a passing result speaks of; undefined for a method that says nothing about the author. */
function vouchedDomain({ method, properties }: MethodResult): string | undefined {
  if (method === "dmarc") {
    const from = properties["header.from"];
    return from === undefined ? "" : domainOf(from);
  }
  if (method === "dkim") return domainOf(properties["header.d"] ?? properties["header.i"]);
  return method === "spf" ? domainOf(properties["smtp.mailfrom"]) : undefined;
}

function domainOf(value: string | undefined): string | undefined {
  return value === undefined ? undefined : asciiDomain(value.slice(value.lastIndexOf("@") + 1)) || undefined;
}

function printable(name: string): string {
  return name.replace(/[^a-z0-9.-]/g, "?").slice(0, 100);
}

function authenticated(
  by: "dkim" | "authentication-results",
  domain: string,
  detail: string,
): Authentication {
  return Object.freeze({ state: "authenticated", by, domain, detail });
}

function unauthenticated(detail: string): Authentication {
  return Object.freeze({ state: "unauthenticated", by: "none", domain: undefined, detail });
}
