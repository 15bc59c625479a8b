/** May the caller try the same thing again? `never`: no; `safe`: yes, unchanged; `ask`: a person decides. */
export type Retry = "never" | "safe" | "ask";

export type BaseErrorOptions = {
  /** What to do about it, one sentence each. */
  readonly remedy?: string;
  /** Facts shown as aligned `key: value` lines. Never secrets. */
  readonly facts?: Readonly<Record<string, string | number | bigint | boolean | undefined>>;
  readonly cause?: unknown;
  readonly retry?: Retry;
};

/**
 * The root of every error thrown by Bursar: a sentence that says what failed, a sentence that says what to do,
 * the facts in columns, the cause, and whether the same call may be repeated.
 *
 * Expected outcomes (a denial, a hold) are values, not errors.
 */
export class BaseError extends Error {
  override readonly name: string = "BaseError";
  readonly shortMessage: string;
  readonly remedy: string | undefined;
  readonly facts: Readonly<Record<string, string>>;
  readonly retry: Retry;

  constructor(shortMessage: string, options: BaseErrorOptions = {}) {
    const facts: Record<string, string> = {};
    for (const [key, value] of Object.entries(options.facts ?? {}))
      if (value !== undefined) facts[key] = String(value);
    const width = Math.max(0, ...Object.keys(facts).map((key) => key.length));
    const lines = Object.entries(facts).map(([key, value]) => `  ${`${key}:`.padEnd(width + 2)}${value}`);
    const message = [shortMessage, ...(options.remedy ? [options.remedy] : []), ...lines].join("\n");
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.shortMessage = shortMessage;
    this.remedy = options.remedy;
    this.facts = facts;
    this.retry = options.retry ?? "never";
  }

  /** The first error in the cause chain for which `predicate` holds, this one included. */
  walk(predicate: (error: unknown) => boolean): unknown {
    return firstInChain(this, predicate);
  }
}

/** What was thrown, or a text, as one line of bounded length that can be recorded: cutting may leave half a character. */
export const sentenceOf = (thrown: unknown): string =>
  (thrown instanceof Error ? thrown.message : String(thrown)).split("\n")[0]!.slice(0, 240).toWellFormed();

/** Bound on the depth of a cause chain: one that names itself ends here. */
const deepestCause = 32;

function firstInChain(top: unknown, predicate: (error: unknown) => boolean): unknown {
  let error = top;
  for (let depth = 0; error !== undefined && error !== null && depth < deepestCause; depth++) {
    if (predicate(error)) return error;
    error = error instanceof Error ? error.cause : undefined;
  }
  return undefined;
}
