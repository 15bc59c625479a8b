import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import path from "node:path";

export type FlushTimes = { readonly flushMsP50: number; readonly flushMsP99: number };

const flushes = 200;

/** What a flush of 4 KiB takes on the folder's disk just now, milliseconds: no durable commit is faster. */
export function flushTimes(folder: string): FlushTimes {
  const file = openSync(path.join(folder, "flushes"), "w");
  const page = Buffer.alloc(4096);
  const taken: number[] = [];
  for (let index = 0; index < flushes; index++) {
    writeSync(file, page, 0, page.length, 0);
    const from = performance.now();
    fdatasyncSync(file);
    taken.push(performance.now() - from);
  }
  closeSync(file);
  taken.sort((one, other) => one - other);
  return { flushMsP50: taken[flushes / 2]!, flushMsP99: taken[Math.floor(flushes * 0.99)]! };
}
