import { BaseError } from "../core/errors.ts";
import { InferenceCrashedError, InferenceTimeoutError, ModelUnusableError } from "./errors.ts";
import { RemoteAnswerError, RemoteFailedError, RemoteUnreachableError } from "./remote/errors.ts";

const breakages = [
  InferenceCrashedError,
  InferenceTimeoutError,
  ModelUnusableError,
  RemoteAnswerError,
  RemoteFailedError,
  RemoteUnreachableError,
];

/** The engine broke: it died, was late, was not there, or sent what is no answer. Neither a refusal nor a mistake of the caller. */
export const isBreakage = (error: unknown): boolean => breakages.some((kind) => error instanceof kind);

/** An error by its name, for records. */
export const nameOf = (error: unknown): string =>
  error instanceof BaseError || error instanceof Error ? error.name : "Error";

/** None of the engines gave an answer; the next attempt begins with the first one again. */
export class NoEngineAnsweredError extends BaseError {
  override readonly name = "NoEngineAnsweredError";
  constructor(
    failures: readonly { readonly engine: string; readonly error: string; readonly ms: number }[],
    cause: unknown,
  ) {
    super("No engine gave an answer.", {
      remedy: "Look at what each of them says; the decision waits.",
      facts: Object.fromEntries(
        failures.map(({ engine, error, ms }, index) => [
          `${index + 1}. ${engine}`,
          `${error} after ${ms} ms`,
        ]),
      ),
      retry: "safe",
      cause,
    });
  }
}
