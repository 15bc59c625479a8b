import type { Hex } from "viem";
import { describe, expect, it } from "vitest";

import type { Grant } from "../../src/policy/grant.ts";
import { grantPolicy, replacePolicy } from "./ownerChange.ts";
import { decodeCounters, encodeCounters, type Counters } from "../../src/policy/usage.ts";
import {
  bucket,
  extended,
  fresh,
  grant,
  limit,
  named,
  now,
  stateOf,
  stranger,
} from "../unit/policy/operations.ts";

const counters = (word: unknown) => decodeCounters(word as bigint);

describe("granting", () => {
  const grantOf = (policy: { grant: Grant; policyId: Hex }, part: Partial<Counters> = {}) =>
    grantPolicy(policy, stateOf({ status: "unknown", epoch: 0, ...part }, { ownParts: [stranger] }));

  it("puts a grant in force in this epoch, with what was counted before", () => {
    expect(counters(grantOf(limit, { gas: 5, lifetime: 7 }))).toEqual({ ...fresh, gas: 5, lifetime: 7 });
  });

  it("refuses what the chain can't keep, and what no operation could bring", () => {
    expect(grantOf(extended({ functions: 16n }))).toEqual({ error: "TermsNotRepresentable", args: [] });
    expect(grantOf(named({ perCall: 42_500_001n }))).toEqual({ error: "TermsNotRepresentable", args: [] });
    expect(grantOf(named({ asset: stranger }))).toEqual({ error: "AssetNotAllowed", args: [stranger] });
    expect(grantOf(limit, { status: "revoked" })).toEqual({
      error: "AlreadyRevoked",
      args: [limit.policyId],
    });
  });
});

describe("replacing", () => {
  const spent = { ...fresh, ring: [11, 0, 0, 0, 0, 0, 0, 7], lifetime: 25, gas: 9, treeSize: 4 };
  const operations = {
    ...fresh,
    ring: [2, 0, 0, 0, 0, 0, 0, 1],
    lifetime: 3,
    treeSize: 0,
    epoch: 0,
    status: "unknown",
  } as const;
  const replace = (
    after: { grant: Grant; policyId: Hex },
    old: Partial<Counters> = {},
    recent: Partial<Counters> = { status: "unknown" },
  ) =>
    replacePolicy(
      limit,
      after,
      stateOf(
        {},
        {
          counters: (id) =>
            encodeCounters(id === limit.policyId ? { ...spent, ...old } : { ...fresh, ...recent }),
          operations: (id) => (id === limit.policyId ? encodeCounters(operations) : 0n),
        },
      ),
      now,
    );
  /** The same money in units ten times as large. */
  const larger = named({ perWindow: 2_500_000_000n, lifetime: 50_000_000_000n });

  it("carries over what was spent, rounded up, and revokes the old policy", () => {
    const result = replace(larger);
    if ("error" in result) throw new Error(result.error);
    expect(counters(result.oldCounters)).toEqual({ ...spent, status: "revoked" });
    expect(counters(result.newCounters)).toEqual({ ...spent, ring: [2, 0, 0, 0, 0, 0, 0, 1], lifetime: 3 });
    expect(result.newOperations).toBe(encodeCounters(operations));
  });

  it("puts the whole ring into the bucket of now when its length changes", () => {
    const result = replace(named({ bucket: bucket * 2n }));
    if ("error" in result) throw new Error(result.error);
    expect(counters(result.newCounters)).toMatchObject({
      ring: [18, 0, 0, 0, 0, 0, 0, 0],
      newestBucket: 62_500,
    });
    expect(counters(result.newOperations)).toMatchObject({ ring: [3, 0, 0, 0, 0, 0, 0, 0], lifetime: 3 });
  });

  it("lets another agent begin a tree of its own, and the same in any case go on with his", () => {
    const other = replace(named({ agent: stranger })) as { newCounters: bigint };
    expect(counters(other.newCounters)).toEqual({ ...spent, treeSize: 0 });
    const same = replace(named({ agent: grant.agent.toLowerCase() as Hex, salt: 8n })) as {
      newCounters: bigint;
    };
    expect(counters(same.newCounters)).toEqual(spent);
  });

  it.each<readonly [string, ReturnType<typeof replace>, string, readonly unknown[]]>([
    [
      "another asset",
      replace(named({ asset: stranger })),
      "AssetDiffers",
      [grant.asset.toLowerCase(), stranger],
    ],
    ["a revoked policy", replace(larger, { status: "revoked" }), "AlreadyRevoked", [limit.policyId]],
    ["one that never was", replace(larger, { status: "unknown" }), "NotGranted", [limit.policyId]],
    ["by one that was", replace(larger, {}, { status: "revoked" }), "AlreadyGranted", [larger.policyId]],
    ["by one that can't be kept", replace(named({ perCall: 42_500_001n })), "TermsNotRepresentable", []],
    [
      "by extras that can't be kept",
      replace(extended({ heartbeat: 1n << 32n })),
      "TermsNotRepresentable",
      [],
    ],
    ["by a bucket of nothing", replace(named({ bucket: 0n })), "Panic", [0x12n]],
    ["by a short bucket", replace(named({ bucket: 299n })), "BucketTooShort", [299n, 300n]],
  ])("of %s is refused", (_, result, error, args) => expect(result).toEqual({ error, args }));
});
