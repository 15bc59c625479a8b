import { zeroAddress, type Hex } from "viem";
import { describe, expect, test } from "vitest";

import type { SpendGrant } from "../../../src/policy/spendGrant.ts";
import { spendGrantMistakes, spendGrantUnit } from "../../../src/policy/spendGrantMistakes.ts";
import { aGrant, addressOf, contract } from "./spendGrants.ts";

const now = aGrant.validAfter;
/** Fields that are wrong in a grant with these changes. */
const wrongIn = (changes: Partial<SpendGrant>, at = now): readonly unknown[] =>
  spendGrantMistakes({ ...aGrant, ...changes }, { contract, now: at }).map(({ path }) => path[0]);

const ascending = (count: number) =>
  Array.from({ length: count }, (_, index) => `0x${(index + 1).toString(16).padStart(40, "0")}` as const);

describe("mistakes of a spend grant", () => {
  test("has none that the contract takes", () => {
    expect(wrongIn({})).toEqual([]);
    expect(wrongIn({ payees: [], anyPayee: true })).toEqual([]);
    expect(wrongIn({ agent: aGrant.agentKey })).toEqual([]);
    expect(wrongIn({}, aGrant.validUntil)).toEqual([]);
  });

  test.each<[string, Partial<SpendGrant>, keyof SpendGrant]>([
    ["no account", { account: zeroAddress }, "account"],
    ["no agent", { agent: zeroAddress }, "agent"],
    ["no key", { agentKey: zeroAddress }, "agentKey"],
    ["no token", { token: "0x12" }, "token"],
    ["the contract as payer", { account: contract }, "account"],
    ["the agent as payer", { account: aGrant.agent }, "account"],
    ["nothing at a time", { perCall: 0n }, "total"],
    ["more at a time than in a window", { perCall: 50_000_001n }, "total"],
    ["more in a window than in all", { total: 49_999_999n }, "total"],
    ["more than 160 bits", { total: 1n << 160n }, "total"],
    ["too many digits at a time", { perCall: 5_000_001n }, "perCall"],
    ["too many digits in a window", { perWindow: 50_000_001n }, "perWindow"],
    ["too many digits in all", { total: 1_000_000_001n }, "total"],
    ["no window", { window: 0 }, "window"],
    ["a window too short", { window: 1794 }, "window"],
    ["a window of no whole bucket", { window: 86_401 }, "window"],
    ["a window too long", { window: 90 * 86_400 + 6 }, "window"],
    ["no time", { validUntil: aGrant.validAfter }, "validUntil"],
    ["more than 90 days", { validUntil: aGrant.validAfter + 90 * 86_400 + 1 }, "validUntil"],
    ["an end beyond 32 bits", { validAfter: 2 ** 32 - 1, validUntil: 2 ** 32 }, "validUntil"],
    ["half a second", { validAfter: aGrant.validAfter + 0.5 }, "validUntil"],
    ["nobody to pay", { payees: [] }, "payees"],
    ["payees and anybody", { anyPayee: true }, "payees"],
    ["too many payees", { payees: ascending(33) }, "payees"],
    ["payees out of order", { payees: aGrant.payees.toReversed() }, "payees"],
    ["a payee twice", { payees: [aGrant.payees[0]!, aGrant.payees[0]!] }, "payees"],
    ["the zero address for a payee", { payees: [zeroAddress] }, "payees"],
    ["the payer for a payee", { payees: [aGrant.account] }, "payees"],
    ["the contract for a payee", { payees: [contract] }, "payees"],
    ["an epoch of more than 64 bits", { epoch: 1n << 64n }, "epoch"],
    ["a salt of more than 256 bits", { salt: 1n << 256n }, "salt"],
    ["half a hash", { policyHash: "0x1111" }, "policyHash"],
  ])("tells of %s", (_, changes, field) => {
    expect(wrongIn(changes)).toEqual([field]);
  });

  test("tells of an end in the past, and not of the last second", () => {
    expect(wrongIn({}, aGrant.validUntil + 1)).toEqual(["validUntil"]);
  });

  test("32 payees and the longest times are none", () => {
    expect(wrongIn({ payees: ascending(32) })).toEqual([]);
    expect(wrongIn({ window: 1800 })).toEqual([]);
    expect(wrongIn({ window: 90 * 86_400, validUntil: aGrant.validAfter + 90 * 86_400 })).toEqual([]);
  });

  test.each([
    ["nothing", ""],
    ["a line break", "Pay\nbills"],
    ["a control character", "Pay\u0007bills"],
    ["an escape sequence", "\u001b[2J"],
    ["a turn of direction", "Pay \u202esllib"],
    ["an isolate", "Pay \u2066bills"],
    ["a mark of direction", "Pay\u200fbills"],
    ["a space of no width", "Pay\u200bbills"],
    ["a soft hyphen", "Pay\u00adbills"],
    ["a filler", "Pay\u3164bills"],
    ["a line separator", "Pay\u2028bills"],
    ["tags", "Pay\u{e0041}bills"],
    ["half a character", "Pay\ud800bills"],
    ["too much", "x".repeat(201)],
  ])("a purpose may not have %s", (_, purpose) => {
    expect(wrongIn({ purpose })).toEqual(["purpose"]);
  });

  test.each(["Pay the studio's invoices · https://bursar.example", "für Güter, 支払い", "x".repeat(200)])(
    "a purpose may be %s",
    (purpose) => {
      expect(wrongIn({ purpose })).toEqual([]);
    },
  );

  test("tells all mistakes at once, each with a remedy", () => {
    const mistakes = spendGrantMistakes({ ...aGrant, window: 0, payees: [], purpose: "" }, { contract, now });
    expect(mistakes.map(({ path }) => path[0])).toEqual(["window", "payees", "purpose"]);
    for (const { remedy, words } of mistakes) expect(`${words} ${remedy}`).toMatch(/\.$/);
  });

  test("does not look at the case of addresses", () => {
    expect(wrongIn({ account: aGrant.agent.toLowerCase() as Hex })).toEqual(["account"]);
    expect(wrongIn({ token: addressOf("token").toLowerCase() as Hex })).toEqual([]);
  });
});

describe("the unit of a spend grant", () => {
  test.each([
    [65_535n, 16_777_215n, 1n],
    [65_536n, 16_777_215n, 10n],
    [1n, 16_777_216n, 10n],
    [50_000_000n, 1_000_000_000n, 1_000n],
  ])("of %s in a window and %s in all is %s", (perWindow, total, unit) => {
    expect(spendGrantUnit({ perWindow, total })).toBe(unit);
  });
});
