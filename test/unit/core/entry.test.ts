import { describe, expect, it } from "vitest";

import { entryHash, genesisHash } from "../../../src/core/entry.ts";
import { sha256Hex } from "../../../src/core/hash.ts";
import { observationDigest, type Observation } from "../../../src/core/observation.ts";

const entry = {
  sequence: 1,
  agent: "clerk",
  kind: "sealed",
  body: { b: 1, a: "x" },
  previousHash: genesisHash,
};

describe("entryHash", () => {
  it("is sha256 over the canonical JSON of everything else in the entry", () => {
    expect(entryHash(entry)).toBe(
      sha256Hex(
        `{"agent":"clerk","body":{"a":"x","b":1},"kind":"sealed","previousHash":"${genesisHash}","sequence":1}`,
      ),
    );
  });

  it("changes with every part of the entry", () => {
    const others = [
      { ...entry, sequence: 2 },
      { ...entry, agent: "other" },
      { ...entry, kind: "sent" },
      { ...entry, body: { b: 2, a: "x" } },
      { ...entry, previousHash: sha256Hex("") },
    ];
    expect(new Set([entry, ...others].map(entryHash)).size).toBe(6);
  });
});

describe("observationDigest", () => {
  it("does not depend on the order of the facts, but on each of them and on who stands behind it", () => {
    const base: Observation = {
      chainId: 1,
      blockNumber: "7",
      blockHash: genesisHash,
      blockTimestamp: 1_800_000_000,
      facts: { a: { value: 1, provenance: "chain" }, b: { value: "x", provenance: "untrusted" } },
    };
    const { a, b } = base.facts as Required<typeof base.facts>;
    expect(observationDigest({ ...base, facts: { b: b!, a: a! } })).toBe(observationDigest(base));
    expect(observationDigest({ ...base, facts: { a: a!, b: { ...b!, provenance: "operator" } } })).not.toBe(
      observationDigest(base),
    );
  });
});
