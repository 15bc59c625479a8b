import { describe, expect, it } from "vitest";

import { defineAgent } from "../../../src/agents/defineAgent.ts";
import { treasurer } from "../../../src/agents/treasurer.ts";
import type { Agent } from "../../../src/core/agent.ts";

const agent = treasurer({ inbox: "./inbox", mailSettings: "./mail.json" });

describe("defineAgent", () => {
  it("freezes the declaration and its triggers, and copies them", () => {
    const triggers = [...agent.triggers];
    const declared = defineAgent({ ...agent, triggers });
    triggers.pop();
    expect(declared.triggers).toHaveLength(1);
    expect([declared, declared.triggers].every(Object.isFrozen)).toBe(true);
  });

  it.each(["", "Treasurer", "1st", "a b", "a".repeat(33), "a_b", "clérk"])("refuses the name %j", (name) => {
    expect(() => defineAgent({ ...agent, name })).toThrow(`"${name}" is not an agent's name.`);
  });

  it("refuses an agent that nothing wakes, and one without a prompt", () => {
    expect(() => defineAgent({ ...agent, triggers: [] })).toThrow("Nothing wakes the agent treasurer.");
    expect(() => defineAgent({ ...agent, prompt: undefined } as unknown as Agent)).toThrow("has no prompt");
  });
});

describe("treasurer", () => {
  it("watches its inbox, by default with an excerpt as long as the clerk was trained on", () => {
    expect(agent.triggers).toEqual([
      { kind: "mailFolder", folder: "./inbox", settings: "./mail.json", excerptCharacters: 480 },
    ]);
    const named = treasurer({ name: "clerk", inbox: "i", mailSettings: "m", excerptCharacters: 100 });
    expect([named.name, named.triggers[0]]).toEqual([
      "clerk",
      expect.objectContaining({ excerptCharacters: 100 }),
    ]);
  });

  it("lists all payees when the mail may mean none of them", () => {
    const listed = (text: string, authenticated = false) =>
      agent
        .prompt({
          chainId: 31337,
          blockNumber: "1",
          blockHash: `0x${"00".repeat(32)}`,
          blockTimestamp: 1_800_000_000,
          facts: {
            payees: { value: ["acme-hosting", "northwind", "j-smith"], provenance: "operator" },
            "payees.names": { value: { northwind: ["NW Supplies"] }, provenance: "operator" },
            "payees.senders": {
              value: { "acme-hosting": ["shared.example"], northwind: ["shared.example"], "j-smith": [] },
              provenance: "operator",
            },
            "mail.authenticated": { value: authenticated, provenance: "operator" },
            "mail.domain": { value: "shared.example", provenance: "operator" },
            "mail.text": { value: text, provenance: "untrusted" },
          },
        })
        .messages[1]!.content.split("\n")[0];
    expect(listed("From: Bob\nPlease pay $5.")).toBe("payees: acme-hosting, northwind, j-smith");
    expect(listed("From: John Smith\nAcme's bill was $5.")).toBe("payees: acme-hosting, j-smith");
    expect(listed("From: NW Supplies\nPlease pay $5.")).toBe("payees: northwind");
    // An authenticated sender speaks for all whose domain it is, whoever of them is named.
    expect(listed("From: Billing\nPlease pay $5.", true)).toBe("payees: acme-hosting, northwind");
  });

  it("writes the same prompt for the same observation", () => {
    const observation = {
      chainId: 31337,
      blockNumber: "1",
      blockHash: `0x${"00".repeat(32)}`,
      blockTimestamp: 1_800_000_000,
      facts: {
        payees: { value: ["acme", "northwind"], provenance: "operator" },
        tokens: { value: ["USDC"], provenance: "operator" },
        "mail.text": { value: "from: Acme\nPlease pay 42.50 USDC, INV-1.", provenance: "untrusted" },
      },
    } as const;
    expect(agent.prompt(observation)).toEqual(agent.prompt(observation));
    expect(agent.prompt(observation)).toMatchInlineSnapshot(`
      {
        "grammar": null,
        "maxTokens": 160,
        "messages": [
          {
            "content": "You are a payments clerk. Answer with one JSON action.",
            "role": "system",
          },
          {
            "content": "payees: acme
      message:
      from: Acme
      Please pay 42.50 USDC, INV-1.",
            "role": "user",
          },
        ],
      }
    `);
  });
});
