import { execFile } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { LocalInference, LocalEngine } from "../../src/core/inference.ts";
import { uncalibrated } from "../../src/inference/compareOpinion.ts";
import type { Calibration } from "../../src/inference/calibration.ts";
import { openEngine } from "../../src/inference/openEngine.ts";
import { verifyInference } from "../../src/runtime/verifyInference.ts";
import { CLERK, clerkGrammar, clerkPrompt, GREEDY, MESSAGES } from "./clerk.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-verify-"));
let engine: LocalEngine;
let recorded: LocalInference;
beforeAll(async () => {
  engine = await openEngine(CLERK);
  recorded = await engine.infer(clerkPrompt(MESSAGES[0], clerkGrammar), GREEDY);
});
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true, force: true });
});

const bursar = (...words: readonly string[]) => command("verify", ...words);
function command(...words: readonly string[]) {
  const main = join(import.meta.dirname, "../../src/cli/main.ts");
  const flags = ["--disable-warning=ExperimentalWarning", "--conditions=source"];
  return new Promise<{ readonly status: number; readonly stdout: string; readonly stderr: string }>(
    (resolve) =>
      execFile(process.execPath, [...flags, main, ...words], { cwd: folder }, (error, stdout, stderr) =>
        resolve({ status: error ? Number(error.code) : 0, stdout, stderr }),
      ),
  );
}
function write(name: string, inference: unknown): string {
  writeFileSync(join(folder, name), JSON.stringify(inference));
  return name;
}

test("a record is EXACT, and one with a changed token a MISMATCH that names it", async () => {
  const honest = await bursar("--inference", write("honest.json", recorded), "--json");
  expect(honest).toMatchObject({ status: 0, stderr: "" });
  expect(JSON.parse(honest.stdout)).toMatchObject({
    verdict: "EXACT",
    tokens: recorded.outputTokens.length,
    reCheck: null,
  });

  const outputTokens = recorded.outputTokens.with(7, recorded.outputTokens[7]! + 1);
  const changed = await bursar("--inference", write("changed.json", { ...recorded, outputTokens }), "--json");
  expect(changed.status).toBe(1);
  expect(JSON.parse(changed.stdout)).toMatchObject({
    verdict: "MISMATCH",
    tokens: recorded.outputTokens.length,
    firstDivergence: {
      index: 7,
      recorded: outputTokens[7],
      actual: recorded.outputTokens[7],
      marginMilli: expect.any(Number),
    },
  });
  const words = await bursar("--inference", "changed.json");
  expect(words.stdout).toMatch(/comes here; the (recorded one lies \d+ thousandths|grammar forbids)/);
  expect(words).toMatchObject({ status: 1, stderr: "running it again with clerk-q8_0.gguf\n" });
  expect(words.stdout).toMatch(/^MISMATCH: tokens: output token 7 differs\n {2}token 7: \d+ was recorded/);
});

test("a record can't make its checker slow with threads that don't count", async () => {
  const settings = { ...recorded.settings, threads: 1024 };
  expect(await verifyInference({ ...recorded, settings })).toMatchObject({ verdict: "EXACT" });
});

test("words of a stranger's record reach no terminal as they are", async () => {
  const file = "\u001b[2Jfake\u202e.gguf";
  const model = { ...recorded.model, file };
  const { stderr, status } = await bursar("--inference", write("ansi.json", { ...recorded, model }));
  expect(status).toBe(0);
  expect(stderr).toBe("running it again with  [2Jfake .gguf\n");
});

test("what is no record, or was made with a model that is not here, gets a clear error", async () => {
  for (const [file, said] of [
    [write("list.json", []), /is no inference record/],
    [write("float.json", { ...recorded, promptTokens: [1.5] }), /is no inference record/],
    ["nowhere.json", /is no inference record/],
    [
      write("other.json", { ...recorded, model: { ...recorded.model, sha256: `0x${"1".repeat(64)}` } }),
      /not the bundled one/,
    ],
    [write("script.json", { ...recorded, mode: "scripted" }), /A script was at work/],
  ] as const) {
    const answer = await bursar("--inference", file, "--json");
    expect(answer.status).toBe(1);
    expect(JSON.parse(answer.stdout)).toMatchObject({ error: { message: expect.stringMatching(said) } });
  }
  const nothing = await bursar("--json");
  expect(JSON.parse(nothing.stdout)).toMatchObject({ error: { message: "It is not said what to verify." } });
});

/** Tokens that are not the best ones here, but nearly: what an honest program with other arithmetic may write. */
async function nearlyRight(): Promise<LocalInference> {
  const fast = await openEngine({ ...CLERK, mode: "fast" });
  try {
    const prompt = clerkPrompt("hello", "root ::= [a-z ]{24}\n", 40);
    for (let seed = 1; seed < 400; seed++) {
      const sampling = { kind: "sampled", temperatureMilli: 200, topK: 2, topPMilli: 1000, seed } as const;
      const one = { ...(await fast.infer(prompt, sampling)), sampling: GREEDY, mode: "canonical" } as const;
      const { flips, verdict } = await engine.reCheck(one, uncalibrated);
      if (verdict === "CONSISTENT" && flips === 1) return one;
    }
    throw new Error("No seed gives a run that is nearly the best one.");
  } finally {
    await fast.close();
  }
}

test("another program's tokens are CONSISTENT within the tolerance; the same program's are not excused", async () => {
  const near = await nearlyRight();
  const elsewhere = { ...near, runtime: { ...near.runtime, platform: "plan9-riscv64" } };
  const check = await verifyInference(elsewhere, { tolerance: uncalibrated });
  expect(check).toMatchObject({
    verdict: "CONSISTENT",
    reExecution: { verdict: "MISMATCH", otherProgram: true },
    reCheck: { flips: 1 },
  });
  expect(check).not.toHaveProperty("firstDivergence");
  expect(await verifyInference(near)).toMatchObject({ verdict: "MISMATCH", reCheck: null });
  const strict = { ...uncalibrated, marginMilli: 0 };
  expect((await verifyInference(elsewhere, { tolerance: strict })).verdict).toBe("MISMATCH");
});

test("a calibration lies beside the model and sets the tolerance", async () => {
  const model = join(folder, "clerk.gguf");
  copyFileSync(CLERK.modelPath, model);
  const prompts = [clerkPrompt(MESSAGES[1], null, 20), clerkPrompt("hello", "root ::= [a-z ]{24}\n", 40)];
  writeFileSync(join(folder, "prompts.jsonl"), prompts.map((prompt) => JSON.stringify(prompt)).join("\n"));
  const { status, stdout } = await command(
    "model",
    "calibrate",
    model,
    "--prompts",
    "prompts.jsonl",
    "--json",
  );
  expect(status).toBe(0);
  const found = JSON.parse(stdout) as Calibration;
  // Two prompts, four other ways of running the model, each looked at from both sides.
  expect(found).toMatchObject({ model: { sha256: CLERK.sha256 }, runs: 16 });
  // Flash attention computes other bits.
  expect(found.worst.fingerprintMilli).toBeGreaterThan(0);
  expect(found.tolerance.fingerprintMilli).toBeGreaterThan(found.worst.fingerprintMilli);
  const elsewhere = { ...recorded, runtime: { ...recorded.runtime, platform: "plan9-riscv64" } };
  const outputTokens = recorded.outputTokens.with(3, recorded.outputTokens[3]! + 1);
  const check = await verifyInference({ ...elsewhere, outputTokens }, { model });
  expect(check.reCheck?.tolerance).toEqual(found.tolerance);
  const words = await command("model", "calibrate", model, "--prompts", "nowhere.jsonl");
  expect(words).toMatchObject({ status: 1, stdout: "" });
  expect(words.stderr).toContain("can't be read");
});
