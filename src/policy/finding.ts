import type { ClausePath } from "./mistakes.ts";

/** How bad: `error` lets money go astray, `warning` deserves a second look, `info` is to be known. */
export type Severity = "error" | "warning" | "info";

/** A combination that is allowed and dangerous. */
export type Finding = {
  readonly code: string;
  readonly severity: Severity;
  readonly path: ClausePath;
  readonly words: string;
  readonly remedy: string;
};

/** What lint knows beside the document. */
export type LintFacts = {
  /** Unix seconds. */
  readonly now: number;
  /** The agent's address, when there is one already. */
  readonly agent?: `0x${string}`;
};
