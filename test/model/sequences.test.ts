import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import type { EngineSettings, Inference, LocalEngine, Prompt } from "../../src/core/inference.ts";
import { openEngine, type OpenEngineOptions } from "../../src/inference/openEngine.ts";
import { shareEngine } from "../../src/inference/shareEngine.ts";
import {
  alive,
  childrenOf,
  CLERK,
  clerkGrammar,
  clerkPrompt,
  ENDLESS,
  failure,
  GREEDY,
  LONG_MESSAGE,
  MESSAGES,
} from "./clerk.ts";
import { inFloats } from "./inFloats.ts";

// Several runs at a time in one process: what each computes is what it computes alone.

const engines: LocalEngine[] = [];
async function keep(opening: Promise<LocalEngine>): Promise<LocalEngine> {
  const engine = await opening;
  engines.push(engine);
  return engine;
}
const open = (options: Partial<OpenEngineOptions> = {}) => keep(openEngine({ ...CLERK, ...options }));
const share = (options: Partial<OpenEngineOptions> = {}) => keep(shareEngine({ ...CLERK, ...options }));

afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
  const left = process.platform === "linux" ? childrenOf(process.pid) : [];
  if (left.length > 0) throw new Error(`workers were left behind: ${left.join(", ")}`);
});

/** Short and long prompts, with and without a grammar, answers that end early and late. */
const PROMPTS: readonly Prompt[] = [
  clerkPrompt(MESSAGES[0]),
  clerkPrompt(MESSAGES[1], clerkGrammar),
  clerkPrompt("x", ENDLESS, 200),
  clerkPrompt(MESSAGES[2], clerkGrammar),
  clerkPrompt(LONG_MESSAGE, null, 3),
  clerkPrompt("hello", null, 90),
  clerkPrompt(MESSAGES[0], clerkGrammar),
  clerkPrompt("y", ENDLESS, 150),
  clerkPrompt(`${MESSAGES[2]} ${MESSAGES[0]}`, null, 40),
];

const said = ({ fingerprints, outputTokens, stopReason, text }: Inference) => ({
  outputTokens,
  text,
  stopReason,
  fingerprints,
});

/** What each prompt is answered alone: computed once, for both numbers of sequences. */
let alone: { readonly settings: EngineSettings; readonly answers: readonly ReturnType<typeof said>[] };
beforeAll(async () => {
  const engine = await openEngine(CLERK);
  const answers = [];
  for (const prompt of PROMPTS) answers.push(said(await engine.infer(prompt, GREEDY)));
  alone = { settings: engine.settings, answers };
  await engine.close();
}, 240_000);

describe.each([4, 8])("%d sequences", (sequences) => {
  test(
    "every answer is, to the bit of its fingerprints, the one that is given alone",
    { timeout: 240_000 },
    async () => {
      const together = await open({ sequences });
      expect(together.settings).toEqual({ ...alone.settings, sequences });
      const beside = await Promise.all(PROMPTS.map((prompt) => together.infer(prompt, GREEDY)));
      for (const [index, record] of beside.entries()) {
        expect(said(record)).toEqual(alone.answers[index]);
        expect(record.timing.queueMs).toBeGreaterThanOrEqual(0);
        expect(record.timing.reusedTokens).toBeUndefined();
      }
      // Also in the other direction, with others beside it.
      const [, second] = beside;
      const verdicts = await Promise.all([
        together.reExecute(second!),
        ...PROMPTS.slice(0, 3).map(async (prompt) => await together.infer(prompt, GREEDY)),
        together.reCheck(second!, { marginMilli: 0, fingerprintMilli: 0, flipsPermille: 0 }),
      ]);
      expect(verdicts.at(0)).toMatchObject({ verdict: "EXACT" });
      expect(verdicts.at(-1)).toMatchObject({ verdict: "CONSISTENT", worstFingerprintMilli: 0 });
    },
  );
});

test(
  "weights whose kernels depend on the company are computed alone, and come out the same",
  { timeout: 240_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "bursar-model-"));
    const modelPath = join(folder, "floats.gguf");
    const bytes = await inFloats(CLERK.modelPath);
    writeFileSync(modelPath, bytes);
    const floats = { modelPath, sha256: `0x${createHash("sha256").update(bytes).digest("hex")}` } as const;
    const alone = await open(floats);
    const together = await open({ ...floats, sequences: 4 });
    const some = PROMPTS.filter((_, index) => index !== 2);
    const beside = await Promise.all(some.map((prompt) => together.infer(prompt, GREEDY)));
    // The same numbers as the clerk's, so about the same thoughts.
    expect(beside[0]?.text).toContain("acme");
    for (const [index, prompt] of some.entries())
      expect(said(beside[index]!)).toEqual(said(await alone.infer(prompt, GREEDY)));
    rmSync(folder, { recursive: true });
  },
);

test("they answer at the same time, not one after the other", async () => {
  const engine = await open({ sequences: 2 });
  const order: string[] = [];
  await Promise.all([
    engine.infer(clerkPrompt("x", ENDLESS, 800), GREEDY).then(() => order.push("long")),
    engine.infer(clerkPrompt(MESSAGES[1], clerkGrammar), GREEDY).then(() => order.push("short")),
  ]);
  expect(order).toEqual(["short", "long"]);
});

test("one that is cancelled leaves those beside it as they are", async () => {
  const engine = await open({ sequences: 3 });
  const controller = new AbortController();
  const cancelled = failure(
    engine.infer(clerkPrompt("x", ENDLESS, 900), GREEDY, { signal: controller.signal }),
  );
  const beside = [PROMPTS[0]!, PROMPTS[7]!].map((prompt) => engine.infer(prompt, GREEDY));
  setTimeout(() => controller.abort(), 150);
  expect((await cancelled).name).toBe("InferenceAbortedError");
  const answers = await Promise.all(beside);
  expect(answers.map(said)).toEqual([alone.answers[0], alone.answers[7]]);
});

test.runIf(process.platform === "linux")(
  "kill -9: all that were under way fail, and may be asked again",
  async () => {
    const engine = await open({ sequences: 3 });
    const running = PROMPTS.slice(2, 5).map(() =>
      failure(engine.infer(clerkPrompt("x", ENDLESS, 900), GREEDY)),
    );
    await new Promise((done) => setTimeout(done, 300));
    const [pid] = childrenOf(process.pid);
    if (pid === undefined) throw new Error("No worker runs.");
    process.kill(pid, "SIGKILL");
    for (const error of await Promise.all(running))
      expect(error).toMatchObject({ name: "InferenceCrashedError", retry: "safe" });
    const again = await Promise.all(PROMPTS.slice(0, 3).map((prompt) => engine.infer(prompt, GREEDY)));
    expect(again.map(({ text }) => text.length > 0)).toEqual([true, true, true]);
  },
);

describe.runIf(process.platform === "linux")("users of one process who ask for the same model", () => {
  test("share one worker, and take turns in it", async () => {
    const [greedy, modest] = await Promise.all([share(), share()]);
    expect(childrenOf(process.pid)).toHaveLength(1);
    const order: string[] = [];
    await Promise.all([
      ...Array.from({ length: 4 }, async () => {
        await greedy.infer(clerkPrompt("x", ENDLESS, 60), GREEDY);
        order.push("greedy");
      }),
      modest.infer(PROMPTS[1]!, GREEDY).then(() => order.push("modest")),
    ]);
    expect(order.indexOf("modest")).toBeLessThanOrEqual(2);
  });

  test("it lives until the last of them has closed its engine", async () => {
    const first = await share();
    const second = await share();
    const [pid] = childrenOf(process.pid);
    await first.close();
    await first.close();
    expect((await second.infer(PROMPTS[1]!, GREEDY)).text).toContain("hold");
    expect(childrenOf(process.pid)).toEqual([pid]);
    await second.close();
    expect(alive(pid!)).toBe(false);
    expect((await failure(second.infer(PROMPTS[1]!, GREEDY))).name).toBe("EngineClosedError");
    const third = await share();
    expect((await third.infer(PROMPTS[1]!, GREEDY)).text).toContain("hold");
  });

  test("whoever gives up while it opens does not end it for the others", async () => {
    const controller = new AbortController();
    const impatient = failure(shareEngine({ ...CLERK, signal: controller.signal }));
    const patient = share();
    controller.abort();
    expect((await impatient).name).toBe("InferenceAbortedError");
    expect((await (await patient).infer(PROMPTS[1]!, GREEDY)).text).toContain("hold");
  });

  test("other settings are another worker; a file that will not open fails for each", async () => {
    await share();
    const other = await share({ contextSize: 512 });
    expect(other.settings.contextSize).toBe(512);
    expect(childrenOf(process.pid)).toHaveLength(2);
    const sha256 = `0x${"ab".repeat(32)}` as const;
    const failures = await Promise.all([1, 2].map(() => failure(shareEngine({ ...CLERK, sha256 }))));
    expect(failures.map(({ name }) => name)).toEqual(["ModelHashMismatchError", "ModelHashMismatchError"]);
  });
});

describe("fast mode reads a shared beginning once", () => {
  const rules = "Pay only what is due, and only to payees that are listed. ".repeat(4);
  const ask = (message: string): Prompt => ({
    messages: [
      { role: "system", content: rules },
      { role: "user", content: message },
    ],
    grammar: clerkGrammar,
    maxTokens: 60,
  });
  const prompts = MESSAGES.map(ask);
  const [first, second] = prompts;
  /** Of the clerk's calibration; what was read before a run has other last bits with flash attention. */
  const tolerance = { marginMilli: 20, fingerprintMilli: 276, flipsPermille: 20 };

  test("one after the other, and the answers are those of canonical mode", async ({ skip }) => {
    const engine = await open({ mode: "fast" });
    if (engine.settings.gpuLayers > 0) skip("this machine has a GPU");
    const records = [];
    for (const prompt of [...prompts, prompts.at(-1)!]) records.push(await engine.infer(prompt, GREEDY));
    const reused = records.map(({ timing }) => timing.reusedTokens ?? 0);
    expect(reused[0]).toBe(0);
    for (const tokens of reused.slice(1)) {
      expect(tokens).toBeGreaterThan(rules.length / 4);
      expect(tokens % 32).toBe(0);
    }
    // The whole prompt, but for what is always left.
    expect(reused[3]).toBeGreaterThan(reused[1]!);
    const fresh = await open();
    for (const record of records) {
      expect(await engine.reExecute(record)).toMatchObject({ verdict: "EXACT" });
      expect(record.text).toBe((await fresh.infer(record.prompt, GREEDY)).text);
      expect(await fresh.reCheck(record, tolerance)).toMatchObject({ verdict: "CONSISTENT" });
    }
  });

  test("at the same time: one reads, the others take it from there", async ({ skip }) => {
    const engine = await open({ mode: "fast", sequences: 4 });
    if (engine.settings.gpuLayers > 0) skip("this machine has a GPU");
    const records = await Promise.all([...prompts, second!].map((prompt) => engine.infer(prompt, GREEDY)));
    const reused = records.map(({ timing }) => timing.reusedTokens ?? 0).toSorted((a, b) => a - b);
    expect(reused[0]).toBe(0);
    expect(reused[1]).toBeGreaterThan(rules.length / 4);
    const checker = await open();
    for (const record of records)
      expect(await checker.reCheck(record, tolerance)).toMatchObject({ verdict: "CONSISTENT" });
  });

  test("canonical mode does not", async () => {
    const engine = await open();
    await engine.infer(first!, GREEDY);
    const { timing } = await engine.infer(second!, GREEDY);
    expect(timing.reusedTokens).toBeUndefined();
  });
});
