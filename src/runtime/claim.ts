import { longestClaimSeconds } from "../chain/signOperation.ts";
import type { Claim } from "../policy/window.ts";

/** Seconds before the newest block at which a claim begins: block clocks may lag a little behind each other. */
const claimLeadSeconds = 30;

/** The longest claim the account accepts, around a block's own time. Never from this machine's clock. */
export function claimAt(blockTimestamp: number): Claim {
  const validAfter = BigInt(blockTimestamp - claimLeadSeconds);
  return { validAfter, validUntil: validAfter + BigInt(longestClaimSeconds) };
}
