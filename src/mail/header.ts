import { MailUnreadableError } from "./errors.ts";

type Field = {
  /** Lower case. */
  readonly name: string;
  /** Unfolded, bytes as Latin-1 characters: for structure only, never shown. */
  readonly value: string;
};

export type Header = {
  readonly fields: readonly Field[];
  /** What a strict reader objects to. Two parsers may read such a header differently, so nobody vouches for it. */
  readonly fault: string | undefined;
};

/** Real headers stay below 32 kB and 300 lines; both DKIM and MIME parsers need quadratic time far above. */
export const maxHeaderBytes = 128 * 1024;
const maxHeaderLines = 2_000;

/** RFC 5322 §3.6: at most one each. Parsers differ on which of two counts, and that is how signed mail is forged. */
const singles = [
  "from",
  "sender",
  "reply-to",
  "to",
  "cc",
  "subject",
  "date",
  "message-id",
  "mime-version",
  "content-type",
  "content-transfer-encoding",
  "content-disposition",
];

const fieldStart = /^([\x21-\x39\x3b-\x7e]+)[ \t]*:(.*)$/s;

/** The header block, by RFC 5322 to the letter: names, order and count of fields as every parser must see them. */
export function readHeader(raw: Uint8Array): Header {
  const lines = headerLines(raw);
  const fields: { name: string; value: string }[] = [];
  let fault: string | undefined;
  for (const line of lines) {
    const last = fields.at(-1);
    if ((line.startsWith(" ") || line.startsWith("\t")) && last) {
      if (line.trim() === "") fault ??= "a header line holds only blanks";
      last.value += line;
      continue;
    }
    const start = fieldStart.exec(line);
    if (start?.[1] === undefined) {
      fault ??= "its header has a line that is no field";
      continue;
    }
    fields.push({ name: start[1].toLowerCase(), value: start[2] ?? "" });
  }
  if (lines.some((line) => /[\r\0]/.test(line))) fault ??= "its header holds control characters";
  for (const name of singles) {
    const count = fields.filter((field) => field.name === name).length;
    if (count > 1) fault ??= `it has ${count} ${name} headers`;
  }
  if (fields.length === 0) throw new MailUnreadableError("it has no header");
  return { fields: fields.map(({ name, value }) => Object.freeze({ name, value: value.trim() })), fault };
}

function headerLines(raw: Uint8Array): string[] {
  const lines: string[] = [];
  let start = 0;
  for (;;) {
    const feed = raw.indexOf(0x0a, start);
    const end = feed < 0 ? raw.length : feed;
    if (end > maxHeaderBytes || lines.length > maxHeaderLines)
      throw new MailUnreadableError("its header is larger than any real one", {
        facts: { maxHeaderBytes, maxHeaderLines },
      });
    const line = Buffer.from(raw.buffer, raw.byteOffset + start, end - start)
      .toString("latin1")
      .replace(/\r$/, "");
    if (line === "") return lines;
    lines.push(line);
    if (feed < 0) return lines;
    start = feed + 1;
  }
}
