import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import type { Figures } from "./measure.ts";
import { largestCode } from "./targets.ts";

/** Figures as they were committed, by name: gas, and bytes of code. */
export type Snapshot = {
  readonly rows: Readonly<Record<string, number>>;
  readonly contracts: Readonly<Record<string, number>>;
};

const file = fileURLToPath(new URL("../gas.snapshot.json", import.meta.url));

export const readSnapshot = (): Snapshot => JSON.parse(readFileSync(file, "utf8")) as Snapshot;

export function writeSnapshot({ contracts, rows }: Figures): void {
  const snapshot: Snapshot = {
    rows: Object.fromEntries(rows.map(({ name, txGas }) => [name, txGas])),
    contracts: Object.fromEntries(contracts.map(({ bytes, name }) => [name, bytes])),
  };
  writeFileSync(file, `${JSON.stringify(snapshot, null, 2)}\n`);
}

export type Comparison = {
  /** What may not be merged as it is. */
  readonly failures: readonly string[];
  /** What became less: good, and worth to be kept. */
  readonly gains: readonly string[];
};

/** Nothing may rise, and nothing may be above its limit. */
export function compare({ contracts, rows }: Figures, snapshot: Snapshot): Comparison {
  const gas = rows.map(({ must, name, txGas }) => ({ name, now: txGas, most: must, unit: "gas" }));
  const code = contracts.map(({ bytes, name }) => ({ name, now: bytes, most: largestCode, unit: "bytes" }));
  const failures: string[] = [];
  const gains: string[] = [];
  for (const [figures, before] of [
    [gas, snapshot.rows],
    [code, snapshot.contracts],
  ] as const) {
    for (const { most, name, now, unit } of figures) {
      const then = before[name];
      if (most !== null && now > most)
        failures.push(`${name} is above its limit: ${now} ${unit}, and ${most} at most. Make it cheaper.`);
      if (then === undefined) failures.push(`${name} is not in the snapshot: ${now} ${unit}.`);
      else if (now > then) failures.push(`${name} rose from ${then} to ${now} ${unit}.`);
      else if (now < then) gains.push(`${name} fell from ${then} to ${now} ${unit}.`);
    }
    const names = new Set(figures.map(({ name }) => name));
    for (const name of Object.keys(before))
      if (!names.has(name)) failures.push(`${name} is in the snapshot and was not measured.`);
  }
  return { failures, gains };
}
