import { expect, test } from "vitest";
import { compareOpinion, type CheckedRun } from "../../../src/inference/compareOpinion.ts";
import { fingerprintPlaces } from "../../../src/inference/fingerprint.ts";

const tolerance = { marginMilli: 100, fingerprintMilli: 50, flipsPermille: 100 };
const tokens = [1, 2, 3, 4, 5, 6, 7, 8];
const row = (at: number) => ({ at, tokens, logitsMilli: tokens.map((token) => 9000 - token * 100) });
const recorded = {
  promptTokens: Array.from({ length: 40 }, (_, index) => index),
  outputTokens: Array.from({ length: 20 }, (_, index) => 100 + index),
  fingerprints: { every: 32, rows: [row(5), row(37)] },
  prompt: { messages: [], grammar: null, maxTokens: 60 },
  stopReason: "end",
  text: "so be it",
} as const;
const step = (best: number, marginMilli = 0) => ({ best, marginMilli });
const agreeing: CheckedRun = {
  steps: [...recorded.outputTokens, 0].map((token) => step(token)),
  rows: recorded.fingerprints.rows.map(({ logitsMilli }) => logitsMilli),
  text: "so be it",
};
const compare = (changes: Partial<CheckedRun>, record: Partial<typeof recorded> = {}) =>
  compareOpinion({ ...recorded, ...record }, { ...agreeing, ...changes }, tolerance);
const withStep = (index: number, one: CheckedRun["steps"][number]) => agreeing.steps.with(index, one);

test("the same thoughts are CONSISTENT", () => {
  expect(compare({})).toEqual({
    verdict: "CONSISTENT",
    tokens: 20,
    flips: 0,
    worstMarginMilli: 0,
    worstFingerprintMilli: 0,
    tolerance,
  });
});

test("margins up to the tolerance, on as many tokens as it allows, are CONSISTENT and told", () => {
  const near = withStep(3, step(55, 100)).with(20, step(9, 7));
  expect(compare({ steps: near })).toMatchObject({
    verdict: "CONSISTENT",
    flips: 2,
    worstMarginMilli: 100,
    firstDivergence: { index: 3, recorded: 103, actual: 55, marginMilli: 100 },
  });
  expect(compare({ steps: near.with(7, step(1, 1)) })).toMatchObject({
    verdict: "MISMATCH",
    why: "tokens: 3 of 20 are not the best ones here, 2 are tolerated",
  });
});

test("a margin beyond it is a MISMATCH that names the token", () => {
  const steps = withStep(2, step(50, 1)).with(11, step(77, 101));
  expect(compare({ steps })).toMatchObject({
    verdict: "MISMATCH",
    firstDivergence: { index: 11, recorded: 111, actual: 77, marginMilli: 101 },
    why: "tokens: output token 11 lies 101 thousandths below the best one, 100 are tolerated",
  });
});

test("fingerprints may differ by the tolerance and no more", () => {
  const shifted = (by: number) =>
    agreeing.rows.with(1, agreeing.rows[1]!.with(7, agreeing.rows[1]![7]! + by));
  expect(compare({ rows: shifted(-50) })).toMatchObject({ verdict: "CONSISTENT", worstFingerprintMilli: 50 });
  expect(compare({ rows: shifted(51) })).toMatchObject({
    verdict: "MISMATCH",
    why: "fingerprints: a logit differs by 51 thousandths, 50 are tolerated",
  });
});

test("a record can't choose where it is looked at", () => {
  const rows = recorded.fingerprints.rows;
  const thin = { ...rows[0], tokens: [1], logitsMilli: [8900] };
  const twice = { ...rows[0], tokens: tokens.with(1, 1) };
  for (const [every, changed] of [
    [32, []],
    [32, [rows[1]]],
    [40, [rows[1]]],
    [32, [row(6), rows[1]]],
    [32, [thin, rows[1]]],
    [32, [twice, rows[1]]],
  ] as const) {
    const fingerprints = { every, rows: changed } as unknown as typeof recorded.fingerprints;
    const answers = changed.map(({ logitsMilli }) => logitsMilli);
    expect(compare({ rows: answers }, { fingerprints })).toMatchObject({
      verdict: "MISMATCH",
      why: expect.stringContaining("not where they have to be"),
    });
  }
});

test("text and end are part of it", () => {
  expect(compare({ text: "so be 1t" }).why).toMatch(/^text:/);
  expect(compare({ steps: agreeing.steps.slice(0, 12) }).why).toBe("tokens: they end where they can't end");
});

test("a run is cut off at its budget and nowhere else", () => {
  const cut = (maxTokens: number, stopReason: string, grammar: string | null = null) =>
    compare(
      { steps: agreeing.steps.slice(0, stopReason === "maxTokens" ? 20 : 21) },
      { stopReason: stopReason as "end", prompt: { messages: [], grammar, maxTokens } as never },
    );
  expect(cut(20, "maxTokens").verdict).toBe("CONSISTENT");
  expect(cut(21, "end").verdict).toBe("CONSISTENT");
  expect(cut(21, "grammar", "root ::= [a-z]").verdict).toBe("CONSISTENT");
  for (const forged of [
    cut(60, "maxTokens"),
    cut(19, "maxTokens"),
    cut(20, "end"),
    cut(60, "grammar"),
    cut(60, "end", "root ::= [a-z]"),
  ])
    expect(forged).toMatchObject({ verdict: "MISMATCH", why: expect.stringMatching(/^stop:/) });
});

test("rows lie 32 tokens apart and leave two tokens of the prompt", () => {
  expect(fingerprintPlaces(100)).toEqual([1, 33, 65, 97]);
  expect(fingerprintPlaces(3)).toEqual([0]);
  expect(fingerprintPlaces(2)).toEqual([]);
});
