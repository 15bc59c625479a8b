import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { supervise, run, failure, alive } from "./supervisorScene.ts";

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
