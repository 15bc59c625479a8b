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
export function entryHash({ body, ...head }: Omit<Entry, "hash">): Hex {
  return entryHashOf(head, canonicalize(body));
}

/** The same where the body has its canonical form already: in RFC 8785's order it stands between `agent` and `kind`. */
export function entryHashOf(
  { agent, kind, previousHash, sequence }: Omit<Entry, "hash" | "body">,
  bodyText: string,
): Hex {
  const [start, rest] = [canonicalize({ agent }), canonicalize({ kind, previousHash, sequence })];
  return sha256Hex(`${start.slice(0, -1)},"body":${bodyText},${rest.slice(1)}`);
}
