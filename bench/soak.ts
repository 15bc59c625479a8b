// Many agents for long, with a model and a chain that take no time: does memory stay flat? `npm run soak`. See bench/README.md.
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { embeddedHost } from "../src/journal/embeddedHost.ts";
import { verifyEntries } from "../src/journal/entries.ts";
import { runNext } from "../src/runtime/corridor.ts";
import { steps } from "../src/runtime/steps/index.ts";
import { openTurns } from "../src/runtime/turns.ts";
import { openVillage } from "./runtime/village.ts";

const { values } = parseArgs({
  options: {
    agents: { type: "string", default: "1000" },
    minutes: { type: "string", default: "30" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const [agents, minutes] = [Number(values.agents), Number(values.minutes)];
if (values.help || !(Number.isInteger(agents) && agents > 0 && minutes > 0)) {
  process.stdout.write("npm run soak [-- --agents 1000 --minutes 30 --json]\n");
  process.exit(values.help ? 0 : 2);
}
/** Growth of the heap from the second fifth of the time to the last that still counts as flat. */
const mostGrowth = 1.1;

// Garbage is not growth.
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const folder = mkdtempSync(path.join(tmpdir(), "bursar-soak-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const file = path.join(folder, "journal.db");
const { give, houses, journal } = await openVillage(file, agents);
const turns = openTurns(64);
const ends = performance.now() + minutes * 60_000;
const signal = new AbortController().signal;

type Sample = {
  readonly second: number;
  readonly heapMb: number;
  readonly rssMb: number;
  readonly decisions: number;
};
const samples: Sample[] = [];
const host = embeddedHost(journal);
let decisions = 0;
const started = performance.now();
const look = (): void => {
  collect();
  const { heapUsed, rss } = process.memoryUsage();
  samples.push({
    second: Math.round((performance.now() - started) / 1000),
    heapMb: Math.round(heapUsed / 2 ** 20),
    rssMb: Math.round(rss / 2 ** 20),
    decisions,
  });
  process.stderr.write(`${JSON.stringify(samples.at(-1))}\n`);
};
const looking = setInterval(look, (minutes * 60_000) / 50);
/** Each agent decides what comes to it, one after the other, as long as there is time. */
await Promise.all(
  houses.map(async (house) => {
    while (performance.now() < ends) {
      give(house, 1);
      const decision = await runNext({ host, house, steps, signal, turns });
      if (!decision) throw new Error("A bill was not decided.");
      decisions++;
    }
  }),
);
clearInterval(looking);
look();

const fifth = Math.floor(samples.length / 5);
const median = (part: readonly Sample[]) =>
  part.map(({ heapMb }) => heapMb).toSorted((one, other) => one - other)[Math.floor(part.length / 2)]!;
const [before, after] = [median(samples.slice(fifth, 2 * fifth)), median(samples.slice(-fifth))];
const flat = after <= before * mostGrowth;
const { entries } = verifyEntries(journal);
const journalMb = Math.round(statSync(file).size / 2 ** 20);
journal.close();
const result = {
  agents,
  minutes,
  decisions,
  heapMbBefore: before,
  heapMbAfter: after,
  flat,
  rssMb: samples.at(-1)!.rssMb,
  entries,
  journalMb,
};
process.stdout.write(
  values.json
    ? `${JSON.stringify(result)}\n`
    : `${decisions} decisions of ${agents} agents in ${minutes} minutes: heap ${before} MB, then ${after} MB (${flat ? "flat" : "it GROWS"}), RSS ${result.rssMb} MB, journal ${journalMb} MB, ${entries} entries, unbroken\n`,
);
process.exitCode = flat ? 0 : 1;
