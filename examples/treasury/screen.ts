import { styleText } from "node:util";

import { actionWords, type DecisionReport } from "bursar";

import type { RogueAttempt } from "./rogue.ts";

/** Where the demo writes for people: stdout, or stderr when stdout has to stay clean for `--json`. */
export type Screen = {
  line(text?: string): void;
  /** A line that is written over while something loads; on a pipe only its last state is shown. */
  progress(text: string): void;
  title(text: string): void;
};

export function openScreen(stream: NodeJS.WriteStream): Screen {
  let pending = "";
  const clear = () => {
    if (pending && stream.isTTY) stream.write("\r\x1b[2K");
    pending = "";
  };
  const line = (text = "") => {
    clear();
    stream.write(`${text}\n`);
  };
  return {
    line,
    title: (text) => line(`\n${paint(stream, "bold", text)}`),
    progress(text) {
      if (!stream.isTTY) return;
      clear();
      pending = text;
      stream.write(paint(stream, "dim", text.slice(0, (stream.columns || 80) - 1)));
    },
  };
}

type Paint = Parameters<typeof styleText>[0];
const paint = (stream: NodeJS.WriteStream, style: Paint, text: string) =>
  stream.isTTY ? styleText(style, text) : text;

const outcomeStyle: Readonly<Record<DecisionReport["outcome"], Paint>> = {
  paid: "green",
  acted: "green",
  noted: "dim",
  held: "dim",
  asked: "yellow",
  refused: "red",
  reverted: "red",
  expired: "red",
  displaced: "red",
};

/** One block a mail: who wrote, what the model proposed, the verdict and why, and what became of it. */
export function showDecision(
  screen: Screen,
  stream: NodeJS.WriteStream,
  report: DecisionReport,
  right: boolean | null,
): void {
  const sender = report.fromName ? `${report.fromName} <${report.from}>` : (report.from ?? "");
  screen.line();
  screen.line(
    `${paint(stream, "bold", `${String(report.sequence).padStart(2)}  ${report.subject ?? report.trigger.label}`)}`,
  );
  screen.line(
    `    from      ${sender} ${report.authenticated ? "· sender authenticated" : paint(stream, "yellow", "· sender NOT authenticated")}`,
  );
  const mark =
    right === null ? "" : right ? "  ✓ as labelled" : paint(stream, "yellow", "  ✗ not as labelled");
  screen.line(
    `    proposal  ${actionWords(report.action)}${report.thinkingMs === null ? "" : paint(stream, "dim", `  (${report.thinkingMs} ms)`)}${mark}`,
  );
  const [first, ...rest] = report.reasons.map((reason) => reason.words);
  const verdict = report.action.action === "hold" ? "nothing to pay" : report.verdict;
  screen.line(`    verdict   ${verdict}${first ? `: ${first}` : ""}`);
  for (const words of rest) screen.line(`              ${words}`);
  screen.line(
    `    outcome   ${paint(stream, outcomeStyle[report.outcome], report.outcome)}${report.receipt ? `  ${paint(stream, "dim", `transaction ${report.receipt.transaction}, ${Number(report.receipt.gasUsed).toLocaleString("en")} gas`)}` : ""}`,
  );
}

export function showRogue(
  screen: Screen,
  stream: NodeJS.WriteStream,
  attempts: readonly RogueAttempt[],
): void {
  for (const { attempt, error, words } of attempts) {
    screen.line(`    ${attempt}`);
    screen.line(
      `      ${paint(stream, "red", "refused by the chain")}: ${words}  ${paint(stream, "dim", error)}`,
    );
  }
}

/** Two columns, aligned. */
export function showTable(screen: Screen, rows: readonly (readonly [string, string])[]): void {
  const width = Math.max(...rows.map(([name]) => name.length));
  for (const [name, value] of rows) screen.line(`    ${name.padEnd(width + 2)}${value}`);
}
