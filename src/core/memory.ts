import type { Hex } from "viem";

import { canonicalize } from "./canonical.ts";
import { sha256Hex } from "./hash.ts";
import type { Json } from "./json.ts";
import type { Observation, Provenance } from "./observation.ts";

/** Something that an agent remembers from one decision to the next. */
export type Memory = {
  readonly name: string;
  readonly value: Json;
  /**
   * `untrusted`: anything that was not vouched for was on the table when it was remembered, an earlier untrusted memory
   * included. `history`: everything was the chain's, the operator's or our own.
   */
  readonly provenance: Extract<Provenance, "untrusted" | "history">;
  /** sha256 over the canonical JSON of the value. */
  readonly digest: Hex;
};

/** Most names that one agent remembers; the one that was written longest ago is forgotten for a new one. */
export const mostMemories = 64;
/** Longest value, in characters of canonical JSON. */
export const mostMemoryCharacters = 1024;
/** How a fact of the Observation is called that is a memory. */
export const memoryFact = (name: string): `memory.${string}` => `memory.${name}`;

/**
 * What is to be remembered, checked; null forgets.
 *
 * @throws Error in words for the model: a name that is none, a value that is too long or no canonical JSON
 */
export function readMemories(wanted: Readonly<Record<string, Json>>): Readonly<Record<string, Json>> {
  for (const [name, value] of Object.entries(wanted)) {
    if (!/^[a-z][a-zA-Z0-9.-]{0,31}$/.test(name))
      throw new Error(`${JSON.stringify(name)} is no name of a memory`);
    const { length } = canonicalize(value);
    if (length > mostMemoryCharacters)
      throw new Error(`the memory ${name} has ${length} characters, more than ${mostMemoryCharacters}`);
  }
  return wanted;
}

/** A memory as it is kept. `tainted`: something untrusted was on the table. */
export const memoryOf = (name: string, value: Json, tainted: boolean): Memory => ({
  name,
  value,
  provenance: tainted ? "untrusted" : "history",
  digest: sha256Hex(canonicalize(value)),
});

/** Was anything on the table that nobody vouches for? */
export const isTainted = (observation: Observation): boolean =>
  Object.values(observation.facts).some(({ provenance }) => provenance === "untrusted");

/** What is remembered after a decision: the written last, the oldest beyond the bound forgotten. */
export function afterRemembering(
  before: readonly Memory[],
  written: readonly (Memory | { readonly name: string; readonly value: null })[],
): readonly Memory[] {
  const names = new Set(written.map(({ name }) => name));
  const kept = [
    ...before.filter(({ name }) => !names.has(name)),
    ...written.filter((one): one is Memory => one.value !== null),
  ];
  return kept.slice(-mostMemories);
}
