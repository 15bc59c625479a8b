import type { Figures } from "./measure.ts";
import { largestCode } from "./targets.ts";

/** The figures for people. */
export function tableOf({ contracts, notMeasured, rows }: Figures): string {
  const gas = [
    ["gas of a whole transaction", "measured", "aim", "must", "× SimpleAccount"],
    ...rows.map(({ aim, must, name, ratioToSimpleAccount, txGas }) => [
      name,
      number(txGas),
      number(aim),
      `${number(must)}${must !== null && txGas > must ? " !" : ""}`,
      ratioToSimpleAccount.toFixed(3),
    ]),
  ];
  const code = [
    ["bytes of code", "measured", "must"],
    ...contracts.map(({ bytes, name }) => [name, number(bytes), number(largestCode)]),
  ];
  const missing = notMeasured.length > 0 ? `\nNot measured yet: ${notMeasured.join(", ")}.\n` : "";
  return `${aligned(gas)}\n${aligned(code)}${missing}`;
}

const number = (value: number | null): string => (value === null ? "–" : value.toLocaleString("en-US"));

/** Names to the left, figures to the right, two blanks between. */
function aligned(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines
    .map((line) =>
      line
        .map((text, column) => (column === 0 ? text.padEnd(widths[0]!) : text.padStart(widths[column]!)))
        .join("  ")
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join("");
}
