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
          readonly location: { readonly start: Position; readonly end: Position };
        }[];
      }
    >
  >;
};

/** Counted from one. */
type Position = { readonly line: number; readonly column: number };

/** What came of one file. `ignored` are texts for people. */
export type FileCount = {
  readonly file: string;
  readonly mutants: number;
  readonly killed: number;
  readonly survived: number;
  readonly uncovered: number;
  readonly ignored: number;
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

export function tellReport({ files }: MutationReport): Told {
  const names = Object.keys(files).toSorted();
  return {
    files: names.map((name) => {
      const { mutants } = files[name]!;
      const count = (...statuses: readonly string[]) =>
        mutants.filter(({ status }) => statuses.includes(status)).length;
      const ignored = count("Ignored");
      return {
        file: name,
        mutants: mutants.length - ignored,
        // One that never ends, or does not even load, is noticed as well.
        killed: count("Killed", "Timeout", "RuntimeError", "CompileError"),
        survived: count("Survived"),
        uncovered: count("NoCoverage"),
        ignored,
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

export function inWords({ files, survivors }: Told): string {
  const sum = (key: "mutants" | "killed" | "survived" | "uncovered" | "ignored") =>
    files.reduce((total, file) => total + file[key], 0);
  const total = {
    file: "all",
    mutants: sum("mutants"),
    killed: sum("killed"),
    survived: sum("survived"),
    uncovered: sum("uncovered"),
    ignored: sum("ignored"),
  };
  const row = (count: FileCount) =>
    [
      count.file.padEnd(30),
      ...[count.mutants, count.killed, count.survived, count.uncovered, count.ignored].map((cell) =>
        `${cell}`.padStart(10),
      ),
    ].join("");
  const head = `${"".padEnd(30)}${["mutants", "killed", "survived", "uncovered", "texts"].map((word) => word.padStart(10)).join("")}`;
  const lines = survivors.map(
    ({ file, line, before, after, covered }) =>
      `${file}:${line}  ${before}  →  ${after}${covered ? "" : "  (no test runs it)"}`,
  );
  return [
    "",
    head,
    ...files.map(row),
    ...(files.length > 1 ? [row(total)] : []),
    "",
    ...lines,
    ...(lines.length > 0 ? [""] : []),
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
