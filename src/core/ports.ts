import type { Hex } from "viem";

/** Unix milliseconds. The one clock is `src/runtime/clock.ts`; tests pass their own. */
export type Now = () => number;
/** 32 random bytes. The one source is `src/runtime/clock.ts`. */
export type RandomSecret = () => Hex;
