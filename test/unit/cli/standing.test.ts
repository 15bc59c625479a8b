import { describe, expect, it } from "vitest";

import type { DelegationState } from "../../../src/core/delegation.ts";
import type { GrantBudget } from "../../../src/policy/grantReasons.ts";
import { leftOf } from "../../../src/cli/leftOf.ts";
import { isGranted, isUnknown, standing } from "../../../src/cli/standing.ts";

const row = (state: DelegationState, status?: GrantBudget["status"], epoch = 0n, leftInTotal = 1n) =>
  ({
    state,
    validUntil: 1000,
    delegation: { grant: { epoch: "0" } },
    budget: status === undefined ? undefined : { status, epoch, leftInTotal, allowance: 1n },
  }) as unknown as Parameters<typeof standing>[0];

describe("how a delegation stands", () => {
  it.each([
    ["asked", "unknown", "not signed"],
    ["asked", "granted", "granted on the chain, and not taken up by the agent"],
    ["inForce", "granted", "in force"],
    ["inForce", "revoked", "revoked on the chain"],
    ["paused", "granted", "paused: the agent leaves it alone"],
    // What was sent before a crash was mined after it: the payer's money is within reach of whoever has the agent's key.
    ["ended", "granted", "granted on the chain, and not taken up by the agent"],
    ["ended", "unknown", "over"],
    ["ended", undefined, "over"],
  ] as const)("%s here and %s there is: %s", (state, status, words) => {
    expect(standing(row(state, status), 1000)).toBe(words);
    expect(isGranted(row(state, status))).toBe(status === "granted");
  });

  it("is over for all grants of an epoch that the payer has ended", () => {
    expect(standing(row("inForce", "granted", 1n), 1000)).toBe("revoked on the chain");
    expect(isGranted(row("ended", "granted", 1n))).toBe(false);
  });

  it("is expired after its last second, and used up when nothing is left", () => {
    expect(standing(row("inForce", "granted"), 1001)).toBe("expired");
    expect(standing(row("paused", "granted"), 1001)).toBe("expired");
    expect(standing(row("ended", "unknown"), 1001)).toBe("over");
    expect(standing(row("inForce", "revoked"), 1001)).toBe("revoked on the chain");
    expect(standing(row("inForce", "granted", 0n, 0n), 1000)).toBe("used up");
    expect(standing(row("paused", "granted", 0n, 0n), 1000)).toBe("paused: the agent leaves it alone");
  });

  it("is not in force where the chain has no grant, nothing can be pulled without an allowance, and a refusal is named", () => {
    expect(standing(row("inForce", "unknown"), 1000)).toBe("not granted on the chain");
    const { budget, ...rest } = row("inForce", "granted");
    const nothing = "in force, and nothing can be pulled: there is no allowance";
    expect(standing({ ...rest, budget: { ...(budget as GrantBudget), allowance: 0n } }, 1000)).toBe(nothing);
    const permission = { hash: "0x", revoked: false, available: 5n, balance: 5n } as const;
    const of = (refusal: string | null) =>
      standing({ ...row("inForce"), permission: { ...permission, refusal } }, 1000);
    expect([of(null), of("it sleeps")]).toEqual([
      "in force",
      "in force, and refused by the chain now: it sleeps",
    ]);
  });
});

describe("what the chain did not say", () => {
  const unread = { unknown: "the node sleeps" };
  it("is unknown until its last second, whatever the journal says", () => {
    for (const state of ["asked", "inForce", "paused", "ended"] as const) {
      const one = { ...row(state), ...unread };
      expect([standing(one, 1000), isUnknown(one, 1000)]).toEqual(["unknown: the node sleeps", true]);
    }
    const late = { ...row("inForce"), ...unread };
    expect([standing(late, 1001), isUnknown(late, 1001)]).toEqual(["expired", false]);
    expect(standing({ ...row("ended"), ...unread }, 1001)).toBe("over");
    expect(isUnknown(row("inForce"), 1000)).toBe(false);
  });
});

describe("what is left under a delegation", () => {
  const grant = {
    hash: "0x",
    status: "granted",
    epoch: 0n,
    spent: 0n,
    leftInTotal: 60n,
    leftInWindow: 50n,
    balance: 100n,
    allowance: 60n,
  } as const satisfies GrantBudget;
  const { delegation } = row("inForce");
  const left = (change: Partial<GrantBudget>) => leftOf({ delegation, budget: { ...grant, ...change } });
  it.each([
    ["all of it there", {}, { now: 50n, inAll: 60n }],
    ["a part allowed", { allowance: 55n }, { now: 50n, inAll: 55n }],
    ["less allowed than a window", { allowance: 40n }, { now: 40n, inAll: 40n }],
    ["nothing allowed", { allowance: 0n }, { now: 0n, inAll: 0n }],
    ["a small balance", { balance: 30n }, { now: 30n, inAll: 60n }],
    ["a small rest", { leftInTotal: 20n }, { now: 20n, inAll: 20n }],
    ["a revocation", { status: "revoked" }, undefined],
    ["an epoch that is over", { epoch: 1n }, undefined],
    ["nothing on the chain", { status: "unknown" }, undefined],
  ] as const)("of a grant with %s is no more than the payer allows and has", (_, change, expected) => {
    expect(left(change)).toEqual(expected);
  });

  it("of an account's limit is what the account holds at most, and what was signed is left before it is brought", () => {
    const { allowance: _, hash: __, ...same } = grant;
    const own = { ...same, made: false, status: "unknown", frozen: false } as const;
    expect(leftOf({ delegation, budget: own })).toEqual({ now: 50n, inAll: 60n });
    expect(leftOf({ delegation, budget: { ...own, balance: 0n } })).toEqual({ now: 0n, inAll: 60n });
    expect(leftOf({ delegation, budget: { ...own, status: "revoked" } })).toBeUndefined();
  });

  it("of a permission is what the period leaves of what the payer has", () => {
    const permission = { hash: "0x", revoked: false, available: 5n, balance: 3n, refusal: null } as const;
    expect(leftOf({ delegation, budget: undefined, permission })).toEqual({ now: 3n, inAll: undefined });
    expect(
      leftOf({ delegation, budget: undefined, permission: { ...permission, revoked: true } }),
    ).toBeUndefined();
    expect(leftOf({ delegation, budget: undefined })).toBeUndefined();
  });
});
