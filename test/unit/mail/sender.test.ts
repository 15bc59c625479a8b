import { describe, expect, it } from "vitest";
import { draft, read } from "./post.ts";

const vouched = { above: ["Authentication-Results: mx.bursar.example; dmarc=pass"] };

describe("the From header", () => {
  it.each([
    ["Acme <Billing@ACME.example>", "billing@acme.example", "Acme"],
    ['"billing@acme.example" <billing@acme.example>', "billing@acme.example", ""],
    [
      '"Acme (help@support.acme.example)" <billing@acme.example>',
      "billing@acme.example",
      "Acme (help@support.acme.example)",
    ],
    ["billing@acme.example", "billing@acme.example", ""],
    ["billing@acme.example (Acme)", "billing@acme.example", "Acme"],
    [
      "=?utf-8?Q?=C3=85sa?= =?iso-8859-1?Q?_Lindstr=F6m?= <a@acme.example>",
      "a@acme.example",
      "Åsa Lindström",
    ],
    ["A <a@bücher.example>", "a@xn--bcher-kva.example", "A"],
  ])("%s is one plain author", async (from, address, name) => {
    const mail = await read(draft({ ...vouched, from }));
    expect(mail.from).toEqual({ address, name });
    expect(mail.sender.state).toBe("authenticated");
  });

  it.each([
    ["two addresses", "billing@acme.example, x@evil.example"],
    ["two addresses of one domain", "a@acme.example, b@acme.example"],
    ["a group", "Acme: billing@acme.example;"],
    ["a display name of another domain", '"billing@acme.example" <x@evil.example>'],
    ["the same by encoded words", "=?utf-8?Q?billing=40acme.example?= <x@evil.example>"],
    ["the same with a full-width at sign", "=?utf-8?Q?billing=EF=BC=A0acme.example?= <x@evil.example>"],
    ["the same with blanks", '"billing @ acme.example" <x@evil.example>'],
    ["an at sign without a domain", '"billing@acme" <x@evil.example>'],
    ["a quoted local part", '"billing@acme.example "@evil.example'],
    ["an address literal", "<billing@[192.0.2.1]>"],
    ["a host without a domain", "<root@localhost>"],
    ["an unquoted address as the name", "billing@acme.example <x@evil.example>"],
    ["a From header of thousands of characters", `Acme <billing@acme.example> (${"a".repeat(3000)})`],
    ["nested angles", "<billing@acme.example <x@evil.example>>"],
  ])("%s is not authenticated, whoever vouches", async (_, from) => {
    const { sender } = await read(draft({ ...vouched, from }));
    expect(sender).toMatchObject({ state: "unauthenticated", by: "none", domain: undefined });
    expect(sender.detail).toMatch(/vouch/);
  });

  it("may occur once only, however it is written", async () => {
    for (const second of ["From: x@evil.example", "FROM: x@evil.example", "From : x@evil.example"]) {
      const { sender } = await read(draft({ ...vouched, below: [second] }));
      expect(sender.detail).toContain("2 from headers");
    }
  });

  it.each([
    ["a line that is no field", "Hello there"],
    ["a field name with a blank", "Fr om: x"],
    ["a blank continuation", " \t"],
    ["a bare carriage return", "X: a\rFrom: x@evil.example"],
    ["a NUL", "X: a\0b"],
    ["a no-break space as a fold", "\u00a0From: x@evil.example"],
  ])("is doubted in a header with %s", async (_, line) => {
    const { sender } = await read(draft({ ...vouched, below: [line] }));
    expect(sender.state).toBe("unauthenticated");
  });
});
