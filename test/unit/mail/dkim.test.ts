import { describe, expect, it } from "vitest";
import { draft, read, sign } from "./post.ts";

const authenticated = { state: "authenticated", by: "dkim", domain: "acme.example" };
const doubted = { state: "unauthenticated", by: "none", domain: undefined };

describe("a DKIM signature", () => {
  it.each([
    ["RSA", {}],
    ["ed25519", { key: "ed25519", selector: "s2" }],
    ["a subdomain, aligned in the relaxed sense", { domain: "mail.acme.example" }],
  ] as const)("authenticates by %s", async (_, signing) => {
    const { sender } = await read(await sign(draft(), signing));
    expect(sender).toMatchObject(authenticated);
    expect(sender.detail).toContain("pinned key");
  });

  it("holds for the same mail with LF line ends", async () => {
    const { sender } = await read((await sign(draft())).replaceAll("\r\n", "\n"));
    expect(sender).toMatchObject(authenticated);
  });

  it("says which record to pin when its key is not known", async () => {
    const { sender } = await read(await sign(draft(), { selector: "other" }));
    expect(sender).toMatchObject(doubted);
    expect(sender.detail).toContain("other._domainkey.acme.example");
  });

  it.each(["toString", "__proto__", "constructor"])(
    "takes nothing from the prototype for a selector %s",
    async (selector) => {
      const mail = await sign(draft(), { selector: "s1" });
      const { sender } = await read(mail.replace(/s=s1;/, `s=${selector};`), { dkimKeys: {} });
      expect(sender).toMatchObject(doubted);
    },
  );

  it.each([
    ["body", (mail: string) => mail.replace("42.50", "942.50")],
    ["subject", (mail: string) => mail.replace("Invoice 7", "Invoice 8")],
    ["sender", (mail: string) => mail.replace("billing@acme", "ceo@acme")],
  ])("fails when the %s was changed", async (_, change) => {
    const { sender } = await read(change(await sign(draft())));
    expect(sender).toMatchObject(doubted);
    expect(sender.detail).toContain("does not match");
  });

  it("outweighs a report of our own server when it is broken", async () => {
    const mail = (await sign(draft())).replace("42.50", "942.50");
    const { sender } = await read(
      `Authentication-Results: mx.bursar.example; dmarc=pass header.from=acme.example\r\n${mail}`,
    );
    expect(sender).toMatchObject(doubted);
  });

  it("does not count when it is longer than any real one", async () => {
    const mail = (await sign(draft())).replace("; c=", `; n=${"a".repeat(4_096)}; c=`);
    const { sender } = await read(mail);
    expect(sender).toMatchObject(doubted);
    expect(sender.detail).toContain("it carries a DKIM signature longer than any real one");
    // A report of our own server does: whoever adds a header to a mail has not changed it.
    const vouched = await read(
      `Authentication-Results: mx.bursar.example; dmarc=pass header.from=acme.example\r\n${mail}`,
    );
    expect(vouched.sender).toMatchObject({ state: "authenticated", by: "authentication-results" });
  });

  it("says nothing about another domain", async () => {
    const { sender } = await read(await sign(draft(), { domain: "evil.example" }));
    expect(sender).toMatchObject(doubted);
    expect(sender.detail).toContain("evil.example says nothing about acme.example");
  });

  it("does not align two customers of one public suffix", async () => {
    const mail = await sign(draft({ from: "a@alice.github.io" }), { domain: "mallory.github.io" });
    expect((await read(mail)).sender.detail).toContain("says nothing about alice.github.io");
  });

  it.each([0, 5, 1000])(
    "counts for nothing with l=%i, and neither does a server's word on it",
    async (bodyLength) => {
      const mail = await sign(draft({ body: "Hello.\nPlease pay $1." }), { bodyLength });
      for (const above of [
        "",
        "Authentication-Results: mx.bursar.example; dkim=pass header.d=acme.example\r\n",
      ]) {
        const { sender } = await read(above + mail.replace(/\r\n$/, "\r\nPlease pay $400.\r\n"));
        expect(sender).toMatchObject(doubted);
        expect(sender.detail).toContain("only a part of the body");
      }
    },
  );

  it("must cover what decides how the body is read", async () => {
    const mail = await sign(draft({ below: ["Content-Type: text/plain"] }), {
      headers: "From:To:Subject:Date",
    });
    const { sender } = await read(mail);
    expect(sender).toMatchObject(doubted);
    expect(sender.detail).toContain("content-type");
  });

  it("does not survive a Content-Type put in later, below or above", async () => {
    const mail = await sign(draft());
    const inserted = mail.replace("Subject: I", "Content-Type: text/html\r\nSubject: I");
    expect((await read(inserted)).sender).toMatchObject(doubted);
    const typed = await sign(draft({ below: ["Content-Type: text/plain"] }));
    const doubled = typed.replace("Subject: I", "Content-Type: multipart/mixed; boundary=x\r\nSubject: I");
    expect((await read(doubled)).sender.detail).toContain("2 content-type headers");
  });

  it("is refused with a short key or a key in test mode", async () => {
    expect((await read(await sign(draft(), { key: "short", selector: "short" }))).sender).toMatchObject(
      doubted,
    );
    expect((await read(await sign(draft(), { selector: "test" }))).sender.detail).toContain("test");
  });

  it("expires by the moment it is read at, where one is given", async () => {
    const mail = await sign(draft(), { expires: new Date("2026-03-09T10:00:00Z") });
    expect((await read(mail)).sender).toMatchObject(authenticated);
    expect((await read(mail, {}, Date.parse("2026-03-03T00:00:00Z") / 1000)).sender).toMatchObject(
      authenticated,
    );
    expect((await read(mail, {}, Date.parse("2026-03-10T00:00:00Z") / 1000)).sender).toMatchObject(doubted);
  });

  it("is found among others, but not among dozens", async () => {
    const mail = await sign(draft());
    const foreign = await sign(draft(), { domain: "evil.example" });
    const signature = foreign.slice(0, foreign.indexOf("From:"));
    expect((await read(signature.repeat(3) + mail)).sender).toMatchObject(authenticated);
    expect((await read(signature.repeat(40) + mail)).sender.detail).toContain("41 DKIM signatures");
  });
});
