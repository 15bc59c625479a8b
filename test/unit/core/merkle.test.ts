import fc from "fast-check";
import type { Hex } from "viem";
import { describe, expect, it } from "vitest";

import { sha256Concat, sha256Hex } from "../../../src/core/hash.ts";
import {
  appendLeaf,
  emptyFrontier,
  frontierRoot,
  inclusionProof,
  treeRoot,
  verifyInclusion,
  type Frontier,
} from "../../../src/core/merkle.ts";

const leafHash = (data: Hex): Hex => sha256Concat("0x00", data);
const leaves = (size: number): readonly Hex[] =>
  Array.from({ length: size }, (_, index) => sha256Hex(`leaf ${index}`));
const grown = (of: readonly Hex[]) => of.reduce<Frontier>(appendLeaf, emptyFrontier);

/** The eight leaves of Certificate Transparency's reference tests (RFC 6962, the same tree as RFC 9162). */
const certificateTransparency = (
  [
    "0x",
    "0x00",
    "0x10",
    "0x2021",
    "0x3031",
    "0x40414243",
    "0x5051525354555657",
    "0x606162636465666768696a6b6c6d6e6f",
  ] as const
).map(leafHash);
const itsRoots: readonly Hex[] = [
  "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "0x6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "0xfac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "0xaeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "0xd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "0x4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "0x76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "0xddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "0x5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

describe("the tree of RFC 9162", () => {
  it("has the roots of Certificate Transparency's reference tests", () => {
    expect(itsRoots.map((_, size) => treeRoot(certificateTransparency.slice(0, size)))).toEqual(itsRoots);
  });

  it("has the inclusion proof of Certificate Transparency's reference tests", () => {
    expect(inclusionProof(certificateTransparency, 0)).toEqual([
      "0x96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "0x5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "0x6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]);
  });

  it("has the same root when it grows leaf by leaf, for every size up to 130", () => {
    const all = leaves(130);
    let frontier: Frontier = emptyFrontier;
    for (let size = 0; size <= all.length; size++) {
      expect(frontierRoot(frontier)).toBe(treeRoot(all.slice(0, size)));
      expect(frontier.size).toBe(size);
      if (size < all.length) frontier = appendLeaf(frontier, all[size]!);
    }
  });

  it("has the same root when it grows leaf by leaf, for random leaves", () => {
    const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => sha256Concat(bytes));
    fc.assert(
      fc.property(fc.array(hash, { maxLength: 70 }), (of) => {
        expect(frontierRoot(grown(of))).toBe(treeRoot(of));
      }),
      { numRuns: 30 },
    );
  });

  it("keeps no more peaks than its size has one-bits, and leaves the earlier frontier alone", () => {
    const before = grown(leaves(7));
    const after = appendLeaf(before, leaves(8)[7]!);
    expect([before.peaks.length, after.peaks.length]).toEqual([3, 1]);
    expect(frontierRoot(before)).toBe(treeRoot(leaves(7)));
  });
});

describe("an inclusion proof", () => {
  const sizes = Array.from({ length: 40 }, (_, index) => index + 1);

  it("leads every leaf of every tree up to 40 leaves to the root, and no other index or size to it", () => {
    for (const size of sizes) {
      const all = leaves(size);
      const root = treeRoot(all);
      for (let index = 0; index < size; index++) {
        const proof = inclusionProof(all, index);
        const input = { leaf: all[index]!, index, size, proof, root };
        expect(verifyInclusion(input)).toBe(true);
        const fitting = [...all.keys()].filter((other) => verifyInclusion({ ...input, index: other }));
        expect(fitting).toEqual([index]);
      }
    }
  });

  it("fails with a changed, missing, added or swapped hash, another leaf and another root", () => {
    for (const size of sizes) {
      const all = leaves(size);
      const root = treeRoot(all);
      const wrong = sha256Hex("wrong");
      for (let index = 0; index < size; index++) {
        const proof = inclusionProof(all, index);
        const input = { leaf: all[index]!, index, size, proof, root };
        const spoilt = [
          ...proof.map((_, at) => proof.with(at, wrong)),
          ...(proof.length > 0 ? [proof.slice(1), proof.slice(0, -1)] : []),
          [...proof, wrong],
          ...(proof.length > 1 ? [proof.toReversed()] : []),
        ];
        expect(spoilt.filter((one) => verifyInclusion({ ...input, proof: one }))).toEqual([]);
        expect(verifyInclusion({ ...input, leaf: wrong })).toBe(false);
        expect(verifyInclusion({ ...input, root: wrong })).toBe(false);
      }
    }
  });

  it.each(["0x", "0xabc", "what is no hash", `0x${"AB".repeat(32)}`, `0x${"00".repeat(33)}`])(
    "fails with %s in the place of a hash",
    (wrong) => {
      const all = leaves(4);
      const [first] = inclusionProof(all, 2);
      const proof = [first!, wrong as Hex];
      expect(verifyInclusion({ leaf: all[2]!, index: 2, size: 4, proof, root: treeRoot(all) })).toBe(false);
    },
  );

  it("fails for sizes with another number of levels, and for indices that are none", () => {
    const all = leaves(8);
    const input = { leaf: all[3]!, index: 3, size: 8, proof: inclusionProof(all, 3), root: treeRoot(all) };
    for (const size of [0, 1, 3, 4, 9, 16, 17]) expect(verifyInclusion({ ...input, size })).toBe(false);
    for (const index of [-1, 8, 3.5, Number.NaN, Number.POSITIVE_INFINITY])
      expect(verifyInclusion({ ...input, index })).toBe(false);
  });

  it.each([-1, 3, 1.5, Number.NaN])("cannot be made for index %s of three leaves", (index) => {
    expect(() => inclusionProof(leaves(3), index)).toThrow(`Leaf ${index} is not in a tree of 3 leaves.`);
  });
});
