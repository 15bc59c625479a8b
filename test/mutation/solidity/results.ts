import { appendFileSync, existsSync, readFileSync } from "node:fs";

import type { Numbered } from "./mutant.ts";

/** What became of a mutant. "same bytecode": the optimizer makes the same of it as of the original. */
export const fates = ["invalid", "same bytecode", "differential", "contract tests", "survived"] as const;
export type Fate = (typeof fates)[number];

export type Result = Pick<Numbered, "file" | "line" | "operator" | "before" | "text" | "at"> & {
  readonly fate: Fate;
  /** What told it from the original. */
  readonly by?: string;
};

/** Results as they come, one in a line of a file that a later run goes on with: the last word about a mutant counts. */
export class Results {
  readonly #all = new Map<string, Result>();
  readonly #kept: string | undefined;

  constructor(kept: string | undefined) {
    this.#kept = kept;
    if (kept === undefined || !existsSync(kept)) return;
    for (const line of readFileSync(kept, "utf8").split("\n").filter(Boolean)) {
      const result = JSON.parse(line) as Result;
      this.#all.set(keyOf(result), result);
    }
  }

  get(mutant: Pick<Result, "file" | "at" | "text">): Result | undefined {
    return this.#all.get(keyOf(mutant));
  }

  add({ file, line, operator, before, text, at }: Numbered, fate: Fate, by?: string): void {
    const result: Result = {
      file,
      line,
      operator,
      before,
      text,
      at,
      fate,
      ...(by === undefined ? {} : { by }),
    };
    this.#all.set(keyOf(result), result);
    if (this.#kept !== undefined) appendFileSync(this.#kept, `${JSON.stringify(result)}\n`);
  }
}

const keyOf = ({ file, at, text }: Pick<Result, "file" | "at" | "text">): string =>
  `${file} ${at.start}-${at.end} ${text}`;

/** Line, and the change on one line. */
export const inWords = ({ file, line, operator, before, text }: Result): string =>
  `${file}:${line} ${operator}: ${oneLine(before)} → ${oneLine(text) || "nothing"}`;

const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ").slice(0, 120);

/** How many of each fate, for each file. */
export function tally(results: readonly Result[]): string {
  const files = [...new Set(results.map(({ file }) => file))];
  const row = (name: string, some: readonly Result[]): string =>
    `| ${name} | ${some.length} | ${fates.map((fate) => some.filter((one) => one.fate === fate).length).join(" | ")} |`;
  return [
    `| file | mutants | ${fates.join(" | ")} |`,
    `| --- | --: |${fates.map(() => " --: |").join("")}`,
    ...files.map((file) =>
      row(
        file,
        results.filter((one) => one.file === file),
      ),
    ),
    row("all", results),
  ].join("\n");
}
