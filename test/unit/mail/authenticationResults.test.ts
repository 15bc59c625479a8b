import { describe, expect, it } from "vitest";
import { parseAuthenticationResults } from "../../../src/mail/authenticationResults.ts";
import { draft, read } from "./post.ts";

const ours = "Authentication-Results: mx.bursar.example";
const senderOf = async (...above: string[]) => (await read(draft({ above }))).sender;

describe("an Authentication-Results header", () => {
  it.each([
    `${ours}; dmarc=pass header.from=acme.example`,
    `${ours}; dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=acme.example`,
    `${ours} 1; dkim=pass (2048-bit key; a "quote" \\) here) header.d=acme.example`,
    `${ours}; dkim=fail header.d=evil.example; dkim=pass header.i=@mail.acme.example header.b=ab/c+d=`,
    `${ours};\r\n\tspf=pass (ok)\r\n smtp.mailfrom="bounce 1"@acme.example`,
    `authentication-results:   MX.Bursar.Example ; SPF = Pass smtp.mailfrom=ACME.example`,
  ])("of our own server is believed: %s", async (header) => {
    expect(await senderOf(header)).toMatchObject({
      state: "authenticated",
      by: "authentication-results",
      domain: "acme.example",
    });
  });

  it.each([
    ["another server", "Authentication-Results: mx.evil.example; dmarc=pass header.from=acme.example"],
    [
      "our name as a prefix only",
      "Authentication-Results: mx.bursar.example.evil.example; dmarc=pass header.from=acme.example",
    ],
    ["our name in a comment", "Authentication-Results: evil.example (mx.bursar.example); dmarc=pass"],
    ["none", `${ours}; none`],
    ["a failure", `${ours}; dmarc=fail header.from=acme.example; spf=pass smtp.mailfrom=acme.example`],
    [
      "a pass of another domain",
      `${ours}; dkim=pass header.d=evil.example; spf=pass smtp.mailfrom=x@evil.example`,
    ],
    ["a DMARC pass of another domain", `${ours}; dmarc=pass header.from=evil.example`],
    ["a pass in a comment", `${ours}; dkim=fail (dkim=pass header.d=acme.example)`],
    ["a pass in a quoted value", `${ours}; spf=fail smtp.mailfrom="; dkim=pass header.d=acme.example"`],
    ["a pass by a made-up method", `${ours}; vouch=pass header.d=acme.example`],
    ["spf of the HELO name", `${ours}; spf=pass smtp.helo=acme.example`],
    ["two values for one property", `${ours}; dkim=pass header.d=evil.example header.d=acme.example`],
    ["an unknown version", `${ours} 2; dmarc=pass header.from=acme.example`],
    ["broken grammar", `${ours}; dmarc=pass (unclosed header.from=acme.example`],
    ["rubbish between", `${ours}; hello world; dmarc=pass header.from=acme.example`],
  ])("is not believed: %s", async (_, header) => {
    expect(await senderOf(header)).toMatchObject({ state: "unauthenticated", by: "none", domain: undefined });
  });

  it("counts only on top: a forged one below a foreign or failing one is nothing", async () => {
    const forged = `${ours}; dmarc=pass header.from=acme.example`;
    expect(await senderOf("Authentication-Results: relay.example; none", forged)).toMatchObject({
      state: "unauthenticated",
    });
    expect(await senderOf(`${ours}; dmarc=fail header.from=acme.example`, forged)).toMatchObject({
      state: "unauthenticated",
    });
  });

  it("on top of a forged one is the one that counts", async () => {
    const sender = await senderOf(
      `${ours}; dkim=none; spf=fail smtp.mailfrom=acme.example`,
      `${ours}; dmarc=pass`,
    );
    expect(sender).toMatchObject({ state: "unauthenticated" });
  });

  it("is nothing while no server is trusted", async () => {
    const mail = draft({ above: [`${ours}; dmarc=pass header.from=acme.example`] });
    expect((await read(mail, { trustedServers: [] })).sender.detail).toContain('"trustedServers"');
  });

  it("never quotes control characters of a hostile server name", async () => {
    expect((await senderOf("Authentication-Results: evil\u001b[31m; none")).detail).not.toContain("\u001b");
  });
});

describe("parseAuthenticationResults", () => {
  it("reads what large providers write", () => {
    const value =
      "mx.provider.example; dkim=pass header.i=@a.example header.s=x header.b=kQ0v; arc=none; spf=pass (provider.example: domain of b@a.example designates 192.0.2.1 as permitted sender) smtp.mailfrom=b@a.example; dmarc=pass (p=NONE) header.from=a.example; compauth=pass reason=100";
    expect(
      parseAuthenticationResults(value)?.results.map(({ method, result }) => `${method}=${result}`),
    ).toEqual(["dkim=pass", "arc=none", "spf=pass", "dmarc=pass", "compauth=pass"]);
  });

  it("refuses more results than any server reports", () => {
    expect(parseAuthenticationResults(`a.example${"; spf=pass".repeat(100)}`)).toBeUndefined();
  });
});
