import { defineCommand } from "citty";

import type { Check } from "../runtime/doctor/check.ts";
import { oneLine } from "./oneLine.ts";

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
    if (args.json)
      process.stdout.write(
        `${JSON.stringify({ checks: checks.map(({ detail, name, ok, remedy }) => ({ name, ok, detail, remedy })) })}\n`,
      );
    const notSeen = checks.filter(({ unseen }) => unseen).length;
    const wrong = checks.filter(({ ok }) => !ok).length - notSeen;
    if (!args.json)
      process.stdout.write(
        wrong + notSeen === 0
          ? "Everything is as it should be.\n"
          : `${wrong} of ${checks.length} ${wrong === 1 ? "is not as it" : "are not as they"} should be${notSeen === 0 ? "" : `; ${notSeen} could not be looked at`}.\n`,
      );
    if (wrong + notSeen > 0) process.exitCode = 1;
  },
});

/** Details hold what relays, servers and nodes say of themselves. */
const inWords = ({ detail, name, ok, remedy, unseen }: Check): string =>
  `${ok ? "ok    " : unseen ? "?     " : "WRONG "} ${name.padEnd(14)} ${oneLine(detail)}\n${remedy === null ? "" : `${" ".repeat(22)}${oneLine(remedy)}\n`}`;
