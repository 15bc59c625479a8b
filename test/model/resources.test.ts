import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { freemem, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { freeMemory } from "../../src/inference/freeMemory.ts";
import { openEngine } from "../../src/inference/openEngine.ts";
import { CLERK, clerkPrompt, failure, GREEDY } from "./clerk.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-resources-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The clerk's file, which says that it can read a hundred million tokens. */
function patient() {
  const content = readFileSync(CLERK.modelPath);
  const key = "llama.context_length";
  // Behind the key: its type (uint32, 4 is uint32), then the value.
  content.writeUInt32LE(100_000_000, content.indexOf(key) + key.length + 4);
  const modelPath = join(folder, "patient.gguf");
  writeFileSync(modelPath, content);
  return { modelPath, sha256: `0x${createHash("sha256").update(content).digest("hex")}` } as const;
}

describe("memory", () => {
  test("a context that does not fit is refused before anything is loaded, with the figures", async () => {
    const phases = new Set<string>();
    const error = await failure(
      openEngine({
        ...CLERK,
        ...patient(),
        contextSize: 100_000_000,
        onProgress: ({ phase }) => phases.add(phase),
      }),
    );
    expect(error).toMatchObject({ name: "ModelTooLargeError", retry: "ask" });
    expect([...phases]).toEqual(["hashing"]);
    const { contextBytes, freeBytes, needBytes, weightsBytes } = error.facts;
    // Six layers, keys and values, 192 numbers of two bytes.
    expect(Number(contextBytes)).toBeGreaterThan(100_000_000 * 6 * 2 * 192 * 2);
    expect(Number(weightsBytes)).toBeGreaterThan(3_000_000);
    expect(Number(needBytes)).toBeGreaterThan(Number(freeBytes));
    expect(Number(needBytes)).toBeGreaterThanOrEqual(Number(contextBytes) + Number(weightsBytes) - 1);
    expect(error.message).toContain("smaller context");
  });

  test("a context beyond what the file declares is an error, and no smaller one", async () => {
    const error = await failure(openEngine({ ...CLERK, contextSize: 1025 }));
    expect(error).toMatchObject({
      name: "InvalidRequestError",
      facts: { contextSize: "1025", declared: "1024" },
    });
  });

  test("a smaller one of the same file opens", async () => {
    const engine = await openEngine({ ...CLERK, ...patient(), contextSize: 512 });
    try {
      expect(engine.settings).toMatchObject({ contextSize: 512 });
    } finally {
      await engine.close();
    }
  });

  test("what is free is what the system has, or less where a limit is set", async () => {
    const free = await freeMemory();
    expect(free).toBeGreaterThan(0);
    expect(free).toBeLessThanOrEqual(freemem() * 1.5);
  });
});

describe("a GPU", () => {
  test("that is required and not there is an error: nothing runs on the CPU instead", async ({ skip }) => {
    const auto = await openEngine({ ...CLERK, mode: "auto" });
    const { backend } = auto.runtime;
    // With `auto` the CPU has to do, and the record says so.
    const inference = await auto.infer(clerkPrompt("hello", null, 1), GREEDY);
    await auto.close();
    if (backend !== "cpu") skip("this machine has a GPU");
    expect(inference).toMatchObject({ mode: "canonical", runtime: { backend: "cpu", devices: [] } });
    for (const mode of ["auto", "fast"] as const) {
      const error = await failure(openEngine({ ...CLERK, mode, gpu: "required" }));
      expect(error).toMatchObject({ name: "GpuUnavailableError", retry: "never" });
      expect(error.message).toContain("no GPU was found");
    }
  });

  test("is nothing that canonical mode could be asked to use", async () => {
    expect(await failure(openEngine({ ...CLERK, gpu: "required" }))).toMatchObject({
      name: "InvalidRequestError",
    });
  });
});
