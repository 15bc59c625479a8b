import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LocalInference, LocalEngine } from "../../src/core/inference.ts";
import { uncalibrated } from "../../src/inference/compareOpinion.ts";
import { openEngine } from "../../src/inference/openEngine.ts";
import { CLERK, clerkGrammar, clerkPrompt, failure, GREEDY, LONG_MESSAGE, MESSAGES } from "./clerk.ts";

// One pass over a record instead of a second run (`reCheck`).

let engine: LocalEngine;
let recorded: LocalInference;
beforeAll(async () => {
  engine = await openEngine(CLERK);
  recorded = await engine.infer(clerkPrompt(MESSAGES[0], clerkGrammar), GREEDY);
});
afterAll(() => engine.close());

/** The model's weights are Q8_0: a pass gives the very bits of the run (see docs/inference.md). */
const exact = { marginMilli: 0, fingerprintMilli: 0, flipsPermille: 0 };

describe("an honest record is CONSISTENT to the bit in the same program", () => {
  test.each([
    ["under a grammar", () => clerkPrompt(MESSAGES[0], clerkGrammar)],
    ["without one", () => clerkPrompt(MESSAGES[1])],
    ["cut off by its budget", () => clerkPrompt(MESSAGES[0], clerkGrammar, 9)],
    [
      "under a grammar against which the model rebels",
      () => clerkPrompt("hello", 'root ::= "~~~" [0-9]{20}\n'),
    ],
    ["with a long prompt", () => clerkPrompt(LONG_MESSAGE, clerkGrammar, 60)],
  ])("%s", async (_name, prompt) => {
    const inference = await engine.infer(prompt(), GREEDY);
    expect(await engine.reCheck(inference, exact)).toEqual({
      verdict: "CONSISTENT",
      tokens: inference.outputTokens.length,
      flips: 0,
      worstMarginMilli: 0,
      worstFingerprintMilli: 0,
      tolerance: exact,
    });
  });

  test("as it comes back from a file, in another process with another context", async () => {
    const second = await openEngine({ ...CLERK, contextSize: 768 });
    try {
      const read = JSON.parse(JSON.stringify(recorded)) as LocalInference;
      expect(await second.reCheck(read, exact)).toMatchObject({ verdict: "CONSISTENT" });
    } finally {
      await second.close();
    }
  });
});

test("flash attention computes other bits, and is CONSISTENT within the tolerance", async ({ skip }) => {
  const fast = await openEngine({ ...CLERK, mode: "fast" });
  try {
    if (fast.settings.gpuLayers > 0) skip("a GPU computes other bits");
    const there = await fast.infer(clerkPrompt(MESSAGES[0], clerkGrammar), GREEDY);
    const here = await engine.reCheck(there, uncalibrated);
    expect(here.verdict).toBe("CONSISTENT");
    expect(here.worstFingerprintMilli).toBeGreaterThan(0);
    expect((await fast.reCheck(recorded, uncalibrated)).verdict).toBe("CONSISTENT");
  } finally {
    await fast.close();
  }
});

describe("what was changed is a MISMATCH", () => {
  /** The verdict and why. */
  const verdictOn = async (changes: Partial<LocalInference>) => {
    const { verdict, why } = await engine.reCheck({ ...recorded, ...changes }, uncalibrated);
    return `${verdict} ${why ?? ""}`;
  };

  test("each single output token, wherever it stands", async () => {
    for (const [index, token] of recorded.outputTokens.entries())
      expect(await verdictOn({ outputTokens: recorded.outputTokens.with(index, token + 1) })).toMatch(
        /^MISMATCH .*tokens:/,
      );
  });

  test("an answer that was cut, or that goes on", async () => {
    expect(await verdictOn({ outputTokens: recorded.outputTokens.slice(0, -1) })).toMatch(
      /^MISMATCH .*tokens:/,
    );
    expect(await verdictOn({ outputTokens: [...recorded.outputTokens, recorded.outputTokens[0]!] })).toMatch(
      /^MISMATCH .*tokens:/,
    );
  });

  test("an answer that was cut and said to be cut by its budget", async () => {
    const short = await engine.infer(clerkPrompt(MESSAGES[0], clerkGrammar, 9), GREEDY);
    const { outputTokens, stopReason, text } = short;
    expect(await verdictOn({ outputTokens, stopReason, text })).toMatch(/^MISMATCH stop:/);
  });

  test("text, messages, prompt, grammar", async () => {
    expect(await verdictOn({ text: recorded.text.replace("42.50", "92.50") })).toMatch(/^MISMATCH text:/);
    const prompt = clerkPrompt(MESSAGES[0].replace("42.50", "43.50"), clerkGrammar);
    expect(await verdictOn({ prompt })).toMatch(/^MISMATCH template:/);
    const { promptTokens } = await engine.infer(prompt, GREEDY);
    // Consistently changed: what was thought about another prompt is something else.
    expect(await verdictOn({ prompt, promptTokens })).toMatch(/^MISMATCH .*(tokens:|fingerprints:)/);
    expect(await verdictOn({ prompt: { ...recorded.prompt, grammar: 'root ::= "no"\n' } })).toMatch(
      /^MISMATCH .*tokens:/,
    );
  });

  test("fingerprints, forged or left out", async () => {
    const { every, rows } = recorded.fingerprints;
    expect(await verdictOn({ fingerprints: { every, rows: [] } })).toMatch(
      /^MISMATCH .*not where they have to be/,
    );
    const first = rows[0]!;
    const forged = { ...first, logitsMilli: first.logitsMilli.map((logit) => logit + 300) };
    expect(await verdictOn({ fingerprints: { every, rows: [forged, ...rows.slice(1)] } })).toMatch(
      /^MISMATCH .*differs by 300 thousandths/,
    );
  });

  test("another model", async () => {
    expect(await verdictOn({ model: { ...recorded.model, sha256: `0x${"0".repeat(64)}` } })).toMatch(
      /^MISMATCH model:/,
    );
  });
});

test("a record with tokens of no vocabulary, or places beyond its prompt, is refused", async () => {
  const beyond = {
    every: 32,
    rows: recorded.fingerprints.rows.map((row) => ({ ...row, at: row.at + 5000 })),
  };
  for (const changes of [
    { outputTokens: recorded.outputTokens.with(3, 4_000_000) },
    { fingerprints: beyond },
    { outputTokens: Array.from({ length: 1000 }, () => 7) },
  ])
    expect((await failure(engine.reCheck({ ...recorded, ...changes }, uncalibrated))).name).toMatch(
      /InvalidRequestError|PromptTooLongError/,
    );
  // The engine is none the worse for it.
  expect((await engine.reCheck(recorded, exact)).verdict).toBe("CONSISTENT");
});
