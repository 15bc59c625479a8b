import { canonicalize } from "../core/canonical.ts";
import type {
  Fingerprints,
  Inference,
  ModelIdentity,
  OptionWeight,
  ReExecution,
  RuntimeIdentity,
  StopReason,
  ThoughtSpan,
  Unverifiable,
} from "../core/inference.ts";

/** What a repetition has to equal. */
export type RepeatedRun = {
  readonly outputTokens: readonly number[];
  readonly text: string;
  readonly stopReason: StopReason;
  readonly fingerprints: Fingerprints;
  readonly thought: ThoughtSpan | null;
  readonly options: readonly OptionWeight[] | null;
};

/**
 * EXACT when every output token, the reason to stop and the text are the recorded ones. `differences` (see
 * `runtimeDifferences`) is only ever an explanation: equal tokens are equal wherever they were computed.
 */
export function compareRuns(
  recorded: Pick<Inference, "outputTokens" | "text" | "stopReason" | "fingerprints" | "thought" | "options">,
  actual: RepeatedRun,
  differences: readonly string[],
): ReExecution {
  const tokens = recorded.outputTokens.length;
  const index = firstDifference(recorded.outputTokens, actual.outputTokens);
  if (index !== null)
    return mismatch(
      recorded.outputTokens,
      actual.outputTokens,
      index,
      `tokens: output token ${index} differs`,
      differences,
    );
  const otherwise = (why: string): ReExecution =>
    Object.freeze({
      verdict: "MISMATCH",
      tokens,
      firstDivergence: { index: tokens, recorded: null, actual: null },
      otherProgram: differences.length > 0,
      why,
    });
  if (recorded.stopReason !== actual.stopReason)
    return otherwise(`stop: recorded "${recorded.stopReason}", actual "${actual.stopReason}"`);
  // The text is what gets parsed into an action; a record whose text is not its tokens is a forgery.
  if (recorded.text !== actual.text)
    return otherwise("text: the recorded text is not what the recorded tokens spell");
  if (canonicalize(recorded.thought ?? null) !== canonicalize(actual.thought))
    return otherwise("thought: it does not end where it is said to, or its text is another one");
  // The same program gives the same bits. Another one may give nearly the same, which is for `reCheck` to say.
  if (differences.length > 0) return Object.freeze({ verdict: "EXACT", tokens });
  if (canonicalize(recorded.fingerprints) !== canonicalize(actual.fingerprints))
    return otherwise("fingerprints: the tokens are the same, and what was thought on the way is not");
  if (canonicalize(recorded.options ?? null) !== canonicalize(actual.options))
    return otherwise("options: the tokens are the same, and what the model found likely is not");
  return Object.freeze({ verdict: "EXACT", tokens });
}

/** A MISMATCH at `index` of two token lists. */
export function mismatch(
  recorded: readonly number[],
  actual: readonly number[],
  index: number,
  why: string,
  differences: readonly string[] = [],
): ReExecution {
  return Object.freeze({
    verdict: "MISMATCH",
    tokens: recorded.length,
    firstDivergence: Object.freeze({
      index,
      recorded: recorded[index] ?? null,
      actual: actual[index] ?? null,
    }),
    otherProgram: differences.length > 0,
    why: [why, ...differences].join("; "),
  });
}

/** Why nothing can be said about a server's record. */
export const REMOTE = "a server was asked, and which model answered there is its word alone";

/** Nothing can be said about the record here, neither for it nor against it. */
export function unverifiable(recorded: Pick<Inference, "outputTokens">, why: string): Unverifiable {
  return Object.freeze({ verdict: "UNVERIFIABLE", tokens: recorded.outputTokens.length, why });
}

/** Index of the first place where two lists differ (the end of the shorter one counts), or null when they are equal. */
export function firstDifference(a: readonly number[], b: readonly number[]): number | null {
  for (let index = 0; index < Math.max(a.length, b.length); index++) if (a[index] !== b[index]) return index;
  return null;
}

/** What the file says of itself, whatever it is called; the last two are as the binding reads it. */
const FROM_FILE = [
  "sizeBytes",
  "architecture",
  "contextLength",
  "templateSha256",
  "tokenizerSha256",
] as const;
const FROM_BINDING = ["parameters", "quantization"] as const;

/** Why the recorded model is not the one that is here; null when it is. A hash beside another description is a forgery. */
export function modelDifference(
  recorded: Pick<Inference, "model" | "runtime">,
  here: Pick<Inference, "runtime"> & { readonly model: ModelIdentity },
): string | null {
  const { model } = recorded;
  if (model.sha256 === null || model.sha256 !== here.model.sha256)
    return `model: recorded with ${model.sha256 ?? "no hash"}, this engine holds ${here.model.sha256}`;
  const same = recorded.runtime.binding === here.runtime.binding;
  const other = [...FROM_FILE, ...(same ? FROM_BINDING : [])].find((key) => model[key] !== here.model[key]);
  return other === undefined ? null : `model: its ${other} is another one than the file's`;
}

/** In words, what of the recorded program is another one here: where to look when the tokens differ. */
export function runtimeDifferences(recorded: RuntimeIdentity, here: RuntimeIdentity): readonly string[] {
  const differences: string[] = [];
  for (const key of ["binding", "llamaCpp", "backend", "platform"] as const)
    if (recorded[key] !== here[key]) differences.push(`${key} ${recorded[key]} then, ${here[key]} now`);
  const then = new Map(recorded.libraries.map(({ name, sha256 }) => [name, sha256]));
  const now = new Map(here.libraries.map(({ name, sha256 }) => [name, sha256]));
  const gone = [...then.keys()].filter((name) => !now.has(name));
  const come = [...now.keys()].filter((name) => !then.has(name));
  if (gone.length + come.length > 0)
    differences.push(
      `loaded then: ${gone.join(", ") || "nothing more"}, loaded now: ${come.join(", ") || "nothing more"}`,
    );
  for (const [name, sha256] of then)
    if (now.has(name) && now.get(name) !== sha256) differences.push(`${name} is another build`);
  return differences;
}
