import { describe, expect, it } from "vitest";

import { bucketSeconds, expirySeconds, heartbeatSeconds, lengthInWords } from "../../../src/policy/time.ts";

describe("what the chain keeps of time", () => {
  it.each([
    ["30m", 300n],
    ["1165d", 16_776_000n],
    ["1677721m", 16_777_210n],
  ])("is of a window of %s a bucket of %d seconds", (window, bucket) => {
    expect(bucketSeconds(window)).toBe(bucket);
  });

  it.each(["29m", "1677722m", "1166d"])("is nothing of a window of %s", (window) => {
    expect(() => bucketSeconds(window)).toThrow(`A window of ${window} can't be kept on chain.`);
  });

  it("is an expiry behind the first second of 1970, up to the last of 32 bits", () => {
    expect(expirySeconds("1970-01-01T00:00:01.9Z")).toBe(1n);
    expect(expirySeconds("2106-02-07T06:28:15Z")).toBe(0xffffffffn);
    for (const moment of ["1970-01-01T00:00:00.9Z", "2106-02-07T06:28:16Z"])
      expect(() => expirySeconds(moment)).toThrow(
        `A policy that expires at ${moment} can't be kept on chain.`,
      );
  });

  it("is a heartbeat of a minute to 49710 days", () => {
    expect(heartbeatSeconds("1m")).toBe(60n);
    expect(heartbeatSeconds("49710d")).toBe(4_294_944_000n);
    for (const length of ["0d", "49711d"])
      expect(() => heartbeatSeconds(length)).toThrow(`A heartbeat of ${length} can't be kept on chain.`);
  });
});

it.each([
  [172_800n, "2 days"],
  [129_600n, "36 hours"],
  [86_400n, "24 hours"],
  [7_200n, "2 hours"],
  [3_600n, "1 hour"],
  [5_400n, "90 minutes"],
])("says %d seconds as %s", (seconds, words) => {
  expect(lengthInWords(seconds)).toBe(words);
});
