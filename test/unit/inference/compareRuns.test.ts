import { expect, test } from "vitest";
import type { RuntimeIdentity } from "../../../src/core/inference.ts";
import { compareRuns, firstDifference, runtimeDifferences } from "../../../src/inference/compareRuns.ts";

const fingerprints = { every: 32, rows: [{ at: 4, tokens: [5, 9], logitsMilli: [7100, -20] }] };
const recorded = { outputTokens: [5, 6, 7], text: "abc", stopReason: "end", fingerprints } as const;
const same = { ...recorded, thought: null, options: null };

test("equal tokens, end and text are EXACT, whatever else differs", () => {
  expect(compareRuns(recorded, same, ["platform a then, b now"])).toEqual({
    verdict: "EXACT",
    tokens: 3,
  });
});

test.each([
  [[5, 9, 7], { index: 1, recorded: 6, actual: 9 }],
  [[5, 6], { index: 2, recorded: 7, actual: null }],
  [[5, 6, 7, 8], { index: 3, recorded: null, actual: 8 }],
  [[], { index: 0, recorded: 5, actual: null }],
])("against %j the first divergence is %j", (outputTokens, firstDivergence) => {
  expect(compareRuns(recorded, { ...same, outputTokens }, ["backend cpu then, cuda now"])).toEqual({
    verdict: "MISMATCH",
    tokens: 3,
    firstDivergence,
    otherProgram: true,
    why: `tokens: output token ${firstDivergence.index} differs; backend cpu then, cuda now`,
  });
});

test("a forged text or end is a MISMATCH although the tokens are right", () => {
  expect(compareRuns({ ...recorded, text: "abd" }, same, [])).toMatchObject({
    verdict: "MISMATCH",
    firstDivergence: { index: 3, recorded: null, actual: null },
    why: expect.stringContaining("text:"),
  });
  expect(compareRuns({ ...recorded, stopReason: "maxTokens" }, same, [])).toMatchObject({
    verdict: "MISMATCH",
    why: expect.stringContaining("stop:"),
  });
});

test("other fingerprints are a MISMATCH in the same program only", () => {
  const thought = { every: 32, rows: [{ at: 4, tokens: [5, 9], logitsMilli: [7101, -20] }] };
  expect(compareRuns(recorded, { ...same, fingerprints: thought }, [])).toMatchObject({
    verdict: "MISMATCH",
    why: expect.stringMatching(/^fingerprints:/),
  });
  expect(compareRuns(recorded, { ...same, fingerprints: thought }, ["platform"]).verdict).toBe("EXACT");
});

test("a forged thought is a MISMATCH, forged weights of options in the same program only", () => {
  const thought = { text: "a", tokens: 1, forced: 1, end: "model" } as const;
  const options = [{ text: "a", logMilli: -5, probabilityPermille: 1000 }];
  const actual = { ...same, thought, options };
  expect(compareRuns({ ...recorded, thought, options }, actual, [])).toMatchObject({ verdict: "EXACT" });
  for (const changed of [{ options }, { thought: { ...thought, tokens: 2 }, options }])
    expect(compareRuns({ ...recorded, ...changed }, actual, ["platform"])).toMatchObject({
      verdict: "MISMATCH",
      why: expect.stringMatching(/^thought:/),
    });
  const other = { ...recorded, thought, options: [{ ...options[0]!, logMilli: -6 }] };
  expect(compareRuns(other, actual, [])).toMatchObject({
    verdict: "MISMATCH",
    why: expect.stringMatching(/^options:/),
  });
  expect(compareRuns(other, actual, ["platform"]).verdict).toBe("EXACT");
});

test("firstDifference is null for equal lists", () => {
  expect(firstDifference([], [])).toBeNull();
  expect(firstDifference([1, 2], [1, 2])).toBeNull();
});

test("names what of the program changed", () => {
  const then: RuntimeIdentity = {
    binding: "b@1",
    llamaCpp: "v1",
    backend: "cpu",
    devices: [],
    libraries: [
      { name: "libggml-cpu-zen4.so", sha256: "0x01" },
      { name: "libllama.so", sha256: "0x02" },
    ],
    platform: "linux-x64",
  };
  const now: RuntimeIdentity = {
    ...then,
    llamaCpp: "v2",
    libraries: [
      { name: "libggml-cpu-haswell.so", sha256: "0x03" },
      { name: "libllama.so", sha256: "0x04" },
    ],
  };
  expect(runtimeDifferences(then, then)).toEqual([]);
  expect(runtimeDifferences(then, now)).toEqual([
    "llamaCpp v1 then, v2 now",
    "loaded then: libggml-cpu-zen4.so, loaded now: libggml-cpu-haswell.so",
    "libllama.so is another build",
  ]);
});
