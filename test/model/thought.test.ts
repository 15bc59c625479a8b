import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Hex } from "viem";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { canonicalize } from "../../src/core/canonical.ts";
import type { Inference, InferenceEngine, Prompt, ThoughtSpan } from "../../src/core/inference.ts";
import type { Json } from "../../src/core/json.ts";
import { inferenceSchema } from "../../src/inference/messages.ts";
import { openEngine, type OpenEngineOptions } from "../../src/inference/openEngine.ts";
import { CLERK, clerkGrammar, clerkPrompt, failure, GREEDY, MESSAGES, withTemplate } from "./clerk.ts";
import { THINKER_TEMPLATE, thinkerFile, OLD_CLERK } from "./thinker.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-thought-"));
const exact = { marginMilli: 0, fingerprintMilli: 0, flipsPermille: 0 };
/** What the clerk says to the first message. */
const ANSWER = '{"action":"transfer","to":"acme","amount":"42.50","token":"USDC","reference":"INV-1042"}';

async function openFile(
  name: string,
  content: Uint8Array,
  options: Partial<OpenEngineOptions> = {},
): Promise<InferenceEngine> {
  const modelPath = join(folder, name);
  writeFileSync(modelPath, content);
  const sha256: Hex = `0x${createHash("sha256").update(content).digest("hex")}`;
  return await openEngine({ modelPath, sha256, mode: "canonical", ...options });
}

const thinking = (maxTokens: number, grammar: string | null = clerkGrammar): Prompt => ({
  ...clerkPrompt(MESSAGES[0], grammar),
  thought: { maxTokens },
});

/** The record as it is, run again and looked at. */
async function expectHonest(engine: InferenceEngine, inference: Inference): Promise<void> {
  const read = inferenceSchema.parse(JSON.parse(JSON.stringify(inference)));
  expect(await engine.reExecute(read)).toEqual({ verdict: "EXACT", tokens: inference.outputTokens.length });
  expect(await engine.reCheck(read, exact)).toMatchObject({ verdict: "CONSISTENT", flips: 0 });
  expect(canonicalize(inference as unknown as Json)).toContain('"thought"');
}

let engine: InferenceEngine;
let closed: Inference;
let cut: Inference;
beforeAll(async () => {
  engine = await openFile("thinker.gguf", thinkerFile());
  closed = await engine.infer(thinking(200), GREEDY);
  cut = await engine.infer(thinking(10), GREEDY);
});
afterAll(async () => {
  await engine?.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("a model that thinks", () => {
  test("ends its thought itself, then answers under the grammar", async () => {
    expect(closed.thought).toMatchObject({ end: "model", forced: 2 });
    expect(closed.thought?.text).toContain(ANSWER);
    expect(closed.thought?.text).not.toContain("</think>");
    // The thought is free: the grammar would not have let it write this.
    expect(closed.thought?.text).toMatch(/^<\|im_start\|>/);
    expect(JSON.parse(closed.text)).toHaveProperty("action");
    expect(closed.stopReason).toBe("grammar");
    expect(closed.outputTokens.length).toBeGreaterThan(closed.thought!.tokens + closed.thought!.forced);
    await expectHonest(engine, closed);
  });

  test("is cut off at its budget, its thought closed for it, and the answer has a budget of its own", async () => {
    expect(cut.thought).toMatchObject({ tokens: 10, end: "budget" });
    expect(closed.thought!.text.startsWith(cut.thought!.text)).toBe(true);
    // Marker and white space, of which the other one wrote the marker itself.
    expect(cut.thought!.forced).toBeGreaterThan(closed.thought!.forced);
    expect(JSON.parse(cut.text)).toHaveProperty("action");
    await expectHonest(engine, cut);
    const short = await engine.infer({ ...thinking(10), maxTokens: 4 }, GREEDY);
    expect(short).toMatchObject({ stopReason: "maxTokens", thought: cut.thought! });
    expect(short.outputTokens).toEqual(
      cut.outputTokens.slice(0, cut.outputTokens.length - answerOf(cut) + 4),
    );
    await expectHonest(engine, short);
  });

  test("that may not think is told so by its template, and answers at once", async () => {
    const quiet = await engine.infer(clerkPrompt(MESSAGES[0], clerkGrammar), GREEDY);
    expect(quiet).not.toHaveProperty("thought");
    expect(JSON.parse(quiet.text)).toHaveProperty("action");
    // The prompt is longer by a closed thought: `<think>` is spelled, `</think>` is a token.
    const open = closed.promptTokens;
    expect(quiet.promptTokens.slice(0, open.length)).toEqual(open);
    expect(quiet.promptTokens.slice(open.length)).toHaveLength(4);
    expect(await engine.reExecute(quiet)).toMatchObject({ verdict: "EXACT" });
  });

  test("has both budgets counted before anything is evaluated", async () => {
    const measured = await engine.measure(thinking(200));
    expect(measured).toMatchObject({ promptTokens: closed.promptTokens.length, contextSize: 1024 });
    // Prompt, thought, at most four tokens behind it, 120 for the answer.
    expect(measured.roomTokens).toBe(1024 - measured.promptTokens - 200 - cut.thought!.forced - 120);
    const full = 200 + measured.roomTokens;
    expect((await engine.infer(thinking(full), GREEDY)).thought?.end).toBe("model");
    const error = await failure(engine.infer(thinking(full + 1), GREEDY));
    expect(error).toMatchObject({
      name: "PromptTooLongError",
      facts: { tokens: String(measured.promptTokens), thoughtTokens: String(full + 1 + cut.thought!.forced) },
    });
    expect(error.message).toContain("Shorten the prompt by 1 tokens");
  });
});

const answerOf = ({ outputTokens, thought }: Inference): number =>
  outputTokens.length - thought!.tokens - thought!.forced;

test("several thoughts at a time, and options beside them, are what each is alone", async () => {
  const options = ['{"action":"transfer"', '{"action":"hold"'];
  const prompts = [
    thinking(200),
    { ...thinking(10), options },
    { ...clerkPrompt(MESSAGES[1], clerkGrammar), options },
  ];
  const crowd = await openFile("crowd.gguf", thinkerFile(), { sequences: 3 });
  try {
    const told = ({ fingerprints, options, outputTokens, text, thought }: Inference) => ({
      fingerprints,
      options,
      outputTokens,
      text,
      thought,
    });
    const together = await Promise.all(prompts.map((prompt) => crowd.infer(prompt, GREEDY)));
    for (const [index, prompt] of prompts.entries())
      expect(told(together[index]!)).toEqual(told(await engine.infer(prompt, GREEDY)));
    expect(together.map(({ options }) => options?.length)).toEqual([undefined, 2, 2]);
    expect((await engine.reExecute(together[1]!)).verdict).toBe("EXACT");
  } finally {
    await crowd.close();
  }
});

test("a sampled thought repeats with its seed, in fast mode", async () => {
  const fast = await openFile("fast.gguf", thinkerFile(), { mode: "fast" });
  try {
    const sampled = (seed: number) =>
      ({ kind: "sampled", temperatureMilli: 3000, topK: 100, topPMilli: 1000, seed }) as const;
    const first = await fast.infer(thinking(40), sampled(7));
    expect((await fast.infer(thinking(40), sampled(8))).thought).not.toEqual(first.thought);
    expect(await fast.reExecute(first)).toMatchObject({ verdict: "EXACT" });
    expect(await fast.reCheck(first, { ...exact, marginMilli: 50, fingerprintMilli: 50 })).toMatchObject({
      verdict: "CONSISTENT",
    });
  } finally {
    await fast.close();
  }
});

test("a marker that is no token of its own is found in the text", async () => {
  const template = THINKER_TEMPLATE.replaceAll("</think>", ',"token":').replaceAll(
    "{{ ',\"token\":\\n' }}",
    "{{ '<|im_end|>\\n' }}",
  );
  const other = await openFile("spelled.gguf", withTemplate(template, OLD_CLERK));
  try {
    const inference = await other.infer(thinking(200), GREEDY);
    expect(inference.thought).toMatchObject({ end: "model" });
    expect(inference.thought?.text).toMatch(/"amount":"42\.50"$/);
    expect(inference.outputTokens.length).toBeGreaterThan(inference.thought!.tokens);
    await expectHonest(other, inference);
  } finally {
    await other.close();
  }
});

test("a model that wants to end its turn in the middle of its thought is led to an answer", async () => {
  // The clerk itself: it never heard of </think>, and ends its turn where the thinker ends its thought.
  const template = THINKER_TEMPLATE.replace("{{ '</think>\\n' }}", "{{ '<|im_end|>\\n' }}");
  const other = await openFile("turn.gguf", withTemplate(template, OLD_CLERK));
  try {
    const inference = await other.infer(thinking(200), GREEDY);
    expect(inference.thought).toMatchObject({ end: "turn" });
    expect(JSON.parse(inference.text)).toHaveProperty("action");
    await expectHonest(other, inference);
    // That it wanted to is held against the logits.
    const forged = { ...inference, thought: { ...inference.thought!, end: "model" as const } };
    expect((await other.reCheck(forged, exact)).why).toMatch(/^thought:/);
  } finally {
    await other.close();
  }
});

test("a model whose template knows no thoughts is not asked for one", async () => {
  const clerk = await openEngine(CLERK);
  try {
    const error = await failure(clerk.infer(thinking(20), GREEDY));
    expect(error).toMatchObject({ name: "InvalidRequestError", retry: "never" });
    expect(error.message).toContain("no place for a thought");
    expect((await clerk.infer(clerkPrompt(MESSAGES[0], clerkGrammar), GREEDY)).text).toBe(ANSWER);
  } finally {
    await clerk.close();
  }
});

describe("a forged thought is a MISMATCH both ways", () => {
  const changed = (inference: Inference, thought: Partial<ThoughtSpan>): Inference => ({
    ...inference,
    thought: { ...inference.thought!, ...thought },
  });
  const without = (inference: Inference): Inference => {
    const { thought: _thought, ...rest } = inference;
    return rest;
  };
  const swapped = (inference: Inference, index: number): Inference => ({
    ...inference,
    outputTokens: inference.outputTokens.with(index, inference.outputTokens[index]! + 1),
  });

  test.each([
    ["its text", () => changed(closed, { text: "I was careful." })],
    ["where it ends", () => changed(closed, { tokens: closed.thought!.tokens - 1 })],
    ["what was put behind it", () => changed(closed, { forced: closed.thought!.forced + 1 })],
    ["how it ended", () => changed(closed, { end: "budget" })],
    ["how it was cut", () => changed(cut, { end: "model" })],
    ["that it was cut", () => changed(cut, { end: "turn" })],
    ["that there was one", () => without(closed)],
    ["a token of it", () => swapped(closed, 4)],
    ["a token behind it", () => swapped(cut, 10)],
    ["the answer's first token", () => swapped(cut, cut.thought!.tokens + cut.thought!.forced)],
    ["the budget", () => ({ ...cut, prompt: { ...cut.prompt, thought: { maxTokens: 12 } } })],
  ])("%s", async (_name, forge) => {
    const forged = forge();
    expect((await engine.reExecute(forged)).verdict).toBe("MISMATCH");
    expect((await engine.reCheck(forged, { ...exact, marginMilli: 250, flipsPermille: 50 })).verdict).toBe(
      "MISMATCH",
    );
  });
});
