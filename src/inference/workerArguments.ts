/** Flags of Node that decide how modules resolve and TypeScript is stripped; the worker must agree with its parent. */
const KEPT = [
  /^--conditions=/,
  /^-C=/,
  /^--(no-)?experimental-strip-types$/,
  /^--(no-)?strip-types$/,
  /^--enable-source-maps$/,
];

/** Flags of the same kind whose value is the next argument. */
const KEPT_WITH_VALUE = new Set(["--conditions", "-C"]);

/**
 * The parent's Node flags as the worker gets them. Not passed on: `--import`, `--require`, `--eval` (they would run
 * foreign code beside the model), `--inspect` (its port is taken), `--env-file` (it would bring secrets back in).
 */
export function workerArguments(execArgv: readonly string[]): readonly string[] {
  const kept: string[] = [];
  for (let index = 0; index < execArgv.length; index++) {
    const argument = execArgv[index] ?? "";
    const value = execArgv[index + 1];
    if (KEPT.some((pattern) => pattern.test(argument))) kept.push(argument);
    else if (KEPT_WITH_VALUE.has(argument) && value !== undefined) {
      kept.push(argument, value);
      index++;
    }
  }
  return kept;
}
