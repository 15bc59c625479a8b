import { randomBytes } from "node:crypto";

import { bytesToHex, type Hex } from "viem";

import type { Now, RandomSecret } from "../core/ports.ts";

/** Unix milliseconds: the only reader of the machine's clock. */
export const now: Now = () => Date.now();

/** 32 random bytes: the only source of randomness. */
export const randomSecret: RandomSecret = (): Hex => bytesToHex(randomBytes(32));

/** Waits, or stops waiting when the signal aborts. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener("abort", done, { once: true });
  });
}
