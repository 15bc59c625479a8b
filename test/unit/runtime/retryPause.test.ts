import { expect, it } from "vitest";

import { longestPauseMs } from "../../../src/journal/triggers.ts";
import { retryPauseMs } from "../../../src/runtime/retryPause.ts";

it("a pause before a retry is four times as long as the one before, ten minutes at most", () => {
  expect([0, 1, 2, 3, 100].map((retries) => retryPauseMs(retries, 10_000))).toEqual([
    10_000,
    40_000,
    160_000,
    longestPauseMs,
    longestPauseMs,
  ]);
  expect(retryPauseMs(3, 0)).toBe(0);
});
