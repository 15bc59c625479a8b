import { bucketsPerWindow } from "./grant.ts";
import { mistake } from "./mistakes.ts";

const secondsPer = { m: 60n, h: 3600n, d: 86400n } as const;

/** Seconds of a duration such as `24h`. */
export const durationSeconds = (text: string): bigint =>
  BigInt(text.slice(0, -1)) * secondsPer[text.slice(-1) as keyof typeof secondsPer];

/** Seconds of one of a rolling window's buckets; the shortest is as long as the longest claim, the terms keep 24 bits. */
export function bucketSeconds(window: string): bigint {
  // Whole minutes, so the sixth part is whole seconds.
  const bucket = durationSeconds(window) / bucketsPerWindow;
  if (bucket >= 300n && bucket <= 0xffffffn) return bucket;
  throw mistake(`A window of ${window} can't be kept on chain.`, "Use a window of 30 minutes to 1165 days.");
}

/** Unix seconds, rounded down; the terms keep them in 32 bits. */
export function expirySeconds(expires: string): bigint {
  const seconds = Math.floor(Date.parse(expires) / 1000);
  if (seconds > 0 && seconds <= 0xffffffff) return BigInt(seconds);
  throw mistake(
    `A policy that expires at ${expires} can't be kept on chain.`,
    "Use a moment between 1970 and February 2106.",
  );
}

/** Seconds after the owner's heartbeat; the chain keeps 32 bits, and 0 would mean no duty. */
export function heartbeatSeconds(heartbeat: string): bigint {
  const seconds = durationSeconds(heartbeat);
  if (seconds > 0n && seconds <= 0xffffffffn) return seconds;
  throw mistake(`A heartbeat of ${heartbeat} can't be kept on chain.`, "Use one of a minute to 49000 days.");
}

/** A length of time as people say it. */
export function lengthInWords(seconds: bigint): string {
  if (seconds % 86400n === 0n && seconds > 86400n) return `${seconds / 86400n} days`;
  if (seconds % 3600n === 0n) return `${seconds / 3600n} ${seconds === 3600n ? "hour" : "hours"}`;
  return `${seconds / 60n} minutes`;
}
