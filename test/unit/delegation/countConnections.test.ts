import { expect, it, vi } from "vitest";

import { countConnections } from "../../../src/delegation/countConnections.ts";

it("tells a storm of connections from a line that breaks now and then", () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  const isStorm = countConnections();
  for (let index = 0; index < 100; index++) {
    expect(isStorm()).toBe(false);
    vi.advanceTimersByTime(600);
  }
  const answers = Array.from({ length: 21 }, isStorm);
  expect(answers).toContain(true);
  vi.useRealTimers();
});
