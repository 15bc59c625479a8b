import { BaseError } from "../core/errors.ts";

/** Where in a document, from its root: `["limits", 0, "perPayment"]`. */
export type ClausePath = readonly (string | number)[];

/** Something in a well-formed document that can't be put on the chain. */
export type Mistake = { readonly path: ClausePath; readonly words: string; readonly remedy: string };

/** A document that is well-formed but can't be put on the chain as it stands. Holds every mistake. */
export class PolicyCompileError extends BaseError {
  override readonly name = "PolicyCompileError";
  readonly mistakes: readonly Mistake[];
  constructor(mistakes: readonly [Mistake, ...Mistake[]]) {
    const [first] = mistakes;
    super(mistakes.map(({ words }) => words).join("\n"), {
      remedy: mistakes.length === 1 ? first.remedy : "Mend each of them.",
    });
    this.mistakes = mistakes;
  }
}

/** One mistake; the path is that within the clause at hand. */
export const mistake = (words: string, remedy: string, path: ClausePath = []): PolicyCompileError =>
  new PolicyCompileError([{ path, words, remedy }]);

/** Runs parts of a compilation one after the other and keeps what is wrong in each, so that all of it is told at once. */
export type Attempt = <T>(path: ClausePath, part: () => T) => T | undefined;

/**
 * The result of `work`, or all mistakes that its attempts met.
 *
 * @throws PolicyCompileError
 */
export function collecting<T>(work: (attempt: Attempt) => T): T {
  const mistakes: Mistake[] = [];
  const keep = (path: ClausePath, error: unknown) => {
    if (error instanceof PolicyCompileError)
      mistakes.push(...error.mistakes.map((one) => ({ ...one, path: [...path, ...one.path] })));
    else if (error instanceof BaseError)
      mistakes.push({ path, words: error.shortMessage, remedy: error.remedy ?? "Correct it." });
    else throw error;
  };
  let result: T | undefined;
  try {
    result = work((path, part) => {
      try {
        return part();
      } catch (error) {
        keep(path, error);
        return undefined;
      }
    });
  } catch (error) {
    keep([], error);
  }
  const [first, ...rest] = mistakes;
  if (first) throw new PolicyCompileError([first, ...rest]);
  return result as T;
}
