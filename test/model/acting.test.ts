import { zeroAddress } from "viem";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as z from "zod";

import { readAnswer } from "../../src/agents/answers.ts";
import { defineAction, defineTool } from "../../src/agents/defineAction.ts";
import { defineAgent } from "../../src/agents/defineAgent.ts";
import { deskOf } from "../../src/agents/desk.ts";
import { fence } from "../../src/agents/fence.ts";
import type { InferenceEngine } from "../../src/core/inference.ts";
import type { Observation } from "../../src/core/observation.ts";
import { openEngine } from "../../src/inference/openEngine.ts";
import { compilePolicy } from "../../src/policy/compile.ts";
import { parsePolicy } from "../../src/policy/parse.ts";
import { promptAfter, type Turn } from "../../src/runtime/deliberation.ts";
import { CLERK, GREEDY, MESSAGES } from "./clerk.ts";

// Any model drives an agent with actions of its own: the clerk was taught none of these, and its grammar leaves it nothing else.

const policy = compilePolicy(
  parsePolicy(`policy: desk
version: 1
chain: 1
tokens:
  USDC: { address: "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", decimals: 6 }
payees:
  acme: { address: "0x00000000000000000000000000000000000ac3e0" }
limits:
  - { perPayment: "5.00 USDC", perWindow: "50.00 USDC", window: 24h, lifetime: "50.00 USDC" }
gas: { budget: "0.5 ETH", perOperation: "0.02 ETH" }
expires: "2036-12-31T00:00:00Z"
`),
  zeroAddress,
);
const agent = defineAgent({
  name: "sorter",
  purpose: "You sort mail.",
  triggers: [{ kind: "mailFolder", folder: "i", settings: "m", excerptCharacters: 100 }],
  actions: {
    file: defineAction({
      words: "Files the mail.",
      input: z.strictObject({
        under: z.enum(["bills", "letters"]),
        urgency: z.int().min(1).max(5),
        title: z.string().min(3).max(12),
        tags: z.array(z.string().regex(/^[a-z]{2,6}$/)).max(2),
        due: z.union([z.literal("never"), z.strictObject({ days: z.int().min(0).max(90) })]).optional(),
      }),
    }),
    tip: defineAction({
      words: "Tips acme.",
      input: z.strictObject({ amount: z.string().regex(/^[1-4](\.[0-9]{1,2})?$/) }),
      calls: ({ amount }, desk) => ({ spends: "USDC", calls: [desk.pay("USDC", "acme", amount)] }),
    }),
  },
  tools: {
    calendar: defineTool({
      words: "Looks a day up.",
      input: z.strictObject({ day: z.int().min(1).max(31) }),
      provenance: "operator",
      run: () => Promise.resolve("free"),
    }),
  },
  toolRounds: 2,
  // Short: the clerk spells most words, and its context holds 1,024 tokens.
  prompt: ({ facts }) => ({
    messages: [
      { role: "system", content: "Sort the mail." },
      { role: "user", content: fence("mail", facts["mail.text"]!) },
    ],
    grammar: null,
    maxTokens: 120,
  }),
});

let engine: InferenceEngine;
beforeAll(async () => {
  engine = await openEngine({ ...CLERK, contextSize: 1024 });
});
afterAll(() => engine.close());

test.each(MESSAGES)(
  "what it writes about %j is one of the declared answers, whatever it was taught",
  async (message) => {
    const observation: Observation = {
      chainId: 1,
      blockNumber: "1",
      blockHash: `0x${"00".repeat(32)}`,
      blockTimestamp: 1,
      facts: { "mail.text": { value: message, provenance: "untrusted" } },
    };
    const desk = deskOf(policy, zeroAddress, observation);
    const first = await engine.infer(promptAfter({ agent, policy }, observation, []), GREEDY);
    expect(first.stopReason).toBe("grammar");
    const answer = readAnswer(agent, first, desk);
    expect(answer.kind).not.toBe("wrong");

    // Once its rounds are used up, nothing is left but to act or to hold.
    const looked = {
      tool: "calendar",
      input: { day: 1 },
      provenance: "operator",
      result: "free",
      failed: false,
    } as const;
    const turns: readonly Turn[] = Array.from({ length: agent.toolRounds! }, () => ({
      inference: first,
      looked,
    }));
    const last = await engine.infer(promptAfter({ agent, policy }, observation, turns), GREEDY);
    expect(readAnswer(agent, last, desk).kind).toBe("action");
    expect(await engine.reExecute(last)).toMatchObject({ verdict: "EXACT" });
  },
);
