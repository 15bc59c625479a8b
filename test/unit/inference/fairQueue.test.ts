import { expect, test } from "vitest";
import { fairQueue } from "../../../src/inference/fairQueue.ts";

const [greedy, modest, late] = [Symbol("greedy"), Symbol("modest"), Symbol("late")];

function all(queue: ReturnType<typeof fairQueue<string>>): readonly string[] {
  const order: string[] = [];
  for (let next = queue.next(); next !== undefined; next = queue.next()) order.push(next);
  return order;
}

test("callers take turns, each in its own order", () => {
  const queue = fairQueue<string>(10);
  for (const item of ["g1", "g2", "g3", "g4"]) queue.add(greedy, item);
  queue.add(modest, "m1");
  queue.add(modest, "m2");
  expect(queue.size).toBe(6);
  expect(queue.next()).toBe("g1");
  // Whoever comes late waits for one request of each, not for all of them.
  queue.add(late, "l1");
  expect(all(queue)).toEqual(["m1", "g2", "l1", "m2", "g3", "g4"]);
  expect(queue.size).toBe(0);
});

test("a caller who has just been served does not come first again by asking anew", () => {
  const queue = fairQueue<string>(10);
  queue.add(greedy, "g1");
  queue.add(modest, "m1");
  expect(queue.next()).toBe("g1");
  queue.add(greedy, "g2");
  expect(all(queue)).toEqual(["m1", "g2"]);
});

test("a line has an end, and what leaves it makes room", () => {
  const queue = fairQueue<string>(2);
  expect(queue.add(greedy, "g1")).toBe(true);
  expect(queue.add(greedy, "g2")).toBe(true);
  expect(queue.add(greedy, "g3")).toBe(false);
  expect(queue.add(modest, "m1")).toBe(true);
  queue.remove(greedy, "g1");
  queue.remove(greedy, "never there");
  expect(queue.add(greedy, "g4")).toBe(true);
  expect(all(queue)).toEqual(["g2", "m1", "g4"]);
});
