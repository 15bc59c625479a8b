import { expect, test } from "vitest";

import { linkPayees } from "../../../src/agents/linkPayees.ts";
import type { Fact, Observation } from "../../../src/core/observation.ts";

function observe(text: string, sender: { authenticated: boolean; domain: string | null }): Observation {
  const operator = (value: Fact["value"]): Fact => ({ value, provenance: "operator" });
  return {
    chainId: 31337,
    blockNumber: "1",
    blockHash: `0x${"00".repeat(32)}`,
    blockTimestamp: 1,
    facts: {
      "mail.text": { value: text, provenance: "untrusted" },
      "mail.authenticated": operator(sender.authenticated),
      "mail.domain": operator(sender.domain),
      "payees.names": operator({ acme: ["Acme Hosting", "Acme Hosting Ltd."], lindqvist: ["Åsa Lindqvist"] }),
      "payees.senders": operator({ acme: ["acme.example"], lindqvist: [] }),
    },
  };
}

const stranger = { authenticated: false, domain: null };

test("puts the registry's name where a message uses another", () => {
  expect(linkPayees(observe("From: Bob\nPay ACME  hosting's bill, åsa Lindqvist too.", stranger))).toBe(
    "From: Bob\nPay acme's bill, lindqvist too.",
  );
});

test("takes the longest name, and whole words only", () => {
  expect(
    linkPayees(observe("From: Bob\nAcme Hosting Ltd. and Acme Hostings and my-Acme Hosting", stranger)),
  ).toBe("From: Bob\nacme and Acme Hostings and my-Acme Hosting");
});

test("names an authenticated payee in the From line, and nobody else", () => {
  const text = "From: Billing department\nHello";
  expect(linkPayees(observe(text, { authenticated: true, domain: "acme.example" }))).toBe(
    "From: acme\nHello",
  );
  expect(linkPayees(observe(text, { authenticated: false, domain: "acme.example" }))).toBe(text);
  expect(linkPayees(observe(text, { authenticated: true, domain: "evil.example" }))).toBe(text);
});
