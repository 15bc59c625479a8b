import { longestPauseMs } from "../journal/triggers.ts";

/** The first one, where the configuration names none: long enough for a chain that is busy, short enough for whoever looks on. */
export const usualFirstPauseMs = 10_000;

/** Milliseconds before the next retry: each pause is four times as long as the one before, up to ten minutes. */
export const retryPauseMs = (retries: number, firstMs: number): number =>
  Math.min(firstMs * 4 ** retries, longestPauseMs);
