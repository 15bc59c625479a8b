import { parseArgs } from "node:util";

import { measureAll } from "./gas/measure.ts";
import { compare, readSnapshot, writeSnapshot } from "./gas/snapshot.ts";
import { tableOf } from "./gas/table.ts";

const help = `npm run bench:gas [-- options]

What things cost, in gas of whole transactions on a chain in this process, beside SimpleAccount 0.8 in the same run.
Bundle of one, steady state, median of 5, prepaid deposit, everybody holds something before; see bench/README.md.

  --json      one JSON object on stdout: rows[], contracts[], notMeasured[]
  --check     compare with bench/gas.snapshot.json; exit status 1 when a figure rose or is above its limit
  --update    write bench/gas.snapshot.json; say in the commit why figures changed
  --help
`;

const options = readOptions();
if (options.help) process.stdout.write(help);
else await bench();

async function bench(): Promise<void> {
  const figures = await measureAll((names) => {
    if (process.stderr.isTTY) process.stderr.write(`Measuring ${names.join(", ")} …\n`);
  });
  process.stdout.write(options.json ? `${JSON.stringify(figures, null, 2)}\n` : tableOf(figures));
  if (options.update) {
    writeSnapshot(figures);
    process.stderr.write("Wrote bench/gas.snapshot.json.\n");
  }
  if (!options.check) return;
  const { failures, gains } = compare(figures, readSnapshot());
  for (const line of [...failures, ...gains]) process.stderr.write(`${line}\n`);
  if (failures.length + gains.length > 0)
    process.stderr.write(
      "\nIf a change is meant: npm run bench:gas -- --update, and commit the snapshot with the reason.\n",
    );
  process.exitCode = failures.length > 0 ? 1 : 0;
}

function readOptions() {
  const flag = { type: "boolean", default: false } as const;
  try {
    return parseArgs({ options: { json: flag, check: flag, update: flag, help: flag } }).values;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${help}`);
    process.exit(2);
  }
}
