import { spawn, type ChildProcess } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";

import type { CountedEnergy } from "../core/inference.ts";

/** Counts energy between two moments. */
export type EnergyMeter = {
  /** Begins a count; the function ends it. null: the driver told nothing in between. */
  start(): Promise<() => Promise<CountedEnergy | null>>;
  close(): void;
};

export type EnergySources = {
  /** Where Linux shows the counters of RAPL; readable by root only since CVE-2020-8694. */
  readonly powercap?: string;
  /** The program that tells what NVIDIA's cards draw; asked for only where one computes. */
  readonly nvidiaSmi?: string | null;
};

/** How often a card is asked, in milliseconds. */
const SAMPLE_MS = 200;
/** Samples that are kept: five minutes. */
const MOST_SAMPLES = 1500;
/** How long a card may take for its first word, in milliseconds. */
const FIRST_WORD_MS = 5000;

/**
 * What this machine's drivers tell of energy: RAPL's counters of the processor packages, and the power that NVIDIA's cards draw,
 * sampled. null where neither says anything. Both count everything that runs there, not this program alone.
 */
export async function openEnergyMeter({
  powercap = "/sys/class/powercap",
  nvidiaSmi = null,
}: EnergySources = {}): Promise<EnergyMeter | null> {
  const packages = await findPackages(powercap);
  const card = nvidiaSmi === null ? null : await watchCards(nvidiaSmi);
  if (packages.length === 0 && !card) return null;
  const source = [...(packages.length > 0 ? ["rapl"] : []), ...(card ? ["nvidia-smi"] : [])].join("+");
  return Object.freeze({
    async start() {
      const before = await readCounters(packages);
      const startedMs = performance.now();
      return async () => {
        const after = await readCounters(packages);
        const ofCard = card?.millijoulesSince(startedMs) ?? (card ? null : 0);
        if (!before || !after || ofCard === null) return null;
        const microjoules = packages.reduce((sum, { rangeMicrojoules }, index) => {
          const grown = after[index]! - before[index]!;
          // The counter begins anew at its range: after minutes under load on some processors.
          return sum + (grown < 0 ? grown + rangeMicrojoules : grown);
        }, 0);
        return Object.freeze({ millijoules: Math.round(microjoules / 1000 + ofCard), source });
      };
    },
    close: () => card?.close(),
  });
}

type Package = { readonly file: string; readonly rangeMicrojoules: number };

/** Processor packages with a counter that can be read. Their parts (`intel-rapl:0:0`) are counted in them. */
async function findPackages(powercap: string): Promise<readonly Package[]> {
  const found: Package[] = [];
  const names = await readdir(powercap).catch((): string[] => []);
  for (const name of names.filter((one) => /^intel-rapl:\d+$/.test(one)).sort()) {
    const folder = join(powercap, name);
    const kind = await readFile(join(folder, "name"), "utf8").catch(() => "");
    const range = await readNumber(join(folder, "max_energy_range_uj"));
    const file = join(folder, "energy_uj");
    // `psys` is the whole board, packages included.
    if (kind.startsWith("package") && range !== null && (await readNumber(file)) !== null)
      found.push({ file, rangeMicrojoules: range });
  }
  return found;
}

async function readCounters(packages: readonly Package[]): Promise<readonly number[] | null> {
  const values = await Promise.all(packages.map(({ file }) => readNumber(file)));
  return values.every((value) => value !== null) ? values : null;
}

async function readNumber(file: string): Promise<number | null> {
  const text = await readFile(file, "utf8").catch(() => "");
  return /^\d{1,15}\s*$/.test(text) ? Number(text) : null;
}

type Cards = { readonly millijoulesSince: (startedMs: number) => number | null; readonly close: () => void };

/** One process that says every 200 ms what all cards draw. null: the program is not there, or knows no power. */
async function watchCards(program: string): Promise<Cards | null> {
  const query = ["--query-gpu=power.draw", "--format=csv,noheader,nounits", `--loop-ms=${SAMPLE_MS}`];
  const samples: { readonly atMs: number; readonly watts: number }[] = [];
  const child = spawn(program, query, { stdio: ["ignore", "pipe", "ignore"] });
  const lines = createInterface({ input: child.stdout });
  const first = Promise.withResolvers<boolean>();
  child.on("error", () => first.resolve(false));
  child.on("close", () => first.resolve(false));
  lines.on("line", (line) => {
    const watts = Number(line.trim());
    if (line.trim() === "" || !Number.isFinite(watts) || watts < 0) return first.resolve(false);
    const atMs = performance.now();
    const last = samples.at(-1);
    // Cards of one machine answer in one go; together they are one sample.
    if (last && atMs - last.atMs < SAMPLE_MS / 4)
      samples[samples.length - 1] = { atMs: last.atMs, watts: last.watts + watts };
    else samples.push({ atMs, watts });
    if (samples.length > MOST_SAMPLES) samples.shift();
    first.resolve(true);
  });
  const timer = setTimeout(() => first.resolve(false), FIRST_WORD_MS);
  const works = await first.promise;
  clearTimeout(timer);
  const close = () => void child.kill();
  if (!works) {
    close();
    return null;
  }
  letGo(child);
  return {
    close,
    millijoulesSince(startedMs) {
      const ms = performance.now() - startedMs;
      const between = samples.filter(({ atMs }) => atMs >= startedMs);
      // A run that is shorter than the pause between two samples has the newest one.
      const counted =
        between.length > 0
          ? between
          : samples.slice(-1).filter(({ atMs }) => atMs >= startedMs - 5 * SAMPLE_MS);
      if (counted.length === 0) return null;
      return (counted.reduce((sum, { watts }) => sum + watts, 0) / counted.length) * ms;
    },
  };
}

/** Does not keep this program alive. */
function letGo(child: ChildProcess): void {
  child.unref();
  (child.stdout as unknown as { unref?: () => void } | null)?.unref?.();
}
