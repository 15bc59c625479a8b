import { addressParser } from "postal-mime";
import { asciiDomain, isAligned } from "./alignment.ts";
import { cleanLine } from "./cleanText.ts";

export type Sender = {
  readonly address: string;
  readonly name: string;
  readonly domain: string;
  /** Why this From header can't be authenticated, whoever signed the mail. */
  readonly fault: string | undefined;
};

/** dot-atom "@" domain (RFC 5322 §3.4.1). Quoted local parts and literals are legal and used by nobody but forgers. */
const plainAddress = /^[\p{L}\p{N}!#$%&'*+/=?^_`{|}~-]+(?:\.[\p{L}\p{N}!#$%&'*+/=?^_`{|}~-]+)*@([^\s@]+)$/u;
const addressLike = /[^\s<>"'(),;:@＠﹫]+\s*[@＠﹫]\s*([\p{L}\p{N}_-]+(?:\.[\p{L}\p{N}_-]+)+)/gu;

/** One mailbox (RFC 5322 §3.4) once quoted strings and comments are gone: a name and an address in angles, or an address. */
const oneMailbox = /^\s*(?:[^<>@,;:"]*<[^<>@"]+@[^<>@"]+>|[^<>@\s"]+@[^<>@\s"]+)\s*$/;
/** Characters; more is an attack on whoever parses it. */
const maxFrom = 2_000;

/** The one author of a mail. Undefined where the header names none. */
export function readSender(fromHeader: string): Sender | undefined {
  const parsed = addressParser(fromHeader.slice(0, maxFrom));
  const mailboxes = parsed
    .flatMap((entry) => entry.group ?? [entry])
    .filter(({ address }) => address.includes("@"));
  const [first] = mailboxes;
  if (first === undefined) return undefined;
  const name = cleanLine(first.name).text;
  const domain = asciiDomain(plainAddress.exec(first.address)?.[1] ?? "");
  const local = first.address.slice(0, first.address.lastIndexOf("@"));
  const address =
    `${local}@${domain || first.address.slice(first.address.lastIndexOf("@") + 1)}`.toLowerCase();
  return { address: cleanLine(address).text, name, domain, fault: faultOf() };

  function faultOf(): string | undefined {
    if (mailboxes.length > 1) return `its From header names ${mailboxes.length} addresses`;
    if (parsed.some((entry) => entry.group)) return "its From header is a group";
    if (fromHeader.length > maxFrom) return "its From header is longer than any real one";
    const bare = fromHeader.replace(/"(?:[^"\\]|\\.)*"/g, "").replace(/\([^()]*\)/g, "");
    if (!oneMailbox.test(bare)) return "its From header is of an unusual form";
    if (domain === "") return "its From address is of an unusual form";
    for (const [shown, shownDomain] of name.matchAll(addressLike))
      if (!isAligned(domain, shownDomain ?? ""))
        return `its display name shows ${shown} while the address is of ${domain}`;
    if (/[@＠﹫]/u.test(name.replace(addressLike, ""))) return "its display name poses as an address";
    return undefined;
  }
}
