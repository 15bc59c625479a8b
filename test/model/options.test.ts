import { spawn } from "node:child_process";
import { json } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Inference, InferenceEngine, Prompt } from "../../src/core/inference.ts";
import { uncalibrated } from "../../src/inference/compareOpinion.ts";
import { openEngine } from "../../src/inference/openEngine.ts";
import { CLERK, clerkGrammar, clerkPrompt, failure, GREEDY, LONG_MESSAGE, MESSAGES } from "./clerk.ts";

// How likely the model found the beginnings of an answer (`Prompt.options`).

const OPTIONS = ['{"action":"transfer"', '{"action":"hold"'] as const;
const exact = { marginMilli: 0, fingerprintMilli: 0, flipsPermille: 0 };

let engine: InferenceEngine;
beforeAll(async () => {
  engine = await openEngine(CLERK);
});
afterAll(() => engine.close());

const choosing = (prompt: Prompt, options: readonly string[] = OPTIONS): Prompt => ({ ...prompt, options });

/** The same by another program, see there. */
async function likelihoods({ promptTokens }: Inference, texts: readonly string[]): Promise<number[]> {
  const path = fileURLToPath(new URL("./programs/likelihood.mjs", import.meta.url));
  const program = spawn(process.execPath, [path], { stdio: ["pipe", "pipe", "inherit"] });
  program.stdin.end(JSON.stringify({ model: CLERK.modelPath, promptTokens, texts }));
  return (await json(program.stdout)) as number[];
}

test.each([
  ["a bill", clerkPrompt(MESSAGES[0], clerkGrammar), 0],
  ["a thank-you", clerkPrompt(MESSAGES[1], clerkGrammar), 1],
])("the option that is written is the likelier one: %s", async (_name, prompt, best) => {
  const inference = await engine.infer(choosing(prompt), GREEDY);
  expect(inference.text.startsWith(OPTIONS[best]!)).toBe(true);
  const options = inference.options!;
  expect(options.map(({ text }) => text)).toEqual(OPTIONS);
  expect(options[best]!.probabilityPermille).toBeGreaterThan(500);
  expect(options[0]!.probabilityPermille + options[1]!.probabilityPermille).toBe(1000);
});

test("they are the model's own probabilities, before grammar and sampler", async () => {
  // Of several lengths, some the beginning of another, one that the grammar forbids, one of a single token.
  const texts = [...OPTIONS, '{"action":', '{"action":"burn"', "{"];
  const inference = await engine.infer(choosing(clerkPrompt(MESSAGES[2], clerkGrammar), texts), GREEDY);
  const expected = await likelihoods(inference, texts);
  const sum = expected.reduce((total, log) => total + Math.exp(log), 0);
  for (const [index, option] of inference.options!.entries()) {
    // The yardstick's single-precision probabilities and our logarithms round differently.
    expect(Math.abs(option.logMilli - 1000 * expected[index]!)).toBeLessThan(2);
    expect(Math.abs(option.probabilityPermille - (1000 * Math.exp(expected[index]!)) / sum)).toBeLessThan(1);
  }
  expect(inference.options!.every(({ logMilli }) => Number.isSafeInteger(logMilli))).toBe(true);
});

test.each([
  ["under a grammar", clerkPrompt(MESSAGES[0], clerkGrammar)],
  ["without one", clerkPrompt(MESSAGES[1])],
  ["with a long prompt", clerkPrompt(LONG_MESSAGE, clerkGrammar, 60)],
])("asking for them changes nothing else: %s", async (_name, prompt) => {
  const without = await engine.infer(prompt, GREEDY);
  const { options, prompt: asked, timing: _timing, ...rest } = await engine.infer(choosing(prompt), GREEDY);
  const { prompt: _prompt, timing: _other, ...expected } = without;
  expect(rest).toEqual(expected);
  expect(asked.options).toEqual(OPTIONS);
  // And nothing of the run after it, nor do runs before them change the weights.
  const { timing: _third, ...after } = await engine.infer(prompt, GREEDY);
  const { timing: _first, ...before } = without;
  expect(after).toEqual(before);
  expect((await engine.infer(choosing(prompt), GREEDY)).options).toEqual(options);
});

test("they are run again and checked with the rest", async () => {
  const inference = await engine.infer(choosing(clerkPrompt(MESSAGES[0], clerkGrammar)), GREEDY);
  expect((await engine.reExecute(inference)).verdict).toBe("EXACT");
  expect(await engine.reCheck(inference, exact)).toMatchObject({ verdict: "CONSISTENT" });
  const [first, second] = inference.options!;
  const unsure = [
    { ...first!, probabilityPermille: 500 },
    { ...second!, probabilityPermille: 500 },
  ];
  const likely = [
    { ...first!, logMilli: 0 },
    { ...second!, logMilli: second!.logMilli - 20_000 },
  ];
  for (const options of [unsure, likely, [first!]]) {
    expect(await engine.reExecute({ ...inference, options })).toMatchObject({
      verdict: "MISMATCH",
      why: expect.stringMatching(/^options:/),
    });
    expect(await engine.reCheck({ ...inference, options }, uncalibrated)).toMatchObject({
      verdict: "MISMATCH",
      why: expect.stringMatching(/^options:/),
    });
  }
});

test("what is no choice is refused", async () => {
  for (const options of [[], [""], ["a", "a"], ["a\ud800"]])
    expect((await failure(engine.infer(choosing(clerkPrompt("x"), options), GREEDY))).name).toBe(
      "InvalidRequestError",
    );
  // An option has to fit the context as an answer has.
  const { promptTokens } = await engine.infer(clerkPrompt(LONG_MESSAGE, null, 1), GREEDY);
  const long = "qx7".repeat(80);
  const { roomTokens } = await engine.measure(choosing(clerkPrompt(LONG_MESSAGE, null, 1), [long]));
  const error = await failure(engine.infer(choosing(clerkPrompt(LONG_MESSAGE, null, 1), [long]), GREEDY));
  expect(roomTokens).toBeLessThan(0);
  expect(error).toMatchObject({ name: "PromptTooLongError", facts: { tokens: String(promptTokens.length) } });
});
