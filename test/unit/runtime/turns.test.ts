import { setImmediate } from "node:timers/promises";

import { expect, it } from "vitest";

import { openTurns, type Turns, type Urgency } from "../../../src/runtime/turns.ts";

/** Takes turns that end when they are told to, and keeps who began. */
function takers(turns: Turns) {
  const began: string[] = [];
  const ends = new Map<string, () => void>();
  return {
    began,
    take: (name: string, urgency: Urgency = "usual") =>
      turns.take(urgency, async () => {
        began.push(name);
        await new Promise<void>((resolve) => ends.set(name, resolve));
        return name;
      }),
    async end(name: string) {
      ends.get(name)!();
      await setImmediate();
    },
  };
}

it("lets as many begin as may, and the next when one ends", async () => {
  const { began, end, take } = takers(openTurns(2));
  const all = ["a", "b", "c"].map((name) => take(name));
  await setImmediate();
  expect(began).toEqual(["a", "b"]);
  await end("b");
  expect(began).toEqual(["a", "b", "c"]);
  await end("a");
  await end("c");
  expect(await Promise.all(all)).toEqual(["a", "b", "c"]);
});

it("lets the urgent go before the others, and equals in the order in which they came", async () => {
  const { began, end, take } = takers(openTurns(1));
  void take("under way");
  for (const [name, urgency] of [
    ["look", "last"],
    ["think 1", "usual"],
    ["think 2", "usual"],
    ["pay 1", "first"],
    ["pay 2", "first"],
  ] as const)
    void take(name, urgency);
  await setImmediate();
  for (const name of ["under way", "pay 1", "pay 2", "think 1", "think 2"]) await end(name);
  expect(began).toEqual(["under way", "pay 1", "pay 2", "think 1", "think 2", "look"]);
});

it("gives one with a lot to do no more turns than one with little", async () => {
  const { began, end, take } = takers(openTurns(1));
  const busy = async () => {
    for (let step = 1; step <= 3; step++) await take(`busy ${step}`);
  };
  const calm = async () => {
    for (let step = 1; step <= 2; step++) await take(`calm ${step}`);
  };
  void busy();
  void calm();
  await setImmediate();
  for (let turn = 0; turn < 5; turn++) await end(began.at(-1)!);
  expect(began).toEqual(["busy 1", "calm 1", "busy 2", "calm 2", "busy 3"]);
});

it("passes the turn on when one fails, and its error to whoever took it", async () => {
  const turns = openTurns(1);
  await expect(turns.take("usual", () => Promise.reject(new Error("It broke.")))).rejects.toThrow(
    "It broke.",
  );
  expect(await turns.take("usual", () => Promise.resolve("on"))).toBe("on");
});
