import { describe, expect, it } from "vitest";
import { MailTooLargeError, MailUnreadableError } from "../../../src/mail/errors.ts";
import { parseMailSettings } from "../../../src/mail/settings.ts";
import { draft, read } from "./post.ts";

const head = "From: A <a@acme.example>\r\nSubject: x\r\n";
const mebibyte = 1024 * 1024;
/** A mail of just the greatest size that is read. */
const filled = (start: string, unit: string) =>
  start + unit.repeat(Math.floor((mebibyte - start.length) / unit.length));

describe("what is no mail", () => {
  it.each([
    ["nothing", ""],
    ["an empty line first", `\r\n${head}\r\nHi`],
    ["no From", "Subject: x\r\n\r\nHi"],
    ["a From without an address", "From: nobody\r\n\r\nHi"],
    ["an empty From", "From:\r\n\r\nHi"],
    ["prose", "Dear all,\n\nno header here"],
  ])("is refused: %s", async (_, mail) => {
    await expect(read(mail)).rejects.toBeInstanceOf(MailUnreadableError);
  });

  it("is refused: binary rubbish, whatever its bytes", async () => {
    for (let seed = 1; seed <= 50; seed++) {
      let state = seed * 2654435761;
      const bytes = Uint8Array.from(
        { length: 5000 },
        () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24,
      );
      await expect(read(bytes)).rejects.toBeInstanceOf(MailUnreadableError);
    }
  });

  it("is refused by its size before it is parsed, with the sizes and the remedy", async () => {
    const error = await read(filled(head, "a").repeat(5)).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(MailTooLargeError);
    expect((error as MailTooLargeError).facts).toMatchObject({ maxBytes: String(mebibyte) });
    expect((error as MailTooLargeError).message).toMatch(/\d+ bytes long; at most 1048576[^]*maxBytes/);
  });
});

describe("broken mail that is readable is read", () => {
  it.each([
    [
      "a multipart without its parts",
      draft({ below: ["Content-Type: multipart/mixed; boundary=b"], body: "lost" }),
    ],
    [
      "an unclosed part",
      draft({ below: ["Content-Type: multipart/mixed; boundary=b"], body: "--b\n\nhello" }),
    ],
    ["a multipart without a boundary", draft({ below: ["Content-Type: multipart/mixed"], body: "hello" })],
    [
      "rubbish for a type",
      draft({ below: ["Content-Type: ;;;=", "Content-Transfer-Encoding: ((("], body: "hello" }),
    ],
    ["cut base64", draft({ below: ["Content-Transfer-Encoding: base64"], body: "aGVsbG8gd29ybGQ=aGVs*!bG" })],
    ["NUL bytes", draft({ body: "Pay\0 $42\0.50" })],
    ["no body", head],
  ])("%s", async (_, mail) => {
    const { text } = await read(mail);
    // oxlint-disable-next-line no-control-regex
    expect(text).not.toMatch(/[\0\r]/);
  });
});

// Each of these took 2 to 140 seconds, or gigabytes, before its bound was there.
describe("bombs are cheap", () => {
  const typed = (type: string) => `${head}Content-Type: ${type}\r\n\r\n`;
  const signature = "DKIM-Signature: v=1; a=rsa-sha256; d=acme.example; s=s1; h=from; bh=x; b=y\r\n";
  const nested = Array.from(
    { length: 200 },
    (_, at) => `Content-Type: multipart/mixed; boundary="b${at}"\r\n\r\n--b${at}\r\n`,
  ).join("");
  it.each([
    ["10,000 headers", `${head}${"X: y\r\n".repeat(10_000)}\r\nHi`],
    ["a header of 200 kB", `${head}X: ${"a".repeat(200_000)}\r\n\r\nHi`],
    ["folds without end", `${head}X: a\r\n${" b\r\n".repeat(30_000)}\r\nHi`],
    ["30,000 authors", `From: ${"a@b.example,".repeat(9_000)}\r\n\r\nHi`],
    ["nested groups", `From: ${"a:".repeat(60_000)}\r\n\r\nHi`],
    ["a million empty lines, signed", filled(`${head}${signature}\r\n`, "\n")],
    ["signed lines, eight signatures", filled(`${head}${signature.repeat(8)}\r\n`, `${"a".repeat(22)}\n`)],
    ["a thousand signatures", `${head}${signature.repeat(1000)}\r\nHi`],
    ["parts within parts", `${head}${nested}`],
    ["a quarter of a million parts", filled(typed("multipart/mixed; boundary=a"), "--a\n")],
    ["mails within mails", `${head}${`Content-Type: message/rfc822\r\n\r\n${head}`.repeat(1000)}\r\nHi`],
    ["flowed lines", filled(typed("text/plain; format=flowed"), "a \r\n")],
    ["unclosed lists", filled(typed("text/html"), "<ul><li>")],
    ["unclosed style sheets", filled(typed("text/html"), "<style>")],
    ["unclosed CSS comments", filled(`${typed("text/html")}<style>`, "/*")],
    ["a style attribute without end", filled(`${typed("text/html")}<p style='`, "/*")],
    [
      "styles within styles, their comments unclosed",
      filled(typed("text/html"), `<div style="color:#111111;${"/*a".repeat(1_300)}">`),
    ],
    ["angle brackets", filled(typed("text/html"), "&lt;")],
    [
      "digits",
      filled(
        `${typed("multipart/alternative; boundary=a")}--a\r\nContent-Type: text/html\r\n\r\n1\r\n--a\r\n\r\n`,
        "1,",
      ),
    ],
    ["encoded words", `From: a@b.example\r\nSubject: ${"=?utf-8?q?a?= ".repeat(8000)}\r\n\r\nHi`],
    ["a signature of blanks", `DKIM-Signature: v=1; a${" ".repeat(120_000)}x\r\n${head}\r\nHi`],
    ["eight long signatures", `${`DKIM-Signature: v=1; a${" ".repeat(4_000)}x\r\n`.repeat(8)}${head}\r\nHi`],
    ["results of blanks", `Authentication-Results: mx; a${" ".repeat(120_000)}x\r\n${head}\r\nHi`],
    [
      "marks on one letter",
      filled(`${typed("text/plain; charset=utf-8")}a`, "\u0301\u0323").slice(0, 500_000),
    ],
    ["results", `Authentication-Results: mx.bursar.example${"; a=b c=d".repeat(9000)}\r\n${head}\r\nHi`],
  ])("%s", { timeout: 20_000 }, async (_, mail) => {
    const started = process.cpuUsage();
    const refusal: unknown = await read(mail).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(refusal === undefined || refusal instanceof MailUnreadableError).toBe(true);
    // Processor time, for the machine may be busy. The slowest of them takes about half a second.
    const { user, system } = process.cpuUsage(started);
    expect((user + system) / 1e6).toBeLessThan(4);
  });
});

describe("mail settings", () => {
  it("have safe defaults", () => {
    expect(parseMailSettings({})).toEqual({ trustedServers: [], dkimKeys: {}, maxBytes: mebibyte });
  });

  it.each([
    ["a typo", { trustedServer: ["mx.bursar.example"] }, "trustedServer"],
    ["an upper-case server", { trustedServers: ["MX.bursar.example"] }, "trustedServers.0"],
    ["a key without a selector", { dkimKeys: { "acme.example": "v=DKIM1; p=AA" } }, "selector"],
    ["a revoked key", { dkimKeys: { "s._domainkey.acme.example": "v=DKIM1; p=" } }, "public key"],
    ["no limit", { maxBytes: 1e12 }, "maxBytes"],
    ["no document", undefined, "the document"],
  ])("refuse %s and name it", (_, document, named) => {
    expect(() => parseMailSettings(document)).toThrow(named);
  });
});
