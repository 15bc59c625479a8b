import type { Hex } from "viem";

import { canonicalize } from "./canonical.ts";
import { sha256Hex } from "./hash.ts";
import type { JsonObject } from "./json.ts";

/** One line of the journal. Each names the hash of the one before it, so a missing or changed line shows. */
export type Entry = {
  /** From 1, without gaps. */
  readonly sequence: number;
  readonly agent: string;
  /** `trigger`, `observed`, `inferred`, `sealed`, `signed`, `sent`, `settled`, `recorded`, … */
  readonly kind: string;
  readonly body: JsonObject;
  readonly previousHash: Hex;
  readonly hash: Hex;
};

export const genesisHash: Hex = `0x${"00".repeat(32)}`;

/** The hash that chains entries: sha256 over the canonical JSON of everything else in the Entry. */
export function entryHash(entry: Omit<Entry, "hash">): Hex {
  const { agent, body, kind, previousHash, sequence } = entry;
  return sha256Hex(canonicalize({ agent, body, kind, previousHash, sequence }));
}
