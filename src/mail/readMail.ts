import { createHash } from "node:crypto";
import PostalMime, { decodeWords, type Email } from "postal-mime";
import { authenticate } from "./authenticate.ts";
import { cleanLine, cleanText } from "./cleanText.ts";
import { MailTooLargeError, MailUnreadableError } from "./errors.ts";
import { maxHeaderBytes, readHeader } from "./header.ts";
import { htmlText } from "./htmlText.ts";
import type { Attachment, Mail } from "./mail.ts";
import { readSender } from "./sender.ts";
import type { MailSettings } from "./settings.ts";

export type ReadMailOptions = {
  /** The moment of reading in unix seconds, for signatures that expire (RFC 6376 x=). Without it they don't. */
  readonly at?: number;
};

/** Multipart in multipart: real mail stays below 6. */
const maxNesting = 20;
/** Forwarded as attachment within forwarded as attachment. */
const maxForwardNesting = 3;
/** Lines that may be a MIME boundary. Each can cost a parser an object, 4 bytes of mail each. */
const maxBoundaryLines = 2_000;
/** Lines for a mail of this many bytes: base64 has 76 characters a line. Parsers pay by the line, dearly. */
const maxLines = (sizeBytes: number): number => 20_000 + sizeBytes / 40;
/** Tags of one mail. Newsletters have a few thousand; unclosed ones cost an HTML parser quadratic time. */
const maxTags = 20_000;

/** A mail as an agent may see it. The only place that knows MIME and DKIM; throws on what is no mail. */
export async function readMail(
  raw: Uint8Array,
  settings: MailSettings,
  options: ReadMailOptions = {},
): Promise<Mail> {
  if (raw.length > settings.maxBytes)
    throw new MailTooLargeError({ sizeBytes: raw.length, maxBytes: settings.maxBytes });
  if (raw.length === 0) throw new MailUnreadableError("it is empty");
  const header = readHeader(raw);
  if (!header.fields.some(({ name }) => name === "from"))
    throw new MailUnreadableError("it has no From header");
  refuseBombs(raw);

  const { email, textIsComplete } = await parse(raw);
  const field = (name: string): string => email.headers.find(({ key }) => key === name)?.value ?? "";
  const sender = readSender(field("from"));
  if (sender === undefined) throw new MailUnreadableError("its From header holds no address");

  const digest = `0x${createHash("sha256").update(raw).digest("hex")}` as const;
  const notes: string[] = [];
  const subject = cleanLine(decodeWords(field("subject")));
  const messageId = cleanLine(field("message-id")).text.replace(/^<|>$/g, "");
  const body = bodyOf(email, textIsComplete, notes);
  const removed = subject.removed + body.removed;
  const undecodable = subject.undecodable + body.undecodable;
  if (removed > 0) notes.push(`Took out ${removed} invisible or control characters.`);
  if (undecodable > 0) notes.push(`${undecodable} characters are not valid in the declared character set.`);
  return Object.freeze({
    digest,
    messageId: messageId || `sha256-${digest.slice(2)}`,
    from: Object.freeze({ address: sender.address, name: sender.name }),
    subject: subject.text,
    date: unixSeconds(field("date")),
    text: body.text,
    sender: await authenticate(raw, { header, sender }, settings, options.at),
    sizeBytes: raw.length,
    attachments: Object.freeze(email.attachments.map(attachment)),
    notes: Object.freeze(notes),
  });
}

async function parse(raw: Uint8Array): Promise<{ readonly email: Email; readonly textIsComplete: boolean }> {
  const parser = new PostalMime({
    maxNestingDepth: maxNesting,
    maxRfc822NestingDepth: maxForwardNesting,
    maxHeadersSize: 2 * maxHeaderBytes,
  });
  try {
    const email = await parser.parse(raw);
    // postal-mime fills `text` up with HTML parts that have no text twin, by a converter that shows what is hidden.
    // Its part map, which its types leave out, tells; should it ever be gone, the HTML is read instead.
    const map = (
      parser as { textMap?: ReadonlyMap<unknown, { readonly plain?: unknown; readonly html?: unknown }> }
    ).textMap;
    const textIsComplete = map !== undefined && [...map.values()].every(({ plain, html }) => !html || plain);
    return { email, textIsComplete };
  } catch (cause) {
    throw new MailUnreadableError(
      `its MIME structure is broken (${cause instanceof Error ? cause.message : "unknown"})`,
      {
        cause,
      },
    );
  }
}

function bodyOf(email: Email, textIsComplete: boolean, notes: string[]): ReturnType<typeof cleanText> {
  const plain = cleanText(email.text ?? "");
  if (email.html === undefined) return plain;
  if (email.html.split("<", maxTags + 1).length > maxTags)
    throw new MailUnreadableError("its HTML has more tags than any real mail", { facts: { maxTags } });
  const html = htmlText(email.html);
  const shown = cleanText(html.text);
  if (html.hidden > 0) notes.push(`Left out ${html.hidden} hidden elements of the HTML.`);
  if (!textIsComplete || plain.text === "") return shown;
  if (amountsIn(plain.text) !== amountsIn(shown.text))
    notes.push("The text part and the HTML part name different amounts; the text part is used.");
  return plain;
}

function amountsIn(text: string): string {
  return [...new Set(text.match(/\d[\d,]{0,15}\.\d\d\b/g))].toSorted().join(" ");
}

function refuseBombs(raw: Uint8Array): void {
  let boundaries = 0;
  let lines = 0;
  for (let feed = raw.indexOf(0x0a); feed >= 0; feed = raw.indexOf(0x0a, feed + 1)) {
    if (++lines > maxLines(raw.length))
      throw new MailUnreadableError("it has more lines than a mail of its size", {
        facts: { sizeBytes: raw.length },
      });
    if (raw[feed + 1] !== 0x2d || raw[feed + 2] !== 0x2d) continue;
    if (++boundaries > maxBoundaryLines)
      throw new MailUnreadableError("it has more parts than any real mail", { facts: { maxBoundaryLines } });
  }
}

function attachment(part: Email["attachments"][number]): Attachment {
  const sizeBytes =
    typeof part.content === "string" ? Buffer.byteLength(part.content) : part.content.byteLength;
  // A name is shown to people and never used as a path.
  const name = cleanLine(part.filename ?? "").text.slice(0, 200);
  return Object.freeze({ name, mediaType: cleanLine(part.mimeType).text.slice(0, 100), sizeBytes });
}

/** RFC 5322 §3.3. A date without a zone would be read in the machine's own, so it counts as none. */
function unixSeconds(date: string): number | undefined {
  if (date.length > 100 || !/(?:[+-]\d{4}|\b(?:GMT|UTC?|Z))(?:\s*\(.*\))?\s*$/.test(date)) return undefined;
  const milliseconds = Date.parse(date);
  return Number.isFinite(milliseconds) ? Math.floor(milliseconds / 1000) : undefined;
}
