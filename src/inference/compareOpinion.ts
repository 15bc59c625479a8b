import type { Inference, OptionWeight, ReCheck, Tolerance } from "../core/inference.ts";
import { FINGERPRINT_EVERY, FINGERPRINT_TOP, fingerprintDistance, fingerprintPlaces } from "./fingerprint.ts";

/** What a pass over a record gave (`teacherForce`). */
export type CheckedRun = {
  readonly steps: readonly {
    readonly index: number;
    readonly recorded: number | null;
    readonly best: number;
    readonly marginMilli: number;
  }[];
  readonly rows: readonly (readonly number[])[];
  readonly text: string;
  readonly options: readonly OptionWeight[] | null;
  /** How many tokens each option has. */
  readonly optionTokens: readonly number[];
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
    | "outputTokens"
    | "promptTokens"
    | "fingerprints"
    | "prompt"
    | "stopReason"
    | "text"
    | "thought"
    | "options"
  >,
  checked: CheckedRun,
  tolerance: Tolerance,
): ReCheck {
  const tokens = recorded.outputTokens.length;
  // What was put behind a thought was nobody's choice.
  const chosen = tokens - (recorded.thought?.forced ?? 0);
  const ends = (recorded.stopReason === "maxTokens" ? 0 : 1) + (recorded.thought?.end === "turn" ? 1 : 0);
  const flipped = checked.steps.flatMap((step) =>
    step.marginMilli > 0
      ? [{ index: step.index, recorded: step.recorded, actual: step.best, marginMilli: step.marginMilli }]
      : [],
  );
  const beyond = flipped.find(({ marginMilli }) => marginMilli > tolerance.marginMilli);
  const mostFlips = Math.max(1, Math.floor((chosen * tolerance.flipsPermille) / 1000));
  const rows = recorded.fingerprints.rows;
  const distance = fingerprintDistance(rows, checked.rows);
  const whys = [
    ...(checked.text === recorded.text
      ? []
      : ["text: the recorded text is not what the recorded tokens spell"]),
    ...(possibleEnd(recorded)
      ? []
      : [
          `stop: ${answerTokens(recorded)} tokens of at most ${recorded.prompt.maxTokens} can't end with "${recorded.stopReason}"`,
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
      : checked.steps.length === chosen + ends
        ? []
        : ["tokens: they end where they can't end"]),
    ...(flipped.length > mostFlips
      ? [`tokens: ${flipped.length} of ${chosen} are not the best ones here, ${mostFlips} are tolerated`]
      : []),
    ...(optionsAgree(recorded, checked, tolerance)
      ? []
      : ["options: the model does not find them as likely as it is said to have"]),
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

/** How many tokens of the output are the answer's. */
const answerTokens = ({ outputTokens, thought }: Pick<Inference, "outputTokens" | "thought">): number =>
  outputTokens.length - (thought ? thought.tokens + thought.forced : 0);

/** A run is cut off at its budget and nowhere else; an answer that was cut afterwards has to show. */
function possibleEnd(
  recorded: Pick<Inference, "outputTokens" | "prompt" | "stopReason" | "thought">,
): boolean {
  const { prompt, stopReason } = recorded;
  const left = prompt.maxTokens - answerTokens(recorded);
  if (stopReason === "maxTokens") return left === 0;
  return left > 0 && (stopReason === "grammar") === (prompt.grammar !== null);
}

/** The logarithm of one token's probability moves by at most twice what the logits move. */
function optionsAgree(
  { options, prompt }: Pick<Inference, "options" | "prompt">,
  checked: CheckedRun,
  tolerance: Tolerance,
): boolean {
  const here = checked.options ?? [];
  const there = options ?? [];
  return (
    (options === undefined) === (prompt.options === undefined) &&
    there.length === here.length &&
    there.every(({ logMilli, text }, index) => {
      const other = here[index]!;
      const most = 2 * tolerance.fingerprintMilli * (checked.optionTokens[index] ?? 0) + 1;
      return text === other.text && Math.abs(logMilli - other.logMilli) <= most;
    }) &&
    there.every(
      ({ probabilityPermille }, index) => Math.abs(probabilityPermille - shares(there)[index]!) <= 1,
    )
  );
}

/** What the logarithms come to among themselves, in thousandths. */
function shares(options: readonly OptionWeight[]): readonly number[] {
  const best = Math.max(...options.map(({ logMilli }) => logMilli));
  const weights = options.map(({ logMilli }) => Math.exp((logMilli - best) / 1000));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => Math.round((1000 * weight) / sum));
}

/** A record that leaves rows out, or puts them where they suit it, has none. */
function rightPlaces({
  fingerprints,
  promptTokens,
}: Pick<Inference, "fingerprints" | "promptTokens">): boolean {
  const { every, rows } = fingerprints;
  const areAt = (places: readonly number[]) =>
    rows.length === places.length && rows.every(({ at }, index) => at === places[index]);
  return (
    every === FINGERPRINT_EVERY &&
    (["end", "start"] as const).some((anchor) => areAt(fingerprintPlaces(promptTokens.length, anchor))) &&
    rows.every(({ tokens }) => new Set(tokens).size === FINGERPRINT_TOP)
  );
}
