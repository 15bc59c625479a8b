import { describe, expect, it } from "vitest";
import { draft, read } from "./post.ts";

const html = (body: string) => read(draft({ below: ["Content-Type: text/html; charset=utf-8"], body }));

describe("the text of a mail", () => {
  it("prefers the text part, and says when the HTML names other amounts", async () => {
    const parts = (text: string, shown: string) =>
      draft({
        below: ['Content-Type: multipart/alternative; boundary="b"'],
        body: `--b\nContent-Type: text/plain\n\n${text}\n--b\nContent-Type: text/html\n\n<p>${shown}</p>\n--b--`,
      });
    expect(await read(parts("Pay $42.50", "Pay <b>$42.50</b>"))).toMatchObject({
      text: "Pay $42.50",
      notes: [],
    });
    const differing = await read(parts("Pay $42.50", "Pay $4.25"));
    expect(differing.text).toBe("Pay $42.50");
    expect(differing.notes[0]).toContain("different amounts");
    expect((await read(parts("  ", "Pay $4.25"))).text).toBe("Pay $4.25");
  });

  it("keeps 30 marks on a letter, as the stream-safe format of Unicode does", async () => {
    const marks = "\u0323".repeat(32);
    const mail = await read(
      draft({ below: ["Content-Type: text/plain; charset=utf-8"], body: `x${marks}y` }),
    );
    expect(mail.text).toBe(`x${"\u0323".repeat(30)}y`);
    expect(mail.notes[0]).toContain("2 invisible");
  });

  it("reads HTML beside text through the converter that drops what is hidden", async () => {
    const mail = await read(
      draft({
        below: ["Content-Type: multipart/mixed; boundary=b"],
        body: `--b\nContent-Type: text/plain\n\nFirst\n--b\nContent-Type: text/html\n\n<p>Second</p><p style="display:none">Evil</p>\n--b--`,
      }),
    );
    expect(mail.text).toContain("First");
    expect(mail.text).toContain("Second");
    expect(mail.text).not.toContain("Evil");
  });

  it("turns HTML into what a reader sees: no link addresses, no pictures, rows as lines", async () => {
    const { text } = await html(
      '<style>p{}</style><p>See <a href="https://evil.example/x">here</a> <img src=x alt="pay"></p><table><tr><td>Due</td><td>$1.00</td></tr><tr><td>Ref</td><td>A-1</td></tr></table>',
    );
    expect(text).toBe("See here\n\nDue $1.00\nRef A-1");
  });

  it.each([
    '<p style="display:none">Evil</p>',
    '<p style="DISPLAY : NONE !important">Evil</p>',
    '<p style="dis/**/play:none">Evil</p>',
    '<div style="visibility:hidden"><b>Evil</b></div>',
    '<span style="font-size:0">Evil</span>',
    '<span style="font-size:1px">Evil</span>',
    '<span style="font-size:0.01em">Evil</span>',
    "<p hidden>Evil</p>",
    '<p style="opacity:0">Evil</p>',
    '<div style="max-height:0;overflow:hidden">Evil</div>',
    '<div style="text-indent:-9999px">Evil</div>',
    '<div style="position:absolute;left:-9999px">Evil</div>',
    '<font color="#FFFFFF">Evil</font>',
    '<span style="color:white">Evil</span>',
    '<span style="color:rgba(1,2,3,0)">Evil</span>',
    '<table bgcolor="#003366"><tr><td style="width:9px"><span style="color:#036">Evil</span></td></tr></table>',
    "<style>.x{color:red} .y , .z{ display:none }</style><p class='a z'>Evil</p>",
    "<style>#i{font-size:0}</style><p id=i>Evil</p>",
    "<!-- Evil --><script>Evil</script><title>Evil</title><template>Evil</template>",
    `<p style="${" ".repeat(5000)}display:none">Evil</p>`,
  ])("leaves out %s", async (hidden) => {
    const { text } = await html(`<p>Seen</p>${hidden}`);
    expect(text).toContain("Seen");
    expect(text).not.toContain("Evil");
  });

  it.each([
    '<td style="background-color:#14365c;color:#ffffff">Seen</td>',
    '<div style="background:#000 url(x.png)"><p style="color:#fff">Seen</p></div>',
    "<style>@media (max-width:600px){.m{display:none}}</style><p class=m>Seen</p>",
    '<p style="font-size:11px;color:#888;height:20px" width=1>Seen</p>',
    '<p style="max-height:300px;overflow:hidden">Seen</p>',
  ])("keeps %s", async (shown) => {
    expect((await html(shown)).text).toContain("Seen");
  });

  it("counts what it left out", async () => {
    expect((await html("<p>a</p><p hidden>b</p><p hidden>c</p>")).notes).toEqual([
      "Left out 2 hidden elements of the HTML.",
    ]);
  });

  it("takes invisible characters out and says so", async () => {
    const mail = await read(
      draft({
        below: ["Content-Type: text/plain; charset=utf-8"],
        body: "Pay\u200b $4\u20602.50\u202e now\u{e0041}\u{e0042}\u0007.\u00a0Thanks ❤\ufe0f\nCafe\u0301   \n\n\n\nBye",
      }),
    );
    expect(mail.text).toBe("Pay $42.50 now. Thanks ❤\nCafé\n\nBye");
    expect(mail.notes).toEqual(["Took out 6 invisible or control characters."]);
  });

  it("survives a wrong or unknown character set", async () => {
    const bytes = (charset: string) =>
      Buffer.from(
        draft({ below: [`Content-Type: text/plain; charset=${charset}`], body: "Caf\u00e9 $42.50" }),
        "latin1",
      );
    const wrong = await read(bytes("utf-8"));
    expect(wrong.text).toContain("$42.50");
    expect(wrong.notes).toEqual(["1 characters are not valid in the declared character set."]);
    expect((await read(bytes("iso-8859-1"))).text).toBe("Café $42.50");
    expect((await read(bytes("x-klingon"))).text).toContain("$42.50");
  });

  it("names attachments without trusting their names", async () => {
    const mail = await read(
      draft({
        below: ["Content-Type: multipart/mixed; boundary=b"],
        body: `--b\n\nHi\n--b\nContent-Type: application/pdf\nContent-Disposition: attachment; filename="../../x\u202efdp.exe"\nContent-Transfer-Encoding: base64\n\nAAAA\n--b--`,
      }),
    );
    expect(mail.text).toBe("Hi");
    expect(mail.attachments).toEqual([
      { name: "../../xfdp.exe", mediaType: "application/pdf", sizeBytes: 3 },
    ]);
  });

  it("reads a mail forwarded as an attachment", async () => {
    const inner = "From: b@b.example\nSubject: Bill\n\nPlease pay $9.00";
    const mail = await read(
      draft({
        below: ["Content-Type: multipart/mixed; boundary=b"],
        body: `--b\n\nSee below\n--b\nContent-Type: message/rfc822\n\n${inner}\n--b--`,
      }),
    );
    expect(mail.from.address).toBe("billing@acme.example");
    expect(mail.text).toContain("Please pay $9.00");
  });
});

describe("the facts of a mail", () => {
  it("has a digest, an id and a date", async () => {
    expect(await read(draft())).toMatchObject({
      digest: expect.stringMatching(/^0x[0-9a-f]{64}$/),
      messageId: "7@acme.example",
      date: Date.parse("2026-03-02T10:00:00Z") / 1000,
      subject: "Invoice 7",
    });
    expect(Object.isFrozen(await read(draft()))).toBe(true);
  });

  it("goes by its digest without a Message-ID", async () => {
    const mail = await read(draft().replace(/Message-ID.*\r\n/, ""));
    expect(mail.messageId).toBe(`sha256-${mail.digest.slice(2)}`);
  });

  it.each(["yesterday", "Mon, 2 Mar 2026 10:00:00", "2026-03-02", ""])(
    "has no date where it says %j",
    async (date) => {
      expect((await read(draft().replace(/Date: .*/, `Date: ${date}`))).date).toBeUndefined();
    },
  );
});
