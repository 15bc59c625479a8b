import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  linkSync,
  mkdtempSync,
  openSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Hex } from "viem";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import type { InferenceEngine } from "../../src/core/inference.ts";
import type { OpenEngineOptions } from "../../src/inference/openEngine.ts";
import { openEngine } from "../../src/inference/openEngine.ts";
import {
  alive,
  childrenOf,
  CLERK,
  clerkPrompt,
  ENDLESS,
  failure,
  GREEDY,
  LONG_MESSAGE,
  MESSAGES,
  withTemplate,
} from "./clerk.ts";

const bytes = readFileSync(CLERK.modelPath);
const folder = mkdtempSync(join(tmpdir(), "bursar-model-"));
const engines: InferenceEngine[] = [];
const answer = '{"action":"transfer","to":"acme","amount":"42.50","token":"USDC","reference":"INV-1042"}';

function file(name: string, content: Uint8Array): { readonly modelPath: string; readonly sha256: Hex } {
  const modelPath = join(folder, name);
  writeFileSync(modelPath, content);
  return { modelPath, sha256: `0x${createHash("sha256").update(content).digest("hex")}` };
}

async function open(options: Partial<OpenEngineOptions> = {}): Promise<InferenceEngine> {
  const engine = await openEngine({ ...CLERK, ...options });
  engines.push(engine);
  return engine;
}

/** The only worker of this test; `kill -9` reaches it from outside, as the kernel would. */
function theWorker(): number {
  const [pid, ...others] = childrenOf(process.pid);
  expect(others).toEqual([]);
  // Never 0: a signal to 0 goes to the whole process group, the test run and whatever started it included.
  if (pid === undefined) throw new Error("No worker runs.");
  return pid;
}

afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
  const left = process.platform === "linux" ? childrenOf(process.pid) : [];
  if (left.length > 0) throw new Error(`workers were left behind: ${left.join(", ")}`);
});

describe("the file", () => {
  test("another hash than the expected one: nothing is loaded", async () => {
    const phases = new Set<string>();
    const sha256 = `0x${"ab".repeat(32)}` as const;
    const error = await failure(open({ sha256, onProgress: ({ phase }) => phases.add(phase) }));
    expect(error).toMatchObject({
      name: "ModelHashMismatchError",
      retry: "never",
      facts: { expected: sha256, actual: CLERK.sha256 },
    });
    expect([...phases]).toEqual(["hashing"]);
  });

  test("one flipped bit in a weight, which llama.cpp would not notice", async () => {
    const flipped = Buffer.from(bytes);
    flipped[2_000_000] = (flipped[2_000_000] ?? 0) ^ 1;
    const { modelPath, sha256 } = file("flipped.gguf", flipped);
    expect((await failure(open({ modelPath }))).name).toBe("ModelHashMismatchError");
    // With the hash of the flipped file it loads: the hash is all there is.
    expect((await open({ modelPath, sha256 })).model.sha256).toBe(sha256);
  });

  test.each([
    ["truncated in its weights", bytes.subarray(0, 2_000_000)],
    ["truncated in its header", bytes.subarray(0, 1000)],
    ["empty", new Uint8Array()],
    ["no GGUF", Buffer.from("not a model\n".repeat(100))],
  ])("%s, although the hash is right", async (name, content) => {
    const error = await failure(open(file(`${name}.gguf`, content)));
    expect(error).toMatchObject({ name: "ModelFileError", retry: "never" });
    expect(error.message).toContain("damaged or no GGUF");
  });

  test("a weight that is no number, with what llama.cpp said about it", async () => {
    const broken = Buffer.from(bytes);
    // The file ends with the output norm, in float32; all ones is a NaN.
    broken.fill(0xff, broken.length - 4);
    const error = await failure(open(file("nan.gguf", broken)));
    expect(error).toMatchObject({
      name: "ModelFileError",
      facts: { log: expect.stringContaining("invalid data") },
    });
  });

  test("missing, or a folder", async () => {
    const missing = await failure(open({ modelPath: join(folder, "missing.gguf") }));
    expect(missing).toMatchObject({ name: "ModelFileError" });
    expect(missing.message).toContain("there is no such file");
    expect((await failure(open({ modelPath: folder }))).message).toContain("no regular file");
  });

  test("one part of a split model: llama.cpp would load the other, unhashed parts by itself", async () => {
    const error = await failure(open(file("part-00001-of-00002.gguf", asSplitPart(bytes))));
    expect(error.message).toContain("one of 2 parts");
  });

  test("changed after it was loaded: the memory map would change with it", async () => {
    const { modelPath, sha256 } = file("later.gguf", bytes);
    const engine = await open({ modelPath, sha256 });
    await engine.infer(clerkPrompt(MESSAGES[0]), GREEDY);
    // Touched or linked is not changed.
    utimesSync(modelPath, 1, 1);
    linkSync(modelPath, join(folder, "linked.gguf"));
    expect((await engine.infer(clerkPrompt(MESSAGES[0]), GREEDY)).text).toBe(answer);
    const handle = openSync(modelPath, "r+");
    writeSync(handle, Buffer.of(0x55), 0, 1, 2_000_000);
    closeSync(handle);
    expect((await failure(engine.infer(clerkPrompt(MESSAGES[0]), GREEDY))).message).toContain("was changed");
  });

  test("its name and folders do not matter", async () => {
    const modelPath = join(folder, "llama-2-7b-chat.Q4_K_M.gguf");
    symlinkSync(CLERK.modelPath, modelPath);
    const engine = await open({ modelPath });
    expect((await engine.infer(clerkPrompt(MESSAGES[0]), GREEDY)).text).toBe(answer);
    expect(engine.model.file).toBe("llama-2-7b-chat.Q4_K_M.gguf");
  });
});

test("a template that prints today's date prints the same one for ever", async () => {
  const template = (date: string) =>
    `{{'<|im_start|>system\nToday is ' + ${date} + '. ' }}{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'answer: ' }}{% endif %}`;
  const rendered = [];
  for (const date of ["strftime_now('%d %B')", "'26 Jul 2024'", "'27 Jul 2024'"]) {
    const engine = await open(file("dated.gguf", withTemplate(template(date))));
    rendered.push((await engine.infer(clerkPrompt("hello", null, 1), GREEDY)).promptTokens);
    await engine.close();
  }
  expect(rendered[0]).toEqual(rendered[1]);
  expect(rendered[0]).not.toEqual(rendered[2]);
});

describe("time", () => {
  test("a generation that outlasts its deadline is cancelled, the process stays", async () => {
    const engine = await open({ deadlines: { generationMs: 250 } });
    const pid = theWorker();
    const error = await failure(engine.infer(clerkPrompt("x", ENDLESS, 900), GREEDY));
    expect(error).toMatchObject({
      name: "InferenceTimeoutError",
      retry: "safe",
      facts: { phase: "generation", deadlineMs: "250" },
    });
    expect((await engine.infer(clerkPrompt(MESSAGES[0]), GREEDY)).text).toBe(answer);
    expect(theWorker()).toBe(pid);
  });

  test("a deadline in the prefill, which cannot be interrupted", async () => {
    const engine = await open({ deadlines: { prefillMs: 20 } });
    const error = await failure(engine.infer(clerkPrompt(LONG_MESSAGE, null, 1), GREEDY));
    expect(error).toMatchObject({ name: "InferenceTimeoutError", facts: { phase: "prefill" } });
  });

  test("a deadline for loading", async () => {
    const error = await failure(open({ deadlines: { loadMs: 100 } }));
    expect(error).toMatchObject({ name: "InferenceTimeoutError", retry: "safe" });
  });

  test("the caller's signal", async () => {
    const engine = await open();
    const controller = new AbortController();
    const running = engine.infer(clerkPrompt("x", ENDLESS, 900), GREEDY, { signal: controller.signal });
    setTimeout(() => controller.abort(), 150);
    const started = performance.now();
    expect(await failure(running)).toMatchObject({ name: "InferenceAbortedError", retry: "safe" });
    expect(performance.now() - started).toBeLessThan(1000);
    expect((await engine.infer(clerkPrompt(MESSAGES[0]), GREEDY)).text).toBe(answer);
  });
});

test("a native crash, a real one: llama.cpp's grammar parser recurses without a limit", async () => {
  const engine = await open();
  const grammar = `root ::= ${"(".repeat(20_000)}"a"${")".repeat(20_000)}`;
  const error = await failure(engine.infer(clerkPrompt("x", grammar), GREEDY));
  expect(error).toMatchObject({ name: "InferenceCrashedError", retry: "safe", facts: { phase: "prefill" } });
  expect((await engine.infer(clerkPrompt(MESSAGES[0]), GREEDY)).text).toBe(answer);
});

describe.runIf(process.platform === "linux")("kill -9 of the process that runs the model", () => {
  test.each(["hashing", "loading"])("while it is at the %s of the file", async (when) => {
    let killed = false;
    const opening = failure(
      open({
        onProgress({ phase }) {
          // Progress that it sent before its end may still arrive after it.
          if (phase !== when || killed) return;
          killed = true;
          process.kill(theWorker(), "SIGKILL");
        },
      }),
    );
    expect(await opening).toMatchObject({
      name: "InferenceCrashedError",
      retry: "safe",
      facts: { phase: when },
    });
  });

  test.each([
    ["prefill", clerkPrompt(LONG_MESSAGE, null, 1), [20]],
    // A busy machine may still be reading the prompt then.
    ["generation", clerkPrompt("x", ENDLESS, 900), [300, 900, 2700]],
  ])("while it is at the %s", async (phase, prompt, waitsMs) => {
    const engine = await open();
    const phases: (string | undefined)[] = [];
    for (const waitMs of waitsMs) {
      const running = failure(engine.infer(prompt, GREEDY));
      await sleep(waitMs);
      const pid = theWorker();
      process.kill(pid, "SIGKILL");
      const error = await running;
      expect(error).toMatchObject({ name: "InferenceCrashedError", retry: "safe" });
      expect(error.message).toContain("SIGKILL");
      expect((await engine.infer(clerkPrompt(MESSAGES[0]), GREEDY)).text).toBe(answer);
      expect(theWorker()).not.toBe(pid);
      if (phases.push(error.facts["phase"]) && phases.at(-1) === phase) break;
    }
    expect(phases.at(-1)).toBe(phase);
  });

  test("three times in a row: the model is unusable", async () => {
    const engine = await open();
    const names: string[] = [];
    for (let round = 0; round < 4; round++) {
      const running = failure(engine.infer(clerkPrompt("x", ENDLESS, 900), GREEDY));
      await expect.poll(() => childrenOf(process.pid).length || round > 2, { timeout: 5000 }).toBeTruthy();
      for (const pid of childrenOf(process.pid)) process.kill(pid, "SIGKILL");
      names.push((await running).name);
    }
    expect(names).toEqual([
      "InferenceCrashedError",
      "InferenceCrashedError",
      "ModelUnusableError",
      "ModelUnusableError",
    ]);
  });

  test("between two calls: the next one gets a new process and notices nothing", async () => {
    const engine = await open();
    const pid = theWorker();
    process.kill(pid, "SIGKILL");
    // Until this process has been told, which on a busy machine takes its time.
    await expect.poll(() => existsSync(`/proc/${pid}`), { timeout: 5000, interval: 20 }).toBe(false);
    await sleep(20);
    expect((await engine.infer(clerkPrompt(MESSAGES[0]), GREEDY)).text).toBe(answer);
  });
});

describe.runIf(process.platform === "linux")("two processes", () => {
  beforeAll(() => {
    process.env["BURSAR_AGENT_KEY"] = "0xthe-key-that-spends";
    process.env["NODE_EXTRA_SECRET"] = "another";
  });

  test("no secret of this process's environment is in the worker's", async () => {
    await open();
    const environ = readFileSync(`/proc/${theWorker()}/environ`, "utf8").split("\0").filter(Boolean);
    expect(environ.join()).not.toMatch(/the-key-that-spends|another/);
    const names = environ.map((line) => line.slice(0, line.indexOf("=")));
    const allowed =
      /^(PATH|HOME|TMPDIR|LANG|LC_ALL|LD_LIBRARY_PATH|(CUDA|NVIDIA|HIP|ROCR|VK|GGML_VK)_\w+|XDG_RUNTIME_DIR|NODE_CHANNEL_\w+|UV_THREADPOOL_SIZE)$/;
    expect(names.filter((name) => !allowed.test(name))).toEqual([]);
    expect(readFileSync(`/proc/${theWorker()}/cmdline`, "utf8")).not.toContain("the-key-that-spends");
  });

  test.each([
    ["idle", undefined],
    ["in the middle of an evaluation", clerkPrompt("x", ENDLESS, 900)],
  ])("kill -9 of the owner leaves no orphan, %s", async (_name, prompt) => {
    const { owner, said } = await startOwner(prompt ? [JSON.stringify(prompt)] : []);
    // The process that would hold the keys has no native model code in it.
    expect(said).toEqual({ native: false });
    const workers = childrenOf(owner.pid ?? 0);
    expect(workers).toHaveLength(1);
    owner.kill("SIGKILL");
    await expect.poll(() => workers.some(alive), { timeout: 1000, interval: 20 }).toBe(false);
  });

  test("kill -9 of the owner while the model loads leaves no orphan", async () => {
    const owner = spawnOwner([]);
    await expect.poll(() => childrenOf(owner.pid ?? 0).length, { timeout: 5000, interval: 5 }).toBe(1);
    const workers = childrenOf(owner.pid ?? 0);
    owner.kill("SIGKILL");
    await expect.poll(() => workers.some(alive), { timeout: 1000, interval: 20 }).toBe(false);
  });

  test("Ctrl-C is the owner's business: the worker survives it", async () => {
    const engine = await open();
    const pid = theWorker();
    process.kill(pid, "SIGINT");
    process.kill(pid, "SIGTERM");
    expect((await engine.infer(clerkPrompt(MESSAGES[0]), GREEDY)).text).toBe(answer);
    expect(theWorker()).toBe(pid);
  });

  test.each(["leave", "close"])("an owner that ends with %s ends well", async (how) => {
    const { owner } = await startOwner(["", how]);
    await expect.poll(() => owner.exitCode, { timeout: 3000 }).toBe(0);
  });
});

function spawnOwner(args: readonly string[]) {
  const program = fileURLToPath(new URL("./programs/owner.mjs", import.meta.url));
  return spawn(process.execPath, [program, JSON.stringify(CLERK), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

async function startOwner(args: readonly string[]) {
  const owner = spawnOwner(args);
  const line = await new Promise<string>((done) => owner.stdout.setEncoding("utf8").once("data", done));
  return { owner, said: JSON.parse(line) as unknown };
}

/** The same file with `split.count = 2` among its metadata: a key more, everything behind it shifted. */
function asSplitPart(gguf: Buffer): Uint8Array {
  const key = Buffer.from("split.count");
  const entry = Buffer.alloc(8 + key.length + 4 + 2);
  entry.writeBigUInt64LE(BigInt(key.length));
  key.copy(entry, 8);
  // Type 2 is uint16 (GGUF specification, gguf_metadata_value_type).
  entry.writeUInt32LE(2, 8 + key.length);
  entry.writeUInt16LE(2, 12 + key.length);
  const head = Buffer.from(gguf.subarray(0, 24));
  head.writeBigUInt64LE(head.readBigUInt64LE(16) + 1n, 16);
  return Buffer.concat([head, entry, gguf.subarray(24)]);
}
