import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import type { WorkRequest } from "../../../src/inference/messages.ts";
import type { Supervisor, SupervisorOptions } from "../../../src/inference/superviseWorker.ts";
import { superviseWorker } from "../../../src/inference/superviseWorker.ts";

const workerPath = fileURLToPath(new URL("./fakeWorker.mjs", import.meta.url));
const open: Supervisor[] = [];

async function supervise(
  name = "steady",
  options: Partial<SupervisorOptions> = {},
  how: Partial<SupervisorOptions["open"]> = {},
): Promise<Supervisor> {
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
      sequences: 1,
      cpuVariant: "best",
      ...how,
    },
    loadMs: 5000,
    inferMs: 5000,
    queueMs: 5000,
    mostWaiting: 10,
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

const somebody = Symbol("somebody");
async function run(supervisor: Supervisor, content: string, signal?: AbortSignal, caller = somebody) {
  return (await supervisor.run(request(content), { caller, signal })).answer;
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
      await run(supervisor, words);
      order.push(words);
    };
    await Promise.all([ask("slow"), ask("second"), ask("third")]);
    expect(order).toEqual(["slow", "second", "third"]);
  });

  test("an answer to another question is ignored", async () => {
    const supervisor = await supervise();
    expect(await run(supervisor, "stale")).toMatchObject({
      text: expect.stringContaining("stale by"),
    });
  });

  test("a typed failure arrives as its error and leaves the worker alone", async () => {
    const supervisor = await supervise();
    const { pid } = supervisor;
    const error = await failure(run(supervisor, "long"));
    expect(error).toMatchObject({ name: "PromptTooLongError", facts: { tokens: "1000", budget: "924" } });
    await run(supervisor, "next");
    expect(supervisor.pid).toBe(pid);
  });

  test("a worker that has served long enough makes room for a fresh one, and no call notices", async () => {
    const supervisor = await supervise("steady", { mostRequests: 2 });
    const first = supervisor.pid;
    await Promise.all(["a", "b", "c"].map((text) => run(supervisor, text)));
    const second = supervisor.pid;
    expect(second).not.toBe(first);
    expect(alive(first!)).toBe(false);
    await run(supervisor, "d");
    expect(supervisor.pid).toBeNull();
    expect(await run(supervisor, "e")).toMatchObject({ text: expect.stringContaining("e by") });
  });

  test("whoever waits in the queue can leave it at once", async () => {
    const supervisor = await supervise();
    const slow = run(supervisor, "slow");
    const controller = new AbortController();
    const waiting = run(supervisor, "waiting", controller.signal);
    controller.abort();
    expect(await failure(waiting)).toMatchObject({
      name: "InferenceAbortedError",
      facts: { phase: "queue" },
    });
    await slow;
    await run(supervisor, "next");
  });
});

describe("deadlines", () => {
  test("a worker that lets itself be cancelled is kept", async () => {
    const supervisor = await supervise("steady", { inferMs: 200 });
    const { pid } = supervisor;
    const error = await failure(run(supervisor, "cancellable"));
    expect(error).toMatchObject({
      name: "InferenceTimeoutError",
      retry: "safe",
      facts: { phase: "generation", deadlineMs: "200" },
    });
    await run(supervisor, "next");
    expect(supervisor.pid).toBe(pid);
  });

  test("each phase has its own, which names it", async () => {
    const supervisor = await supervise("steady", { prefillMs: 150, generationMs: 250 });
    const started = performance.now();
    expect(await failure(run(supervisor, "hang"))).toMatchObject({
      name: "InferenceTimeoutError",
      facts: { phase: "prefill", deadlineMs: "150" },
    });
    expect(await failure(run(supervisor, "cancellable"))).toMatchObject({
      name: "InferenceTimeoutError",
      facts: { phase: "generation", deadlineMs: "250" },
    });
    expect(performance.now() - started).toBeLessThan(5000);
    // A phase has no more time than the whole.
    const hasty = await supervise("steady", { inferMs: 150, generationMs: 9000 });
    expect((await failure(run(hasty, "cancellable"))).facts).toMatchObject({ deadlineMs: "150" });
  });

  test("one that does not is killed, and the next call gets another", async () => {
    const supervisor = await supervise("steady", { inferMs: 200 });
    const pid = supervisor.pid ?? 0;
    expect((await failure(run(supervisor, "hang"))).name).toBe("InferenceTimeoutError");
    await run(supervisor, "next");
    expect(supervisor.pid).not.toBe(pid);
    expect(alive(pid)).toBe(false);
  });

  test("the caller's signal stops a run; aborting for ever does not make the model unusable", async () => {
    const supervisor = await supervise();
    for (let round = 0; round < 4; round++) {
      const controller = new AbortController();
      const running = run(supervisor, "hang", controller.signal);
      setTimeout(() => controller.abort(), 50);
      expect((await failure(running)).name).toBe("InferenceAbortedError");
    }
    await run(supervisor, "next");
  });
});

describe("several at once", () => {
  const three = { sequences: 3 };

  test("as many as there are sequences, and no more", async () => {
    const supervisor = await supervise("steady", {}, three);
    const started = performance.now();
    await Promise.all(["slow", "slow", "slow"].map((words) => run(supervisor, words)));
    // 100 ms each, one after the other at least 300.
    expect(performance.now() - started).toBeLessThan(300);
    const order: string[] = [];
    const ask = async (words: string) => {
      await run(supervisor, words);
      order.push(words);
    };
    await Promise.all(["slow", "slow", "slow", "fourth"].map(ask));
    expect(order.at(-1)).toBe("fourth");
  });

  test("callers take turns: one with many requests delays another by one", async () => {
    const supervisor = await supervise();
    const [greedy, modest] = [Symbol("greedy"), Symbol("modest")];
    const order: string[] = [];
    const ask = async (words: string, caller: symbol) => {
      await run(supervisor, words, undefined, caller);
      order.push(words);
    };
    await Promise.all([
      ...["g1", "g2", "g3", "g4"].map((words) => ask(words, greedy)),
      ...["m1", "m2"].map((words) => ask(words, modest)),
    ]);
    // The first two were asked for before the other came.
    expect(order).toEqual(["g1", "g2", "m1", "g3", "m2", "g4"]);
  });

  test("one that is cancelled or hangs does not harm those beside it", async () => {
    const supervisor = await supervise("steady", { inferMs: 1000, graceMs: 50 }, three);
    const { pid } = supervisor;
    const controller = new AbortController();
    const beside = failure(run(supervisor, "hang"));
    const cancelled = failure(run(supervisor, "hang", controller.signal));
    const slow = run(supervisor, "slow");
    await sleep(20);
    controller.abort();
    expect((await cancelled).name).toBe("InferenceAbortedError");
    // Long after its grace the process is still there, for the sake of the others.
    expect(await slow).toMatchObject({ text: expect.stringContaining("slow by") });
    expect(supervisor.pid).toBe(pid);
    // Nobody else begins beside a run that may hang; when the last of the others has ended, the process does.
    const next = run(supervisor, "next");
    expect((await beside).name).toBe("InferenceTimeoutError");
    expect(await next).toMatchObject({ type: "result" });
    expect(supervisor.pid).not.toBe(pid);
  });

  test("a worker that has served long enough is replaced when the last of them has ended, and nobody is lost", async () => {
    const supervisor = await supervise(
      "steady",
      { mostRequests: 4, mostWaiting: 40, queueMs: 20_000, loadMs: 20_000 },
      three,
    );
    const words = Array.from({ length: 30 }, (_none, index) => (index % 3 === 0 ? "slow" : `w${index}`));
    const answers = await Promise.all(words.map((text) => run(supervisor, text)));
    const workers = answers.map((answer) => /by (\d+)$/.exec("text" in answer ? answer.text : "")?.[1]);
    expect(workers).not.toContain(undefined);
    // Two more may have begun before the fourth ended.
    for (const one of new Set(workers))
      expect(workers.filter((other) => other === one).length).toBeLessThanOrEqual(6);
  });

  test("a crash ends all that were under way, each with its error, and each may be asked again", async () => {
    const supervisor = await supervise("steady", {}, three);
    const failures = await Promise.all(
      ["hang", "crash", "hang"].map((words) => failure(run(supervisor, words))),
    );
    expect(failures.map(({ name, retry }) => [name, retry])).toEqual(
      Array.from({ length: 3 }, () => ["InferenceCrashedError", "safe"]),
    );
    // One crash, however many it cost: the engine is not used up by it.
    await Promise.all(["a", "b", "c"].map((words) => run(supervisor, words)));
  });
});

describe("the queue has an end", () => {
  test("a caller with too many waiting is told so at once, others are not", async () => {
    const supervisor = await supervise("steady", { mostWaiting: 2 });
    const running = run(supervisor, "slow");
    await new Promise(setImmediate);
    const waiting = [run(supervisor, "a"), run(supervisor, "b")];
    expect(await failure(run(supervisor, "c"))).toMatchObject({
      name: "EngineBusyError",
      retry: "safe",
      facts: { mostWaiting: "2" },
    });
    await run(supervisor, "another's", undefined, Symbol("another"));
    await Promise.all([running, ...waiting]);
  });

  test("nobody waits for longer than was said", async () => {
    const supervisor = await supervise("steady", { queueMs: 400, graceMs: 20 });
    const running = failure(run(supervisor, "hang", AbortSignal.timeout(600)));
    const waiting = await failure(run(supervisor, "waiting"));
    expect(waiting).toMatchObject({ name: "EngineBusyError", retry: "safe" });
    expect((await running).name).toBe("InferenceTimeoutError");
    await run(supervisor, "next");
  });
});

describe("crashes", () => {
  test("cost one call and name the last words", async () => {
    const supervisor = await supervise();
    const error = await failure(run(supervisor, "crash"));
    expect(error).toMatchObject({ name: "InferenceCrashedError", retry: "safe" });
    expect(error.facts["lastOutput"]).toContain("GGML_ASSERT");
    expect(await run(supervisor, "next")).toMatchObject({ type: "result" });
  });

  test("three in a row end the engine, for every later call too", async () => {
    const log = join(mkdtempSync(join(tmpdir(), "bursar-")), "log-starts");
    const supervisor = await supervise(log);
    expect((await failure(run(supervisor, "crash"))).name).toBe("InferenceCrashedError");
    expect((await failure(run(supervisor, "nonsense"))).name).toBe("InferenceCrashedError");
    const third = await failure(run(supervisor, "crash"));
    expect(third).toMatchObject({ name: "ModelUnusableError", retry: "never" });
    expect(third.cause).toMatchObject({ name: "InferenceCrashedError" });
    expect((await failure(run(supervisor, "next"))).name).toBe("ModelUnusableError");
    expect(readFileSync(log, "utf8").trim().split("\n")).toHaveLength(3);
  });

  test("a success in between starts the count anew", async () => {
    const supervisor = await supervise();
    for (let round = 0; round < 4; round++) {
      expect((await failure(run(supervisor, "crash"))).name).toBe("InferenceCrashedError");
      await run(supervisor, "fine");
    }
  });

  test("restarts back off", async () => {
    const supervisor = await supervise("steady", { backOffMs: [0, 400] });
    await failure(run(supervisor, "crash"));
    await failure(run(supervisor, "crash"));
    const started = performance.now();
    await run(supervisor, "fine");
    expect(performance.now() - started).toBeGreaterThan(390);
  });

  test("a worker that comes back as something else is not used", async () => {
    const log = join(mkdtempSync(join(tmpdir(), "bursar-")), "log-changing");
    const supervisor = await supervise(log);
    await failure(run(supervisor, "crash"));
    expect(await failure(run(supervisor, "fine"))).toMatchObject({
      name: "ModelUnusableError",
      retry: "never",
    });
  });
});

describe("closing", () => {
  test("rejects what runs and what waits, and ends the process", async () => {
    const supervisor = await supervise();
    const pid = supervisor.pid ?? 0;
    const running = failure(run(supervisor, "hang"));
    const waiting = failure(run(supervisor, "waiting"));
    await supervisor.close();
    expect((await running).name).toBe("EngineClosedError");
    expect((await waiting).name).toBe("EngineClosedError");
    expect((await failure(run(supervisor, "late"))).name).toBe("EngineClosedError");
    expect(alive(pid)).toBe(false);
    await supervisor.close();
  });
});
