import { expect, test } from "vitest";
import type { Inference, OptionWeight } from "../../../src/core/inference.ts";
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
const agreeing: CheckedRun = {
  steps: [...recorded.outputTokens, null].map((token, index) => ({
    index,
    recorded: token,
    best: token ?? 0,
    marginMilli: 0,
  })),
  rows: recorded.fingerprints.rows.map(({ logitsMilli }) => logitsMilli),
  text: "so be it",
  options: null,
  optionTokens: [],
};
const compare = (changes: Partial<CheckedRun>, record: Partial<Inference> = {}) =>
  compareOpinion({ ...recorded, ...record }, { ...agreeing, ...changes }, tolerance);
type Steps = CheckedRun["steps"];
const withStep = (index: number, best: number, marginMilli: number, steps: Steps = agreeing.steps): Steps =>
  steps.with(index, { ...steps[index]!, best, marginMilli });

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
  const near = withStep(20, 9, 7, withStep(3, 55, 100));
  expect(compare({ steps: near })).toMatchObject({
    verdict: "CONSISTENT",
    flips: 2,
    worstMarginMilli: 100,
    firstDivergence: { index: 3, recorded: 103, actual: 55, marginMilli: 100 },
  });
  expect(compare({ steps: withStep(7, 1, 1, near) })).toMatchObject({
    verdict: "MISMATCH",
    why: "tokens: 3 of 20 are not the best ones here, 2 are tolerated",
  });
});

test("a margin beyond it is a MISMATCH that names the token", () => {
  const steps = withStep(11, 77, 101, withStep(2, 50, 1));
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
      { stopReason: stopReason as "end", prompt: { messages: [], grammar, maxTokens } },
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

test("what was put behind a thought is no choice, and the answer's budget is its own", () => {
  const thought = { text: "hm", tokens: 8, forced: 2, end: "model" } as const;
  const prompt = { messages: [], grammar: null, maxTokens: 11, thought: { maxTokens: 8 } } as const;
  const chosen = agreeing.steps.filter(({ index }) => index < 8 || index >= 10);
  expect(compare({ steps: chosen }, { thought, prompt }).verdict).toBe("CONSISTENT");
  expect(compare({ steps: chosen }, { thought, prompt: { ...prompt, maxTokens: 10 } }).why).toMatch(
    /^stop: 10 /,
  );
  // Of 18 choices one may be another token, of 20 two.
  const steps = chosen.map((one) => (one.index === 3 || one.index === 12 ? { ...one, marginMilli: 1 } : one));
  expect(compare({ steps }, { thought, prompt }).why).toBe(
    "tokens: 2 of 18 are not the best ones here, 1 are tolerated",
  );
  // The model wanted to end its turn: one choice more.
  const turn = { ...thought, end: "turn" } as const;
  expect(compare({ steps: chosen }, { thought: turn, prompt }).why).toMatch(/end where they can't end/);
  const ended = [...chosen, { index: 8, recorded: null, best: 4, marginMilli: 0 }];
  expect(compare({ steps: ended }, { thought: turn, prompt }).verdict).toBe("CONSISTENT");
});

test("options are as likely as the record says, within the tolerance, and their shares follow from it", () => {
  const option = (text: string, logMilli: number, probabilityPermille: number) => ({
    text,
    logMilli,
    probabilityPermille,
  });
  const prompt = { messages: [], grammar: null, maxTokens: 60, options: ["pay", "hold"] };
  const options = [option("pay", -100, 731), option("hold", -1100, 269)];
  const here = { options, optionTokens: [1, 2] };
  const why = (changed: readonly OptionWeight[] | null) =>
    compare(here, { prompt, ...(changed && { options: changed }) }).why;
  expect(why(options)).toBeUndefined();
  // Two logits may each move by 50 for each token of the option.
  expect(why([option("pay", -201, 711), option("hold", -1100, 289)])).toBeUndefined();
  expect(why([option("pay", -202, 711), option("hold", -1100, 289)])).toMatch(/^options:/);
  expect(why([option("pay", -100, 800), option("hold", -1100, 200)])).toMatch(/^options:/);
  expect(why([options[0]!])).toMatch(/^options:/);
  expect(why([option("pax", -100, 731), options[1]!])).toMatch(/^options:/);
  expect(why(null)).toMatch(/^options:/);
  expect(compare({}, { options }).why).toMatch(/^options:/);
});

test("rows lie 32 tokens apart and leave two tokens of the prompt", () => {
  expect(fingerprintPlaces(100, "end")).toEqual([1, 33, 65, 97]);
  expect(fingerprintPlaces(3, "end")).toEqual([0]);
  expect(fingerprintPlaces(2, "end")).toEqual([]);
});

test("in fast mode they are counted from the start, so that equal beginnings have equal rows", () => {
  expect(fingerprintPlaces(100, "start")).toEqual([31, 63, 95, 97]);
  expect(fingerprintPlaces(66, "start")).toEqual([31, 63]);
  expect(fingerprintPlaces(3, "start")).toEqual([0]);
  expect(fingerprintPlaces(2, "start")).toEqual([]);
});
