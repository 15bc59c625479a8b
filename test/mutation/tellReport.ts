/** What is read of Stryker's report (mutation-testing-report-schema). */
export type MutationReport = {
  readonly files: Readonly<
    Record<
      string,
      {
        readonly source: string;
        readonly mutants: readonly {
          readonly mutatorName: string;
          readonly replacement?: string;
          readonly status: string;
          readonly statusReason?: string;
          readonly location: { readonly start: Position; readonly end: Position };
        }[];
      }
    >
  >;
};

/** Counted from one. */
type Position = { readonly line: number; readonly column: number };

/** What came of one file. Not among its mutants: texts for people, and with --quick what only runs while a test file is loaded. */
export type FileCount = {
  readonly file: string;
  readonly mutants: number;
  readonly killed: number;
  readonly survived: number;
  readonly uncovered: number;
  readonly texts: number;
  readonly atLoad: number;
};

/** A change that no test minded, or that no test ran. */
export type Survivor = {
  readonly file: string;
  readonly line: number;
  readonly mutator: string;
  readonly covered: boolean;
  readonly before: string;
  readonly after: string;
};

export type Told = { readonly files: readonly FileCount[]; readonly survivors: readonly Survivor[] };

/** As words.mjs gives it. */
const textReason = "A text for people";

export function tellReport({ files }: MutationReport): Told {
  const names = Object.keys(files).toSorted();
  return {
    files: names.map((name) => {
      const { mutants } = files[name]!;
      const count = (...statuses: readonly string[]) =>
        mutants.filter(({ status }) => statuses.includes(status)).length;
      const ignored = mutants.filter(({ status }) => status === "Ignored");
      const texts = ignored.filter(({ statusReason }) => statusReason === textReason).length;
      return {
        file: name,
        mutants: mutants.length - ignored.length,
        // One that never ends, or does not even load, is noticed as well.
        killed: count("Killed", "Timeout", "RuntimeError", "CompileError"),
        survived: count("Survived"),
        uncovered: count("NoCoverage"),
        texts,
        atLoad: ignored.length - texts,
      };
    }),
    survivors: names.flatMap((name) => {
      const { mutants, source } = files[name]!;
      return mutants
        .filter(({ status }) => status === "Survived" || status === "NoCoverage")
        .map((mutant) => ({
          file: name,
          line: mutant.location.start.line,
          mutator: mutant.mutatorName,
          covered: mutant.status === "Survived",
          before: oneLine(textBetween(source, mutant.location)),
          after: oneLine(mutant.replacement ?? ""),
        }))
        .toSorted((a, b) => a.line - b.line);
    }),
  };
}

const columns = ["mutants", "killed", "survived", "uncovered", "texts", "atLoad"] as const;

export function inWords({ files, survivors }: Told): string {
  const row = (name: string, cells: readonly (string | number)[]) =>
    name.padEnd(30) + cells.map((cell) => `${cell}`.padStart(10)).join("");
  const sums = columns.map((column) => files.reduce((total, file) => total + file[column], 0));
  const lines = survivors.map(
    ({ file, line, before, after, covered }) =>
      `${file}:${line}  ${before}  →  ${after}${covered ? "" : "  (no test runs it)"}`,
  );
  return [
    row("", columns),
    ...files.map((file) =>
      row(
        file.file,
        columns.map((column) => file[column]),
      ),
    ),
    ...(files.length > 1 ? [row("all", sums)] : []),
    ...(lines.length > 0 ? ["", ...lines] : []),
    "",
  ].join("\n");
}

const longest = 100;
const oneLine = (text: string): string => {
  const flat = text.replace(/\s+/g, " ").trim();
  return flat.length > longest ? `${flat.slice(0, longest)}…` : flat;
};

function textBetween(source: string, { start, end }: { start: Position; end: Position }): string {
  const lines = source.split("\n").slice(start.line - 1, end.line);
  const last = lines.length - 1;
  return lines
    .map((line, index) =>
      line.slice(index === 0 ? start.column - 1 : 0, index === last ? end.column - 1 : undefined),
    )
    .join("\n");
}
