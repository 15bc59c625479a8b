import { expect, test } from "vitest";

import { openCatchUp } from "../../../src/delegation/catchUp.ts";

test("waits until it is reached, and no longer than it may", async () => {
  const catchUp = openCatchUp();
  expect(await catchUp.wait(1)).toBe(false);
  const waiting = catchUp.wait(60_000);
  catchUp.reached();
  expect(await waiting).toBe(true);
  expect(await catchUp.wait(0)).toBe(true);
});

test("has reached nothing on the next connection", async () => {
  const catchUp = openCatchUp();
  catchUp.reached();
  expect(await catchUp.wait(1000)).toBe(true);
  catchUp.lost();
  expect(await catchUp.wait(1)).toBe(false);
});

test("is reached when the answers that came are written down, or could not be", async () => {
  const catchUp = openCatchUp();
  const { promise, resolve } = Promise.withResolvers<void>();
  catchUp.writing(promise);
  catchUp.writing(Promise.reject(new Error("a full disk")));
  catchUp.reached();
  expect(await catchUp.wait(5)).toBe(false);
  resolve();
  expect(await catchUp.wait(1000)).toBe(true);
});

test("lets everybody go when it is closed", async () => {
  const catchUp = openCatchUp();
  const waiting = catchUp.wait(60_000);
  catchUp.close();
  expect(await waiting).toBe(false);
});
