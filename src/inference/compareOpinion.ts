import type { Inference, ReCheck, Tolerance } from "../core/inference.ts";
import { FINGERPRINT_EVERY, FINGERPRINT_TOP, fingerprintDistance, fingerprintPlaces } from "./fingerprint.ts";

/** What a pass over a record gave (`teacherForce`). */
export type CheckedRun = {
  readonly steps: readonly { readonly best: number; readonly marginMilli: number }[];
  readonly rows: readonly (readonly number[])[];
  readonly text: string;
};

/** A tolerance for models that nobody calibrated: wide enough for honest reruns of the quantised models that were measured. */
export const uncalibrated: Tolerance = Object.freeze({
  marginMilli: 250,
  fingerprintMilli: 250,
  flipsPermille: 50,
});

/** The verdict over a record and what the model thinks of it here. */
export function compareOpinion(
  recorded: Pick<
    Inference,
    "outputTokens" | "promptTokens" | "fingerprints" | "prompt" | "stopReason" | "text"
  >,
  checked: CheckedRun,
  tolerance: Tolerance,
): ReCheck {
  const tokens = recorded.outputTokens.length;
  const expectedSteps = recorded.stopReason === "maxTokens" ? tokens : tokens + 1;
  const flipped = checked.steps.flatMap(({ marginMilli, best }, index) =>
    marginMilli > 0
      ? [{ index, recorded: recorded.outputTokens[index] ?? null, actual: best, marginMilli }]
      : [],
  );
  const beyond = flipped.find(({ marginMilli }) => marginMilli > tolerance.marginMilli);
  const mostFlips = Math.max(1, Math.floor((tokens * tolerance.flipsPermille) / 1000));
  const rows = recorded.fingerprints.rows;
  const distance = fingerprintDistance(rows, checked.rows);
  const whys = [
    ...(checked.text === recorded.text
      ? []
      : ["text: the recorded text is not what the recorded tokens spell"]),
    ...(possibleEnd(recorded)
      ? []
      : [
          `stop: ${tokens} tokens of at most ${recorded.prompt.maxTokens} can't end with "${recorded.stopReason}"`,
        ]),
    ...(rightPlaces(recorded) ? [] : ["fingerprints: they are not where they have to be"]),
    ...(distance === null || distance > tolerance.fingerprintMilli
      ? [
          `fingerprints: a logit differs by ${distance ?? "more than can be compared"} thousandths, ${tolerance.fingerprintMilli} are tolerated`,
        ]
      : []),
    ...(beyond
      ? [
          `tokens: output token ${beyond.index} lies ${beyond.marginMilli} thousandths below the best one, ${tolerance.marginMilli} are tolerated`,
        ]
      : checked.steps.length === expectedSteps
        ? []
        : ["tokens: they end where they can't end"]),
    ...(flipped.length > mostFlips
      ? [`tokens: ${flipped.length} of ${tokens} are not the best ones here, ${mostFlips} are tolerated`]
      : []),
  ];
  const [divergence] = beyond ? [beyond] : flipped;
  return Object.freeze({
    verdict: whys.length === 0 ? "CONSISTENT" : "MISMATCH",
    tokens,
    flips: flipped.length,
    worstMarginMilli: Math.max(0, ...checked.steps.map(({ marginMilli }) => marginMilli)),
    worstFingerprintMilli: rows.length === 0 ? null : distance,
    tolerance,
    ...(divergence ? { firstDivergence: divergence } : {}),
    ...(whys.length === 0 ? {} : { why: whys.join("; ") }),
  });
}

/** A run is cut off at its budget and nowhere else; an answer that was cut afterwards has to show. */
function possibleEnd({
  outputTokens,
  prompt,
  stopReason,
}: Pick<Inference, "outputTokens" | "prompt" | "stopReason">): boolean {
  const left = prompt.maxTokens - outputTokens.length;
  if (stopReason === "maxTokens") return left === 0;
  return left > 0 && (stopReason === "grammar") === (prompt.grammar !== null);
}

/** A record that leaves rows out, or puts them where they suit it, has none. */
function rightPlaces({
  fingerprints,
  promptTokens,
}: Pick<Inference, "fingerprints" | "promptTokens">): boolean {
  const places = fingerprintPlaces(promptTokens.length);
  const { every, rows } = fingerprints;
  return (
    every === FINGERPRINT_EVERY &&
    rows.length === places.length &&
    rows.every(({ at, tokens }, index) => at === places[index] && new Set(tokens).size === FINGERPRINT_TOP)
  );
}
