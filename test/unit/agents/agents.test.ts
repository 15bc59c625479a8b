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
            "content": "payees: acme, northwind
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
