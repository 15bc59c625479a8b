import { setTimeout as sleep } from "node:timers/promises";

import { describe, expect, it } from "vitest";

import type { InferenceEngine } from "../../../src/core/inference.ts";
import { InferenceAbortedError } from "../../../src/inference/errors.ts";
import { hedge, type HedgeOptions } from "../../../src/inference/hedge.ts";
import { percentile } from "../../../src/inference/percentile.ts";
import { RemoteFailedError } from "../../../src/inference/remote/errors.ts";
import { scriptedEngine } from "../../doubles/scriptedEngine.ts";

const prompt = { messages: [{ role: "user", content: "Hm?" }], grammar: null, maxTokens: 8 } as const;
const greedy = { kind: "greedy" } as const;

type Server = InferenceEngine & {
  asked: number;
  aborted: number;
  closed: number;
  delayMs: number;
  fails: boolean;
};
/** Answers with its name after a while; a request that is let go ends at once, as in `openRemoteEngine`. */
function server(name: string, delayMs = 0): Server {
  const script = scriptedEngine(() => name);
  const fake: Server = {
    ...script,
    mode: "remote",
    asked: 0,
    aborted: 0,
    closed: 0,
    delayMs,
    fails: false,
    async infer(asked, sampling, options) {
      fake.asked++;
      try {
        await sleep(fake.delayMs, undefined, options?.signal ? { signal: options.signal } : {});
      } catch (error) {
        fake.aborted++;
        throw new InferenceAbortedError("prefill", error);
      }
      if (fake.fails) throw new RemoteFailedError(500, "", {});
      return script.infer(asked, sampling);
    },
    close() {
      fake.closed++;
      return Promise.resolve();
    },
  };
  return fake;
}
const ask = (engine: InferenceEngine, signal?: AbortSignal) =>
  engine.infer(prompt, greedy, signal ? { signal } : {});
/** A pair that has seen ten quick answers and may hedge as often as it likes. */
async function warm(first: Server, second: Server, options: HedgeOptions = {}) {
  const pair = hedge(first, second, { minSamples: 10, mostPermille: 1000, ...options });
  for (let call = 0; call < 10; call++) await ask(pair);
  return pair;
}

describe("a hedge", () => {
  it("asks nobody twice before it knows what late is, nor when the first is in time", async () => {
    const [first, second] = [server("first", 5), server("second")];
    const pair = hedge(first, second, { minSamples: 10, mostPermille: 1000 });
    for (let call = 0; call < 9; call++) await ask(pair);
    first.delayMs = 100;
    expect(await ask(pair)).not.toHaveProperty("hedge");
    expect(second.asked).toBe(0);
  });

  it("asks the second when the first is later than its p95, takes the first answer, and lets the other go", async () => {
    const [first, second] = [server("first", 5), server("second", 5)];
    const pair = await warm(first, second);
    first.delayMs = 8000;
    const inference = await ask(pair);
    expect(inference).toMatchObject({ text: "second", hedge: { winner: "second", loser: "aborted" } });
    expect(inference.hedge!.afterMs).toBeGreaterThanOrEqual(4);
    expect(inference.hedge!.afterMs).toBeLessThan(2000);
    await expect.poll(() => first.aborted).toBe(1);
    expect([first.asked, second.asked]).toEqual([11, 1]);
  });

  it("stays with the first when that is there before the second", async () => {
    const [first, second] = [server("first", 5), server("second", 4000)];
    const pair = await warm(first, second);
    first.delayMs = 800;
    expect(await ask(pair)).toMatchObject({ text: "first", hedge: { winner: "first", loser: "aborted" } });
    await expect.poll(() => second.aborted).toBe(1);
  });

  it("waits for the other one when one breaks, and names the error", async () => {
    const [first, second] = [server("first", 5), server("second", 900)];
    const pair = await warm(first, second);
    first.delayMs = 500;
    first.fails = true;
    expect(await ask(pair)).toMatchObject({ text: "second", hedge: { loser: "RemoteFailedError" } });
    second.fails = true;
    first.delayMs = 1000;
    await expect(ask(pair)).rejects.toThrow(RemoteFailedError);
  });

  it("is no second try: an error that comes in time is the answer", async () => {
    const [first, second] = [server("first", 5), server("second")];
    const pair = await warm(first, second);
    first.fails = true;
    first.delayMs = 0;
    await expect(ask(pair)).rejects.toThrow(RemoteFailedError);
    expect(second.asked).toBe(0);
  });

  it("lets both go with its caller", async () => {
    const [first, second] = [server("first", 5), server("second", 2000)];
    const pair = await warm(first, second);
    first.delayMs = 2000;
    const stop = new AbortController();
    const answer = ask(pair, stop.signal);
    await expect.poll(() => second.asked).toBe(1);
    stop.abort(new Error("enough"));
    await expect(answer).rejects.toThrow(InferenceAbortedError);
    expect([first.aborted, second.aborted]).toEqual([1, 1]);
  });

  it("does not double the load of a server that slows down as a whole", async () => {
    const [first, second] = [server("first", 1), server("second", 1)];
    const pair = hedge(first, second, { minSamples: 10, mostPermille: 100 });
    for (let call = 0; call < 10; call++) await ask(pair);
    first.delayMs = 120;
    for (let call = 0; call < 20; call++) await ask(pair);
    expect(second.asked).toBeGreaterThan(0);
    expect(second.asked).toBeLessThanOrEqual(3);
  });

  it("may ask one server twice, and closes it once", async () => {
    const first = server("first", 5);
    const pair = await warm(first, first);
    first.delayMs = 400;
    expect((await ask(pair)).hedge?.winner).toBe("first");
    await pair.close();
    expect(first.closed).toBe(1);
  });

  it("is for servers, and for options that make sense", () => {
    expect(() =>
      hedge(
        scriptedEngine(() => ""),
        server("b"),
      ),
    ).toThrow(/only servers/);
    expect(() => hedge(server("a"), server("b"), { minSamples: 0 })).toThrow(/minSamples/);
    expect(() => hedge(server("a"), server("b"), { minSamples: 201 })).toThrow(/minSamples/);
    expect(() => hedge(server("a"), server("b"), { mostPermille: 1001 })).toThrow(/mostPermille/);
  });
});

describe("percentile", () => {
  it("is the nearest rank", () => {
    const values = Array.from({ length: 20 }, (_, index) => 20 - index);
    expect([0, 5, 50, 95, 96, 100].map((percent) => percentile(values, percent))).toEqual([
      1, 1, 10, 19, 20, 20,
    ]);
    expect(percentile([7], 95)).toBe(7);
    expect(() => percentile([], 50)).toThrow(RangeError);
    expect(values[0]).toBe(20);
  });
});
