import { describe, expect, it } from "vitest";

import type { Inference } from "../../../src/core/inference.ts";
import { costInWords, economicsInWords, economicsOf, totalOf } from "../../../src/runtime/economics.ts";
import { micros, priceSchema } from "../../../src/runtime/prices.ts";

const ids = (count: number) => Array.from({ length: count }, (_, index) => index);
const inference = (changes: Partial<Inference> = {}): Inference =>
  ({
    mode: "fast",
    model: { file: "qwen.gguf", sha256: "0x" },
    promptTokens: ids(1000),
    outputTokens: ids(40),
    timing: { prefillMs: 30, generationMs: 12, queueMs: 5, reusedTokens: 600 },
    ...changes,
  }) as Inference;
const remote = {
  mode: "remote",
  model: { file: "big", sha256: null },
  promptTokens: [],
  outputTokens: [],
  timing: { prefillMs: 200, generationMs: 100 },
  remote: { usage: { promptTokens: 900, cachedTokens: 100, outputTokens: 50 } },
} as unknown as Partial<Inference>;
const prices = priceSchema.parse({
  currency: "EUR",
  models: {
    "qwen.gguf": { promptPerMillion: "0.5", cachedPerMillion: "0.05", outputPerMillion: "2" },
    "*": { promptPerMillion: "1", outputPerMillion: "4.25" },
  },
  perKilowattHour: "0.36",
});

describe("economicsOf", () => {
  it("tells tokens, reuse, phases and cost of one inference", () => {
    expect(economicsOf([inference()], prices)).toEqual({
      inferences: 1,
      promptTokens: 1000,
      outputTokens: 40,
      cachedTokens: 600,
      ms: { queue: 5, prefill: 30, generation: 12, broken: 0 },
      energyMillijoules: null,
      // 400 × 0.5 + 600 × 0.05 + 40 × 2, of a million
      cost: { currency: "EUR", micros: 310 },
      unknown: [],
    });
  });

  it("takes a server's word for its tokens, and the price for all others", () => {
    const { cost, ...rest } = economicsOf([inference(remote)], prices);
    expect(rest).toMatchObject({ promptTokens: 900, outputTokens: 50, cachedTokens: 100 });
    // 900 × 1 + 50 × 4.25 = 1112.5, rounded up
    expect(cost).toEqual({ currency: "EUR", micros: 1113 });
  });

  it("rounds once, up, however many there are", () => {
    const tiny = inference({
      promptTokens: ids(1),
      outputTokens: [],
      timing: { prefillMs: 0, generationMs: 0 },
    });
    expect(economicsOf([tiny], prices).cost!.micros).toBe(1);
    expect(economicsOf([tiny, tiny, tiny], prices).cost!.micros).toBe(2);
    expect(economicsOf([], prices).cost).toEqual({ currency: "EUR", micros: 0 });
  });

  it("counts energy at the price of current, and is null where one of them has no figure", () => {
    const warm = inference({ energy: { millijoules: 3_600_000, source: "rapl" } });
    // One watt-hour.
    expect(economicsOf([warm], prices)).toMatchObject({
      energyMillijoules: 3_600_000,
      cost: { micros: 670 },
    });
    expect(economicsOf([warm, inference()], prices).energyMillijoules).toBeNull();
    const free = priceSchema.parse({ currency: "EUR", perKilowattHour: "0.36" });
    expect(economicsOf([warm], free).cost).toEqual({ currency: "EUR", micros: 360 });
  });

  it("has no cost without prices, and says which one is missing", () => {
    expect(economicsOf([inference()], undefined)).toMatchObject({ cost: null, unknown: [] });
    const other = priceSchema.parse({ currency: "EUR", models: { small: prices.models["*"] } });
    expect(economicsOf([inference(), inference(remote)], other)).toMatchObject({
      cost: null,
      unknown: ["the price of qwen.gguf", "the price of big"],
    });
  });

  it("says what nobody counts: requests that lost, engines that broke", () => {
    const { ms, unknown } = economicsOf(
      [
        inference({ hedge: { afterMs: 5, winner: "second", loser: "aborted" } }),
        inference({ fallback: [{ engine: "a", error: "InferenceTimeoutError", ms: 700 }] }),
      ],
      prices,
    );
    expect(ms.broken).toBe(700);
    expect(unknown).toEqual(["what 1 second request cost that lost", "what 1 engine cost that broke"]);
  });

  it("does not know the reuse of a server that does not say", () => {
    const silent = { ...remote, remote: { usage: { promptTokens: 9, cachedTokens: null, outputTokens: 1 } } };
    expect(
      economicsOf([inference(), inference(silent as unknown as Partial<Inference>)], prices).cachedTokens,
    ).toBeNull();
  });

  it("never makes a price negative by reuse that can't be", () => {
    const odd = inference({
      promptTokens: ids(10),
      outputTokens: [],
      timing: { prefillMs: 0, generationMs: 0, reusedTokens: 99 },
    });
    expect(economicsOf([odd], prices).cost!.micros).toBe(1);
  });
});

describe("totalOf", () => {
  it("adds what was shown", () => {
    const one = economicsOf([inference()], prices);
    expect(totalOf([])).toMatchObject({ inferences: 0, cost: null });
    expect(totalOf([one])).toEqual(one);
    expect(totalOf([one, economicsOf([inference(remote)], prices)])).toMatchObject({
      inferences: 2,
      promptTokens: 1900,
      outputTokens: 90,
      cachedTokens: 700,
      ms: { queue: 5, prefill: 230, generation: 112, broken: 0 },
      cost: { currency: "EUR", micros: 1423 },
    });
    expect(totalOf([one, economicsOf([inference()], undefined)]).cost).toBeNull();
  });
});

describe("words", () => {
  it("are one line", () => {
    expect(
      economicsInWords(economicsOf([inference({ energy: { millijoules: 1250, source: "rapl" } })], prices)),
    ).toBe("1000 tokens in (600 reused), 40 out, queue 5 + prompt 30 + answer 12 ms, 1.3 J, 0.000311 EUR");
    expect(economicsInWords(economicsOf([], undefined))).toBe("no inference");
    expect(costInWords({ currency: "USD", micros: 12_345_678 })).toBe("12.345678 USD");
  });
});

describe("prices", () => {
  it("are decimal text, exact to a millionth", () => {
    expect(["0", "0.000001", "12.5", "999999999.999999"].map(micros)).toEqual([
      0n,
      1n,
      12_500_000n,
      999_999_999_999_999n,
    ]);
    for (const promptPerMillion of ["-1", "1e3", "0.0000001", ".5", 1, ""])
      expect(
        priceSchema.safeParse({
          currency: "EUR",
          models: { "*": { promptPerMillion, outputPerMillion: "1" } },
        }).success,
      ).toBe(false);
    expect(priceSchema.safeParse({ currency: "euro" }).success).toBe(false);
  });

  it("are looked up by own names only", () => {
    const none = priceSchema.parse({ currency: "EUR", models: {} });
    expect(economicsOf([inference({ model: { file: "constructor", sha256: null } })], none).cost).toBeNull();
  });
});
