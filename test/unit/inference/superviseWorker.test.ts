import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import type { WorkRequest } from "../../../src/inference/messages.ts";
import type { Supervisor, SupervisorOptions } from "../../../src/inference/superviseWorker.ts";
import { superviseWorker } from "../../../src/inference/superviseWorker.ts";

const workerPath = fileURLToPath(new URL("./fakeWorker.mjs", import.meta.url));
const open: Supervisor[] = [];

async function supervise(name = "steady", options: Partial<SupervisorOptions> = {}): Promise<Supervisor> {
  const supervisor = await superviseWorker({
    workerPath,
    open: {
      type: "open",
      modelPath: name,
      sha256: `0x${"0".repeat(64)}`,
      mode: "canonical",
      gpu: "auto",
      contextSize: 1024,
      threads: 1,
    },
    loadMs: 5000,
    inferMs: 5000,
    graceMs: 200,
    backOffMs: [0, 50, 100],
    ...options,
  });
  open.push(supervisor);
  return supervisor;
}

let nextId = 0;
function request(content: string): WorkRequest {
  return {
    type: "infer",
    id: nextId++,
    prompt: { messages: [{ role: "user", content }], grammar: null, maxTokens: 10 },
    sampling: { kind: "greedy" },
  };
}

async function failure(promise: Promise<unknown>) {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error as {
    name: string;
    retry: string;
    facts: Record<string, string>;
    message: string;
    cause: unknown;
  };
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((supervisor) => supervisor.close()));
});

describe("opening", () => {
  test("tells its progress and what it opened", async () => {
    const events: unknown[] = [];
    const supervisor = await supervise("steady", { onProgress: (event) => events.push(event) });
    expect(events).toEqual([{ phase: "hashing", fraction: 0.5 }, { phase: "ready" }]);
    expect(supervisor.opened.model.file).toBe("steady");
  });

  test("another file is refused with both hashes and what to do", async () => {
    const error = await failure(supervise("wrong-hash"));
    expect(error.name).toBe("ModelHashMismatchError");
    expect(error.retry).toBe("never");
    expect(error.facts["actual"]).toMatch(/^0x1{64}$/);
    expect(error.message).toContain("Fetch the file again");
  });

  test("a load that hangs ends at its deadline, and the process with it", async () => {
    const error = await failure(supervise("hang-load", { loadMs: 2500 }));
    expect(error).toMatchObject({
      name: "InferenceTimeoutError",
      retry: "safe",
      facts: { phase: "hashing" },
    });
  });

  test("a native crash while loading is an error, not the end of this process", async () => {
    const error = await failure(supervise("crash-load"));
    expect(error).toMatchObject({ name: "InferenceCrashedError", retry: "safe" });
    expect(error.message).toContain("SIGSEGV");
  });

  test("a worker that speaks out of turn is killed", async () => {
    expect((await failure(supervise("nonsense"))).name).toBe("InferenceCrashedError");
  });

  test("can be aborted", async () => {
    const error = await failure(supervise("hang-load", { signal: AbortSignal.timeout(200) }));
    expect(error.name).toBe("InferenceTimeoutError");
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("changed my mind")), 100);
    expect((await failure(supervise("hang-load", { signal: controller.signal }))).name).toBe(
      "InferenceAbortedError",
    );
  });
});

describe("serving", () => {
  test("one at a time, in order", async () => {
    const supervisor = await supervise();
    const order: string[] = [];
    const ask = async (words: string) => {
      await supervisor.run(request(words));
      order.push(words);
    };
    await Promise.all([ask("slow"), ask("second"), ask("third")]);
    expect(order).toEqual(["slow", "second", "third"]);
  });

  test("an answer to another question is ignored", async () => {
    const supervisor = await supervise();
    expect(await supervisor.run(request("stale"))).toMatchObject({
      text: expect.stringContaining("stale by"),
    });
  });

  test("a typed failure arrives as its error and leaves the worker alone", async () => {
    const supervisor = await supervise();
    const { pid } = supervisor;
    const error = await failure(supervisor.run(request("long")));
    expect(error).toMatchObject({ name: "PromptTooLongError", facts: { tokens: "1000", budget: "924" } });
    await supervisor.run(request("next"));
    expect(supervisor.pid).toBe(pid);
  });

  test("a worker that has served long enough makes room for a fresh one, and no call notices", async () => {
    const supervisor = await supervise("steady", { mostRequests: 2 });
    const first = supervisor.pid;
    await Promise.all(["a", "b", "c"].map((text) => supervisor.run(request(text))));
    const second = supervisor.pid;
    expect(second).not.toBe(first);
    expect(alive(first!)).toBe(false);
    await supervisor.run(request("d"));
    expect(supervisor.pid).toBeNull();
    expect(await supervisor.run(request("e"))).toMatchObject({ text: expect.stringContaining("e by") });
  });

  test("whoever waits in the queue can leave it at once", async () => {
    const supervisor = await supervise();
    const slow = supervisor.run(request("slow"));
    const controller = new AbortController();
    const waiting = supervisor.run(request("waiting"), controller.signal);
    controller.abort();
    expect(await failure(waiting)).toMatchObject({
      name: "InferenceAbortedError",
      facts: { phase: "queue" },
    });
    await slow;
    await supervisor.run(request("next"));
  });
});

describe("deadlines", () => {
  test("a worker that lets itself be cancelled is kept", async () => {
    const supervisor = await supervise("steady", { inferMs: 200 });
    const { pid } = supervisor;
    const error = await failure(supervisor.run(request("cancellable")));
    expect(error).toMatchObject({
      name: "InferenceTimeoutError",
      retry: "safe",
      facts: { phase: "generation", deadlineMs: "200" },
    });
    await supervisor.run(request("next"));
    expect(supervisor.pid).toBe(pid);
  });

  test("one that does not is killed, and the next call gets another", async () => {
    const supervisor = await supervise("steady", { inferMs: 200 });
    const pid = supervisor.pid ?? 0;
    expect((await failure(supervisor.run(request("hang")))).name).toBe("InferenceTimeoutError");
    await supervisor.run(request("next"));
    expect(supervisor.pid).not.toBe(pid);
    expect(alive(pid)).toBe(false);
  });

  test("the caller's signal stops a run; aborting for ever does not make the model unusable", async () => {
    const supervisor = await supervise();
    for (let round = 0; round < 4; round++) {
      const controller = new AbortController();
      const running = supervisor.run(request("hang"), controller.signal);
      setTimeout(() => controller.abort(), 50);
      expect((await failure(running)).name).toBe("InferenceAbortedError");
    }
    await supervisor.run(request("next"));
  });
});

describe("crashes", () => {
  test("cost one call and name the last words", async () => {
    const supervisor = await supervise();
    const error = await failure(supervisor.run(request("crash")));
    expect(error).toMatchObject({ name: "InferenceCrashedError", retry: "safe" });
    expect(error.facts["lastOutput"]).toContain("GGML_ASSERT");
    expect(await supervisor.run(request("next"))).toMatchObject({ type: "result" });
  });

  test("three in a row end the engine, for every later call too", async () => {
    const log = join(mkdtempSync(join(tmpdir(), "bursar-")), "log-starts");
    const supervisor = await supervise(log);
    expect((await failure(supervisor.run(request("crash")))).name).toBe("InferenceCrashedError");
    expect((await failure(supervisor.run(request("nonsense")))).name).toBe("InferenceCrashedError");
    const third = await failure(supervisor.run(request("crash")));
    expect(third).toMatchObject({ name: "ModelUnusableError", retry: "never" });
    expect(third.cause).toMatchObject({ name: "InferenceCrashedError" });
    expect((await failure(supervisor.run(request("next")))).name).toBe("ModelUnusableError");
    expect(readFileSync(log, "utf8").trim().split("\n")).toHaveLength(3);
  });

  test("a success in between starts the count anew", async () => {
    const supervisor = await supervise();
    for (let round = 0; round < 4; round++) {
      expect((await failure(supervisor.run(request("crash")))).name).toBe("InferenceCrashedError");
      await supervisor.run(request("fine"));
    }
  });

  test("restarts back off", async () => {
    const supervisor = await supervise("steady", { backOffMs: [0, 400] });
    await failure(supervisor.run(request("crash")));
    await failure(supervisor.run(request("crash")));
    const started = performance.now();
    await supervisor.run(request("fine"));
    expect(performance.now() - started).toBeGreaterThan(390);
  });

  test("a worker that comes back as something else is not used", async () => {
    const log = join(mkdtempSync(join(tmpdir(), "bursar-")), "log-changing");
    const supervisor = await supervise(log);
    await failure(supervisor.run(request("crash")));
    expect(await failure(supervisor.run(request("fine")))).toMatchObject({
      name: "ModelUnusableError",
      retry: "never",
    });
  });
});

describe("closing", () => {
  test("rejects what runs and what waits, and ends the process", async () => {
    const supervisor = await supervise();
    const pid = supervisor.pid ?? 0;
    const running = failure(supervisor.run(request("hang")));
    const waiting = failure(supervisor.run(request("waiting")));
    await supervisor.close();
    expect((await running).name).toBe("EngineClosedError");
    expect((await waiting).name).toBe("EngineClosedError");
    expect((await failure(supervisor.run(request("late")))).name).toBe("EngineClosedError");
    expect(alive(pid)).toBe(false);
    await supervisor.close();
  });
});
