import { afterEach, describe, expect, it, vi } from "vitest";

import type { BaseError } from "../../../src/core/errors.ts";
import type { Inference, InferenceEngine } from "../../../src/core/inference.ts";
import { sha256Hex } from "../../../src/core/hash.ts";
import {
  InferenceAbortedError,
  InferenceCrashedError,
  InferenceTimeoutError,
  InvalidRequestError,
  ModelHashMismatchError,
  ModelUnusableError,
  PromptTooLongError,
} from "../../../src/inference/errors.ts";
import { openLadder } from "../../../src/inference/ladder.ts";
import {
  RemoteAnswerError,
  RemoteFailedError,
  RemoteRefusedError,
  RemoteUnreachableError,
} from "../../../src/inference/remote/errors.ts";
import { scriptedEngine } from "../../doubles/scriptedEngine.ts";

afterEach(() => void vi.useRealTimers());

const prompt = { messages: [{ role: "user", content: "Hm?" }], grammar: null, maxTokens: 8 } as const;
const greedy = { kind: "greedy" } as const;

type Fake = InferenceEngine & { asked: number; closed: number };
/** Says its name, or does what is given instead. */
function engine(name: string, instead?: (signal: AbortSignal | undefined) => Promise<never>): Fake {
  const script = scriptedEngine(() => name);
  const fake: Fake = {
    ...script,
    model: { ...(script.model as object), file: name, sha256: sha256Hex(name) } as Fake["model"],
    asked: 0,
    closed: 0,
    async infer(asked, sampling, options) {
      fake.asked++;
      if (instead) return instead(options?.signal);
      return { ...(await script.infer(asked, sampling)), model: fake.model };
    },
    reExecute: () => Promise.resolve({ verdict: "EXACT", tokens: name.length }),
    close() {
      fake.closed++;
      return Promise.resolve();
    },
  };
  return fake;
}
const failing = (error: Error) => () => Promise.reject(error);
/** As engines do: silent until the signal says stop. */
const hanging = (signal: AbortSignal | undefined) =>
  new Promise<never>((_, reject) => {
    const leave = () => reject(new InferenceAbortedError("queue", signal?.reason));
    if (signal?.aborted) leave();
    signal?.addEventListener("abort", leave);
  });
const ladder = (engines: readonly InferenceEngine[], deadlineMs = 5000) =>
  openLadder(
    engines.map((one) => ({ name: one.model.file, open: () => Promise.resolve(one) })),
    { deadlineMs },
  );
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error as BaseError,
  );

describe("a ladder", () => {
  it("asks the first engine, and nobody else while it answers", async () => {
    const [a, b] = [engine("a"), engine("b")];
    const inference = await (await ladder([a, b])).infer(prompt, greedy);
    expect(inference.text).toBe("a");
    expect(inference).not.toHaveProperty("fallback");
    expect(b.asked).toBe(0);
  });

  it.each([
    new InferenceTimeoutError("prefill", 10),
    new InferenceCrashedError("generation", "SIGSEGV", ""),
    new ModelUnusableError("it died"),
    new RemoteUnreachableError("http://x", "ECONNREFUSED"),
    new RemoteFailedError(503, "busy", {}),
    new RemoteAnswerError("it is not JSON"),
  ])("goes down when an engine breaks, and records it: $name", async (error) => {
    const a = engine("a", failing(error));
    const inference = await (await ladder([a, engine("b")])).infer(prompt, greedy);
    expect(inference).toMatchObject({
      text: "b",
      model: { file: "b" },
      fallback: [{ engine: "a", error: error.name, ms: expect.any(Number) }],
    });
    expect(Object.isFrozen(inference.fallback)).toBe(true);
  });

  it.each([
    new PromptTooLongError(10, 5, 12),
    new RemoteRefusedError(401, "no", {}),
    new InvalidRequestError("no"),
    new ModelHashMismatchError("f", "a", "b"),
    new TypeError("a mistake of ours"),
  ])("stays where it is at anything else: $name", async (error) => {
    const b = engine("b");
    const found = await failure((await ladder([engine("a", failing(error)), b])).infer(prompt, greedy));
    expect(found).toBe(error);
    expect(b.asked).toBe(0);
  });

  it("never goes down because an answer is bad", async () => {
    const a = scriptedEngine(() => "babble babble");
    const b = engine("b");
    expect((await (await ladder([a, b])).infer(prompt, greedy)).text).toBe("babble babble");
    expect(b.asked).toBe(0);
  });

  it("takes a stand-in's refusal for no answer: the decision waits for the first one", async () => {
    const engines = [
      engine("a", failing(new InferenceCrashedError("prefill", "SIGKILL", ""))),
      engine("b", failing(new PromptTooLongError(9, 9, 9))),
      engine("c", failing(new RemoteRefusedError(401, "no", {}))),
      engine("d", failing(new InvalidRequestError("a thought can't be bounded there"))),
    ];
    const error = await failure((await ladder(engines)).infer(prompt, greedy));
    expect(error).toMatchObject({ name: "NoEngineAnsweredError", retry: "safe" });
    expect(error!.message).toMatch(
      /1\. a: +InferenceCrashedError[^]*2\. b: +PromptTooLongError[^]*3\. c: +RemoteRefusedError[^]*4\. d: +InvalidRequestError/,
    );
    expect(error!.cause).toMatchObject({ name: "InferenceCrashedError" });
  });

  it("shares the deadline: a third for the first of three, half of what is left for the second, the rest for the last", async () => {
    vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] });
    const waits: number[] = [];
    const timed = (name: string) =>
      engine(name, async (signal) => {
        const started = performance.now();
        return hanging(signal).finally(() => waits.push(Math.round(performance.now() - started)));
      });
    const found = await ladder([timed("a"), timed("b"), engine("c")], 600);
    const answer = found.infer(prompt, greedy);
    await vi.advanceTimersByTimeAsync(600);
    expect((await answer).fallback).toEqual([
      { engine: "a", error: "InferenceTimeoutError", ms: 200 },
      { engine: "b", error: "InferenceTimeoutError", ms: 200 },
    ]);
    expect(waits).toEqual([200, 200]);
    // What breaks at once leaves its time to the others.
    waits.length = 0;
    const last = await ladder([engine("a", failing(new RemoteFailedError(500, "", {}))), timed("b")], 300);
    const none = failure(last.infer(prompt, greedy));
    await vi.advanceTimersByTimeAsync(300);
    expect((await none)?.name).toBe("NoEngineAnsweredError");
    expect(waits).toEqual([300]);
  });

  it("ends with its caller, and asks nobody else then", async () => {
    const b = engine("b");
    const found = await ladder([engine("a", hanging), b]);
    const stop = new AbortController();
    const answer = failure(found.infer(prompt, greedy, { signal: stop.signal }));
    stop.abort(new Error("enough"));
    expect((await answer)?.name).toBe("InferenceAbortedError");
    expect(b.asked).toBe(0);
  });

  it("refuses to be empty, or without time", async () => {
    expect((await failure(openLadder([], { deadlineMs: 1 })))?.name).toBe("InvalidRequestError");
    expect((await failure(ladder([engine("a")], 0)))?.name).toBe("InvalidRequestError");
  });
});

describe("opening", () => {
  it("goes on without what is not there, and asks it again after a rest", async () => {
    vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] });
    let there = false;
    let opened = 0;
    const a = engine("a");
    const found = await openLadder(
      [
        {
          name: "a",
          open() {
            opened++;
            return there
              ? Promise.resolve(a)
              : Promise.reject(new RemoteUnreachableError("http://a", "down"));
          },
        },
        { name: "b", open: () => Promise.resolve(engine("b")) },
      ],
      { deadlineMs: 5000 },
    );
    expect(found.model.file).toBe("b");
    expect(await found.infer(prompt, greedy)).toMatchObject({
      text: "b",
      fallback: [{ engine: "a", error: "RemoteUnreachableError" }],
    });
    there = true;
    await found.infer(prompt, greedy);
    expect(opened).toBe(1);
    vi.advanceTimersByTime(30_001);
    const again = await found.infer(prompt, greedy);
    expect(again.text).toBe("a");
    expect(again).not.toHaveProperty("fallback");
    expect(found.model.file).toBe("a");
  });

  it("opens an engine anew that takes no more calls", async () => {
    vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] });
    const dead = engine("a", failing(new ModelUnusableError("it died")));
    const engines = [dead, engine("a")];
    let at = 0;
    const found = await openLadder(
      [
        { name: "a", open: () => Promise.resolve(engines[at++]!) },
        { name: "b", open: () => Promise.resolve(engine("b")) },
      ],
      { deadlineMs: 5000 },
    );
    expect((await found.infer(prompt, greedy)).text).toBe("b");
    expect(dead.closed).toBe(1);
    vi.advanceTimersByTime(30_001);
    expect((await found.infer(prompt, greedy)).text).toBe("a");
  });

  it("does not hide a mistake behind a stand-in", async () => {
    const b = engine("b");
    const error = await failure(
      openLadder(
        [
          { name: "b", open: () => Promise.resolve(b) },
          { name: "a", open: () => Promise.reject(new ModelHashMismatchError("f", "a", "b")) },
        ],
        { deadlineMs: 5000 },
      ),
    );
    expect(error?.name).toBe("ModelHashMismatchError");
    expect(b.closed).toBe(1);
  });

  it("says so when nothing is there", async () => {
    const down = (name: string) => ({
      name,
      open: () => Promise.reject(new RemoteUnreachableError(`http://${name}`, "down")),
    });
    expect(await failure(openLadder([down("a"), down("b")], { deadlineMs: 5 }))).toMatchObject({
      name: "NoEngineAnsweredError",
      retry: "safe",
    });
  });

  it("closes all of them, and stays closed", async () => {
    const engines = [engine("a"), engine("b")];
    const found = await ladder(engines);
    await found.close();
    expect(engines.map(({ closed }) => closed)).toEqual([1, 1]);
    expect((await failure(found.infer(prompt, greedy)))?.name).toBe("EngineClosedError");
  });
});

describe("checking", () => {
  it("is for the engine that holds the record's model, else for one that holds any", async () => {
    const remote: InferenceEngine = {
      ...engine("server"),
      mode: "remote",
      model: { file: "server", sha256: null },
      reExecute: () => Promise.resolve({ verdict: "UNVERIFIABLE", tokens: 0, why: "" }),
    };
    const found = await ladder([remote, engine("long"), engine("longer")]);
    expect(found.mode).toBe("remote");
    const record = await engine("longer").infer(prompt, greedy);
    expect(await found.reExecute(record)).toEqual({ verdict: "EXACT", tokens: 6 });
    const other: Inference = { ...record, model: { file: "x", sha256: null } };
    expect(await found.reExecute(other)).toEqual({ verdict: "EXACT", tokens: 4 });
    // A server's record needs nobody to say what it is.
    await found.close();
    const servers: Inference = { ...other, mode: "remote" };
    expect(await found.reExecute(servers)).toMatchObject({ verdict: "UNVERIFIABLE" });
    expect(
      await found.reCheck(servers, { marginMilli: 1, fingerprintMilli: 1, flipsPermille: 1 }),
    ).toMatchObject({
      verdict: "UNVERIFIABLE",
    });
    expect(await (await ladder([remote])).reExecute(record)).toMatchObject({ verdict: "UNVERIFIABLE" });
  });
});
