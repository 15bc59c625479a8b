import type { BatchItem } from "node-llama-cpp";
import { beforeEach, describe, expect, test } from "vitest";
import { batchOrder } from "../../../src/inference/batchOrder.ts";

const item = (tokens: number): BatchItem =>
  ({
    tokens: Array.from({ length: tokens }, (_, at) => at),
    logits: [],
    evaluationPriority: 5,
  }) as unknown as BatchItem;

/** Lengths of what is taken from each item. */
const taken = (order: ReturnType<typeof batchOrder>, items: readonly BatchItem[], size = 512) =>
  order({ items, size }).map(({ item: one, processAmount }) => [items.indexOf(one), processAmount]);

/** Under way in the context that is asked about. */
let runs = 0;
beforeEach(() => void (runs = 0));

describe("answers together, prompts by themselves", () => {
  test("a prompt is never in a batch with anything", () => {
    const order = batchOrder("answers", () => runs);
    const items = [item(1), item(700), item(1), item(2)];
    expect(taken(order, items)).toEqual([[1, 512]]);
    expect(taken(order, [items[0]!, items[2]!, items[3]!])).toEqual([[2, 2]]);
    expect(taken(order, [items[0]!, items[2]!])).toEqual([
      [0, 1],
      [1, 1],
    ]);
  });

  test("prompts go first, but an answer waits for a bounded number of their tokens", () => {
    const order = batchOrder("answers", () => runs);
    const inARow: number[] = [0];
    for (let batch = 0; batch < 30; batch++)
      if (taken(order, [item(1), item(900), item(900)])[0]?.[1] === 1) inARow.push(0);
      else inARow.push((inARow.pop() ?? 0) + 512);
    expect(inARow.slice(0, 3)).toEqual([4096, 4096, 4096]);
  });

  test("a batch waits for the answer that is about to come back, and not for ever", () => {
    const order = batchOrder("answers", () => runs);
    runs = 8;
    const eight = Array.from({ length: 8 }, () => item(1));
    expect(taken(order, eight)).toHaveLength(8);
    // The last of the sampled tokens is handed in a moment after the others.
    expect(taken(order, eight.slice(1))).toEqual([]);
    expect(taken(order, eight)).toHaveLength(8);
    // One is at something else: the others go on without it.
    let waits = 0;
    while (taken(order, eight.slice(1)).length === 0) waits++;
    expect(waits).toBeGreaterThan(10);
    expect(waits).toBeLessThan(1000);
    // One has ended: nobody waits for it.
    runs = 7;
    expect(taken(order, eight.slice(1))).toHaveLength(7);
  });
});

test("alone: one sequence at a time, whatever else is waiting", () => {
  const order = batchOrder("alone", () => 3);
  expect(taken(order, [item(1), item(1), item(600)])).toEqual([[0, 1]]);
  expect(taken(order, [item(600), item(1)])).toEqual([[0, 512]]);
  expect(taken(order, [])).toEqual([]);
});

test("mixed: whatever fits", () => {
  const order = batchOrder("mixed", () => 3);
  expect(taken(order, [item(300), item(1), item(400)])).toEqual([
    [1, 1],
    [0, 300],
    [2, 211],
  ]);
});
