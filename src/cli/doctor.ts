import { defineCommand } from "citty";

import type { Check } from "../runtime/doctor/check.ts";

export const doctorCommand = defineCommand({
  meta: {
    name: "doctor",
    description:
      "Looks at everything that a run needs, and says what is wrong and the way out. Changes nothing.",
  },
  args: {
    config: { type: "string", description: "Configuration file.", default: "bursar.json" },
    json: { type: "boolean", description: "One JSON document on stdout.", default: false },
  },
  async run({ args }) {
    const { examine } = await import("../runtime/doctor/examine.ts");
    const checks = await examine(args.config, (check) => {
      if (!args.json) process.stdout.write(inWords(check));
    });
    if (args.json) process.stdout.write(`${JSON.stringify({ checks })}\n`);
    const wrong = checks.filter(({ ok }) => !ok).length;
    if (!args.json)
      process.stdout.write(
        wrong === 0
          ? "Everything is as it should be.\n"
          : `${wrong} of ${checks.length} are not as they should be.\n`,
      );
    if (wrong > 0) process.exitCode = 1;
  },
});

const inWords = ({ detail, name, ok, remedy }: Check): string =>
  `${ok ? "ok    " : "WRONG "} ${name.padEnd(14)} ${detail}\n${remedy === null ? "" : `${" ".repeat(22)}${remedy}\n`}`;
