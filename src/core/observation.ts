import type { Hex } from "viem";

import { canonicalize } from "./canonical.ts";
import { sha256Hex } from "./hash.ts";
import type { Json } from "./json.ts";

/**
 * Who stands behind a fact. `untrusted` came from outside and stays marked through every later prompt;
 * `chain` was read from our own RPC at the Observation's block; `operator` is configuration; `history` is our journal.
 */
export type Provenance = "untrusted" | "chain" | "operator" | "history";

export type Fact = { readonly value: Json; readonly provenance: Provenance };

/** What the agent knows when it decides: facts frozen at one block. The model sees nothing that is not in here. */
export type Observation = {
  readonly chainId: number;
  readonly blockNumber: string;
  readonly blockHash: Hex;
  /** Unix seconds, the block's own clock. */
  readonly blockTimestamp: number;
  readonly facts: { readonly [name: string]: Fact };
};

/** sha256 over the canonical JSON of the Observation. */
export function observationDigest(observation: Observation): Hex {
  return sha256Hex(canonicalize(observation));
}
