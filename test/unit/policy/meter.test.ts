import { hashStruct, keccak256, zeroAddress } from "viem";
import { describe, expect, it } from "vitest";

import { changeCap } from "../../../src/policy/cap.ts";
import { approvalTypes } from "../../../src/policy/grant.ts";
import { law, lawReasons, signatureKind, type LawOperation } from "../../../src/policy/law.ts";
import { approvalHash, perCallOf, revoked } from "../../../src/policy/meter.ts";
import { payeeTree } from "../../../src/policy/payeeTree.ts";
import type { LawState } from "../../../src/policy/request.ts";
import { decodeCounters, encodeCounters, type Counters } from "../../../src/policy/usage.ts";
import {
  acme,
  base,
  bucket,
  extended,
  fresh,
  grant,
  limit,
  named,
  now,
  ruled,
  stateOf,
  stranger,
  told,
  transfer,
} from "./operations.ts";

const answer = (operation: LawOperation, part: Partial<Counters> = {}, rest: Partial<LawState> = {}) =>
  told(law(operation, stateOf(part, rest)));
const reasons = (operation: LawOperation, part: Partial<Counters> = {}, rest: Partial<LawState> = {}) =>
  lawReasons(operation, stateOf(part, rest)).map(({ error, args }) => [error, ...args]);
const agent = grant.agent.toLowerCase();

describe("a grant", () => {
  it("is live in its own epoch, granted and not revoked", () => {
    const dead = ["NotGranted", limit.policyId];
    expect(answer(base)).toEqual(["allow"]);
    for (const part of [{ epoch: 2 }, { status: "unknown" }, { status: "revoked" }] as const)
      expect(answer(base, part)).toEqual(dead);
  });

  it("is made by the operation that brings the owner's signature, and keeps what was counted", () => {
    const inside = { ...base, kind: signatureKind.grantInside };
    const { counters } = law(inside, stateOf({ epoch: 2, gas: 5 })) as { counters: bigint };
    expect(decodeCounters(counters)).toEqual({
      ...fresh,
      ring: [4_250, 0, 0, 0, 0, 0, 0, 0],
      lifetime: 4_250,
      gas: 5,
      treeSize: 2,
    });
    expect(answer(inside)).toEqual(["AlreadyGranted", limit.policyId]);
    expect(answer(inside, { status: "revoked" })).toEqual(["AlreadyRevoked", limit.policyId]);
  });

  it("of no agent, of the account's own parts or of short buckets is never made", () => {
    const install = (operation: Partial<LawOperation>) =>
      reasons(
        { ...base, kind: signatureKind.grantInside, ...operation },
        { status: "unknown" },
        { ownParts: [stranger] },
      );
    const asset = { asset: stranger } as const;
    expect(install({ named: named({ agent: zeroAddress }), nonceKey: 0n })).toEqual([["ZeroAgent"]]);
    expect(install({ named: named({ bucket: 299n }) })).toEqual([["BucketTooShort", 299n, 300n]]);
    expect(install({ named: named({ bucket: 300n }) })).toEqual([]);
    const empty = {
      kind: signatureKind.ruled,
      callData: "0x",
      proofs: [],
      ownerSignatureLength: 64n,
    } as const;
    expect(install({ ...empty, named: named(asset) })).toEqual([["AssetNotAllowed", stranger]]);
    expect(
      install({ ...empty, named: named({ asset: "0x00000000000000000000000000000000000000AA" }) }),
    ).toEqual([["AssetNotAllowed", "0x00000000000000000000000000000000000000aa"]]);
    expect(install({ ...empty, named: limit })).toEqual([]);
  });

  it("is made by a long signature only with 64 bytes of the owner's, and with extras that fit", () => {
    const install = (operation: LawOperation) =>
      reasons({ ...operation, ownerSignatureLength: 64n }, { status: "unknown" });
    expect(install(ruled({ operations: 1n }))).toEqual([]);
    expect(install(ruled({ operations: 1n << 24n }))).toEqual([["TermsNotRepresentable"]]);
    expect(reasons(ruled({ operations: 1n << 24n }))).toEqual([]);
    const long = { ...ruled({}), ownerSignatureLength: 65n };
    expect(reasons(long, { status: "unknown" })).toEqual([["MalformedSignature", 65n]]);
  });

  it("may have the shortest buckets that hold a claim", () => {
    expect(answer({ ...ruled({}), named: named({ bucket: 300n }) }, { newestBucket: 0 })).toEqual(["allow"]);
  });

  it("that is revoked keeps what was counted, and can never be granted again", () => {
    const word = revoked(encodeCounters({ ...fresh, gas: 5 }));
    expect(decodeCounters(word)).toEqual({ ...fresh, gas: 5, status: "revoked" });
  });

  it("of short buckets is not reckoned with: it can't be live", () => {
    const short = { ...ruled({}), named: named({ bucket: 299n }), prefundWei: grant.feeCap + 1n };
    expect(reasons(short, { status: "unknown" })).toEqual([["NotGranted", short.named.policyId]]);
  });
});

describe("who is paid", () => {
  it("is never nobody, the account or a part of it: of a plain grant last, of a ruled one first", () => {
    const rest = { frozen: true, ownParts: [stranger] };
    const nobody = { ...base, callData: transfer(zeroAddress, 1n), payeePath: [] };
    expect(reasons(nobody, {}, rest)).toEqual([["Frozen"], ["PayeeNotAllowed", zeroAddress]]);
    const own = payeeTree([stranger]).root;
    const callData = transfer(stranger, 1n);
    expect(reasons({ ...base, callData, payeePath: [] }, {}, rest)).toEqual([
      ["Frozen"],
      ["PayeeNotAllowed", stranger],
    ]);
    const first = {
      ...ruled({}),
      callData,
      named: named({ payees: own }),
      proofs: [{ path: [], rule: null }],
    };
    expect(reasons(first, {}, rest)).toEqual([["PayeeNotAllowed", stranger], ["Frozen"]]);
    expect(reasons(first)).toEqual([]);
  });
});

describe("a heartbeat", () => {
  const beating = ruled({ heartbeat: 300n });
  it("carries a claim as far as it reaches", () => {
    expect(answer(beating, {}, { heartbeat: now })).toEqual(["allow"]);
    expect(answer(beating, {}, { heartbeat: now - 1n })).toEqual(["HeartbeatMissed", now + 300n, now + 299n]);
  });
  it("that never was allows nothing, and none is asked for where the grant has none", () => {
    expect(answer(beating)).toEqual(["HeartbeatMissed", now + 300n, 0n]);
    expect(answer(ruled({ operations: 9n }))).toEqual(["allow"]);
  });
});

describe("expiry, gas and the tree", () => {
  it("hold to the last second and the last wei", () => {
    const last = { validAfter: grant.expiry - 300n, validUntil: grant.expiry };
    expect(answer({ ...base, claim: last })).toEqual(["allow"]);
    const late = { validAfter: grant.expiry, validUntil: grant.expiry + 1n };
    expect(answer({ ...base, claim: late })).toEqual(["Expired", grant.expiry + 1n, grant.expiry]);
    expect(answer({ ...base, prefundWei: grant.feeCap })).toEqual(["allow"]);
    expect(answer({ ...base, prefundWei: grant.feeCap + 1n })).toEqual([
      "OverFeeCap",
      grant.feeCap + 1n,
      grant.feeCap,
    ]);
  });

  it("count gas in whole units, rounded up, to the end of the budget", () => {
    const unit = 10n ** BigInt(limit.units.gasExponent);
    const gas = Number(grant.gasBudget / unit) - 2;
    expect(answer({ ...base, prefundWei: 2n * unit }, { gas })).toEqual(["allow"]);
    expect(answer({ ...base, prefundWei: 2n * unit + 1n }, { gas })).toEqual([
      "OverGasBudget",
      grant.gasBudget + unit,
      grant.gasBudget,
    ]);
  });

  it("take a tree that grew, and note its size", () => {
    for (const treeSize of [6n, 5n])
      expect(answer({ ...base, treeSize }, { treeSize: 6 })).toEqual(["StaleSize", treeSize, 6n]);
    const { counters } = law({ ...base, treeSize: 9n }, stateOf({ treeSize: 6 })) as { counters: bigint };
    expect(decodeCounters(counters).treeSize).toBe(9);
  });

  it("are all that an operation without a call is charged", () => {
    const empty = { ...base, kind: signatureKind.empty, callData: "0x", payeePath: [] } as const;
    const spent = { ring: [25_000, 0, 0, 0, 0, 0, 0, 0], lifetime: 500_000, newestBucket: 125_009 };
    const cap = changeCap(0n, { perWindow: 1n, bucket: 300n }, now) as bigint;
    const other = { cap: () => cap | 5n, operations: () => 7n, noted: () => limit.terms };
    expect(law({ ...empty, prefundWei: 1n }, stateOf(spent, other))).toMatchObject({
      counters: encodeCounters({ ...fresh, ...spent, gas: 1, treeSize: 2 }),
      cap: cap | 5n,
      operations: 7n,
      note: null,
    });
  });
});

describe("what a payment is charged", () => {
  it("may reach lifetime and window, and no more", () => {
    expect(answer(base, { lifetime: 495_750, ring: [20_750, 0, 0, 0, 0, 0, 0, 0] })).toEqual(["allow"]);
    expect(answer(base, { lifetime: 495_751 })).toEqual(["OverLifetime", 5_000_010_000n, 5_000_000_000n]);
    expect(answer(base, { ring: [0, 20_751, 0, 0, 0, 0, 0, 0] })).toEqual([
      "OverWindow",
      250_010_000n,
      250_000_000n,
    ]);
  });

  it("is not guessed when the ring has moved on", () => {
    expect(answer(base, { newestBucket: 125_001 })).toEqual(["allow"]);
    expect(reasons(base, { newestBucket: 125_002, ring: Array.from({ length: 8 }, () => 25_000) })).toEqual([
      ["WindowTooOld", 125_000n, 125_001n],
    ]);
  });

  it("rises to the ceiling with an approver, and never over the window or below the cap per call", () => {
    const of = (ceiling: bigint) => ({ ...grant, extras: { ...grant.extras, ceiling } });
    expect(perCallOf(of(60_000_000n), true)).toBe(60_000_000n);
    expect(perCallOf(of(60_000_000n), false)).toBe(grant.perCall);
    expect(perCallOf(of(grant.perWindow + 1n), true)).toBe(grant.perWindow);
    expect(perCallOf(of(1n), true)).toBe(grant.perCall);
  });
});

describe("the number of operations", () => {
  const count = (spent: number, newestBucket = 125_000) =>
    encodeCounters({
      ...fresh,
      epoch: 0,
      treeSize: 0,
      status: "unknown",
      newestBucket,
      lifetime: spent,
      ring: [spent, 0, 0, 0, 0, 0, 0, 0],
    });
  const after = (operation: LawOperation, operations: bigint) =>
    law(operation, stateOf({}, { operations: () => operations })) as { operations: bigint };

  it("is bounded for ever and in the window, each by itself", () => {
    const ever = ruled({ operations: 3n });
    expect(after(ever, count(2)).operations).toBe(count(2) + (1n << 152n));
    expect(answer(ever, {}, { operations: () => count(3) })).toEqual(["TooManyOperations", 4n, 3n]);
    const window = ruled({ operationsPerWindow: 3n });
    expect(after(window, count(2)).operations).toBe(count(2) + 1n);
    expect(answer(window, {}, { operations: () => count(3) })).toEqual(["TooManyOperationsInWindow", 4n, 3n]);
    const neither = ruled({ ceiling: 1n });
    expect(after(neither, count(9)).operations).toBe(count(9));
  });

  it("is not guessed when the ring has moved on", () => {
    const operations = () => count(9, 125_002);
    expect(reasons(ruled({ operationsPerWindow: 3n }), {}, { operations })).toEqual([
      ["WindowTooOld", 125_000n, 125_001n],
    ]);
  });

  it("is not counted for a plain grant", () => {
    expect(after(base, count(9)).operations).toBe(count(9));
  });
});

describe("a cap over all agents", () => {
  const cap = changeCap(0n, { perWindow: 100_000_000n, bucket }, now) as bigint;
  /** Of 10^4 base units, like the grant's. */
  const spent = (units: bigint, newest = 125_000n) => cap | (newest << 128n) | units;

  it("is charged in its own units to its end", () => {
    const { cap: charged } = law(base, stateOf({}, { cap: () => spent(5_750n) })) as { cap: bigint };
    expect(charged).toBe(spent(10_000n));
    expect(answer(base, {}, { cap: () => spent(5_751n) })).toEqual([
      "OverCap",
      grant.asset.toLowerCase(),
      100_010_000n,
      100_000_000n,
    ]);
  });

  it("is not guessed when the ring has moved on, and asked for by the asset in lower case", () => {
    const asked: string[] = [];
    const rest = {
      cap: (asset: string) => {
        asked.push(asset);
        return spent(10_000n, 125_002n);
      },
    };
    expect(reasons(base, {}, rest)).toEqual([["WindowTooOld", 125_000n, 125_001n]]);
    expect(asked).toEqual([grant.asset.toLowerCase()]);
  });
});

describe("a note of the bundle", () => {
  it("is left for the calls, and refuses them for another policy", () => {
    const callHash = keccak256(base.callData);
    expect(law(base, stateOf({}, { noted: () => limit.policyId }))).toMatchObject({ note: callHash });
    expect(answer(base, {}, { noted: () => callHash })).toEqual(["AmbiguousCall", callHash]);
  });
});

describe("an approval", () => {
  const callData = transfer(acme, 60_000_000n);
  const extras = { approvers: payeeTree([stranger]).root, ceiling: 60_000_000n };
  const sent = { approver: stranger, path: [], nonce: 5n, deadline: now + 300n, signatureLength: 64n };
  const approved = { ...ruled(extras), callData, approval: sent };
  const hash = approvalHash(sent, approved.named.policyId, keccak256(callData));

  it("is named by the EIP-712 hash of its struct", () => {
    const { policyId } = extended(extras);
    const message = {
      approver: stranger,
      policyId,
      callHash: keccak256(callData),
      nonce: 5n,
      deadline: now + 300n,
    };
    expect(hash).toBe(hashStruct({ data: message, primaryType: "Approval", types: approvalTypes }));
  });

  it("is an approver's", () => {
    const approver = "0x00000000000000000000000000000000000000CC" as const;
    expect(answer({ ...approved, approval: { ...sent, approver } })).toEqual([
      "ApproverNotAllowed",
      approver.toLowerCase(),
    ]);
  });

  it("is sent with a signature, or was recorded before", () => {
    const record = { ...approved, approval: { ...sent, signatureLength: 0n } };
    expect(answer(record)).toEqual(["ApprovalNotRecorded", hash]);
    expect(answer(record, {}, { approval: () => "recorded" })).toEqual(["allow"]);
    expect(reasons(record, {}, { approval: () => "used" })).toEqual([["ApprovalUsed", hash]]);
    for (const signatureLength of [63n, 65n])
      expect(answer({ ...approved, approval: { ...sent, signatureLength } })).toEqual([
        "MalformedSignature",
        signatureLength,
      ]);
  });

  it("is looked at before the lane", () => {
    expect(reasons({ ...approved, nonceKey: 0xbbn }, {}, { approval: () => "used" })).toEqual([
      ["ApprovalUsed", hash],
      ["LaneNotAllowed", stranger, agent],
    ]);
  });
});
