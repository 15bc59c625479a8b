import { describe, expect, test } from "vitest";
import { supervise, run, failure, alive } from "./supervisorScene.ts";

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
