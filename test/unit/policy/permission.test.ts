import type { Address } from "viem";
import { describe, expect, it } from "vitest";

import { compilePolicy } from "../../../src/policy/compile.ts";
import { GrantTermsError } from "../../../src/policy/composeGrant.ts";
import { composePermission } from "../../../src/policy/composePermission.ts";
import { explainPermission } from "../../../src/policy/explainPermission.ts";
import { parsePolicy } from "../../../src/policy/parse.ts";
import {
  mostPermitted,
  permissionJson,
  permissionOf,
  type Permission,
} from "../../../src/policy/permission.ts";
import { permissionReasons } from "../../../src/policy/permissionReasons.ts";

const address = (digit: string): Address => `0x${digit.repeat(40)}`;
const units = 1_000_000n;
const at = 1_800_000_000;
const day = 86_400;

const policy = compilePolicy(
  parsePolicy(`policy: small
version: 1
chain: 31337
tokens: { USDC: { address: "0x0f4Dc3054a3Eb3e626e383A3f0b683Dd443bBc6C", decimals: 6 } }
payees: { acme: { address: "${address("4")}" } }
limits:
  - { perPayment: "50.00 USDC", perWindow: "200.00 USDC", window: 24h, lifetime: "2000.00 USDC" }
gas: { budget: "0.2 ETH", perOperation: "0.005 ETH" }
expires: "2027-06-01T00:00:00Z"
`),
  address("1"),
);
const limit = policy.limits[0]!;
const terms = {
  account: address("2"),
  spender: address("3"),
  manager: address("5"),
  limit,
  days: 30,
  at,
  purpose: "Pay bills.",
};

describe("composePermission", () => {
  it("is one period of what a window allows, if nobody says how much: a first permission is small", () => {
    const permission = composePermission(terms);
    expect(permission).toMatchObject({
      token: limit.token.address,
      perPeriod: 200n * units,
      period: 30 * day,
      start: at,
      expiry: at + 30 * day,
    });
    expect(mostPermitted(permission)).toBe(200n * units);
  });

  it("is one period of the total, which is the most that it can cost", () => {
    const permission = composePermission({ ...terms, total: 70n * units });
    expect(mostPermitted(permission)).toBe(70n * units);
    expect(permission.period).toBe(permission.expiry - permission.start);
  });

  it("has the policy's windows for periods where an amount per window is wanted", () => {
    const permission = composePermission({ ...terms, perWindow: 10n * units, days: 7 });
    expect(permission).toMatchObject({ perPeriod: 10n * units, period: day });
    expect(mostPermitted(permission)).toBe(70n * units);
    expect(mostPermitted({ ...permission, expiry: permission.expiry + 1 })).toBe(80n * units);
    expect(composePermission({ ...terms, perWindow: 10n * units, days: 7, total: 70n * units })).toEqual(
      permission,
    );
  });

  it("ends with the policy", () => {
    expect(composePermission({ ...terms, at: Number(limit.grant.expiry) - 60 }).expiry).toBe(
      Number(limit.grant.expiry),
    );
  });

  it.each([
    [{ days: 0 }, /no number of days/],
    [{ days: 91 }, /no number of days/],
    [{ purpose: "pay‮bills" }, /can't be shown/],
    [{ purpose: "" }, /can't be shown/],
    [{ total: 0n }, /more than nothing/],
    [{ perWindow: 0n }, /more than nothing/],
    [{ perWindow: 10n * units, total: 299n * units }, /the periods come to more than the total/],
    [{ at: Number(limit.grant.expiry) }, /has expired/],
  ])("refuses %o", (over, why) => {
    expect(() => composePermission({ ...terms, ...over })).toThrow(GrantTermsError);
    expect(() => composePermission({ ...terms, ...over })).toThrow(why);
  });
});

describe("explainPermission", () => {
  const named = {
    token: limit.token,
    payees: [{ name: "acme", address: address("4") }],
  };
  const agent = { account: address("6"), key: address("1") };

  it("says the most that it can cost, and what the wallet does not show", () => {
    const words = explainPermission(
      composePermission({ ...terms, perWindow: 10n * units }),
      agent,
      named,
    ).map((sentence) => sentence.words);
    expect(words).toMatchInlineSnapshot(`
      [
        "The agent 0x1111111111111111111111111111111111111111 of the account 0x6666666666666666666666666666666666666666 may take at most 10.00 USDC in each 24 hours, the first of them from 2027-01-15T08:00:00Z, out of 0x2222222222222222222222222222222222222222, by way of its contract 0x3333333333333333333333333333333333333333.",
        "USDC is the token at 0x0f4Dc3054a3Eb3e626e383A3f0b683Dd443bBc6C, 6 decimals.",
        "It may do so from 2027-01-15T08:00:00Z until 2027-02-14T08:00:00Z.",
        "The most that this can ever cost is 300.00 USDC. Other permissions add to it.",
        "The contract 0x5555555555555555555555555555555555555555 enforces this; your wallet has chosen it, and it is trusted here.",
        "Each spend comes with a decision that is committed on the chain.",
        "It ends for good by the agent's contract's revoke or revokeAll, from any wallet, or by what your wallet has for it.",
        "WARNING: who may be paid is not in the permission, and your wallet does not show it. The agent's policy lets it pay acme (0x4444444444444444444444444444444444444444); whoever owns the agent's account may give it another policy.",
        "It is said to be for: "Pay bills.". Nothing on the chain holds the agent to that.",
      ]
    `);
  });

  it("says a single period as what it is", () => {
    const [first] = explainPermission(composePermission(terms), agent, named);
    expect(first!.words).toContain("at most 200.00 USDC in all, out of");
  });
});

const permission: Permission = {
  ...composePermission({ ...terms, perWindow: 10n * units }),
  context: "0xabcd",
  enforcer: address("7"),
};

describe("permissionJson", () => {
  it("goes there and back", () => {
    const there = JSON.parse(JSON.stringify(permissionJson(permission))) as never;
    expect(permissionJson(permissionOf(there))).toEqual(permissionJson(permission));
    expect(permissionOf(there).perPeriod).toBe(10n * units);
  });
});

describe("permissionReasons", () => {
  const budget = {
    hash: "0x00",
    refusal: null,
    revoked: false,
    available: 10n * units,
    balance: 100n * units,
  } as const;
  const codesOf = (over: object, amountUnits = 10n * units, when = at, payee = address("4")) =>
    permissionReasons(permission, { ...budget, ...over }, limit.token, { payee, amountUnits, at: when }).map(
      ({ code }) => code,
    );

  it("finds that nobody is paid out of his own account", () => {
    expect(codesOf({}, 1n, at, permission.account)).toEqual(["delegation-payee"]);
  });

  it("finds nothing against what the period leaves", () => {
    expect(codesOf({})).toEqual([]);
  });

  it.each([
    [{ revoked: true }, 1n, at, ["delegation-revoked"]],
    [{}, 1n, at - 1, ["delegation-early"]],
    [{}, 1n, at + 30 * day, ["delegation-expired"]],
    [{}, 10n * units + 1n, at, ["delegation-window"]],
    [{ balance: 5n }, 6n, at, ["delegation-balance"]],
    [{ refusal: "it is paused" }, 1n, at, ["delegation-refused"]],
    [{ refusal: "it has expired" }, 1n, at + 30 * day, ["delegation-expired"]],
    [
      { revoked: true, available: 0n, balance: 0n },
      1n,
      at,
      ["delegation-revoked", "delegation-window", "delegation-balance"],
    ],
  ])("finds what the chain would: %o", (over, amount, when, codes) => {
    expect(codesOf(over, amount, when)).toEqual(codes);
  });
});
