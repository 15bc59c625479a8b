import { zeroAddress } from "viem";
import { describe, expect, it } from "vitest";

import { compilePolicy } from "../../../src/policy/compile.ts";
import { parsePolicy } from "../../../src/policy/parse.ts";
import { paymentOfCalls, replay, type ReplayAction } from "../../../src/policy/replay.ts";
import { agent, compiled, editedEverything } from "./documents.ts";
import { account, acme, policy, stranger, transferData } from "./operations.ts";

/** The first second of a bucket of four hours, and a little more: a claim begins before its action. */
const start = 125_000 * 14_400 + 60;
const hours = 3_600;
const pay = (at: number, amount: string, rest: object = {}): ReplayAction => ({
  at,
  to: "acme",
  token: "USDC",
  amount,
  ...rest,
});
const told = (...actions: readonly ReplayAction[]) =>
  replay(policy, actions, account).results.map(({ verdict, reasons }) =>
    [verdict, ...reasons.map(({ code }) => code)].join(" "),
  );
const six = Array.from({ length: 6 }, (_, index) => pay(start + index, "41.66"));

describe("replay", () => {
  it("counts what was allowed in the window, in order of time", () => {
    const late = pay(start + 100, "0.05");
    expect(told(late, ...six).at(-1)).toBe("deny over-window");
    expect(replay(policy, [late, ...six], account).results.at(-1)!.action).toBe(late);
    expect(told(...six.slice(1), late).at(-1)).toBe("allow");
  });

  it("counts in whole units, rounded up", () => {
    // 41.6601 USDC are charged as 41.67: six of them are more than the window.
    const odd = Array.from({ length: 6 }, (_, index) => pay(start + index, "41.6601"));
    expect(told(...odd).at(-1)).toBe("deny over-window");
  });

  it("forgets what has left the window, and never what counts for ever", () => {
    const day = (days: number, hour = 0) =>
      six.map((one, index) => pay(start + (days * 24 + hour) * hours + index, "41.66"));
    expect(told(...six, ...day(1)).slice(6)).toEqual(Array.from({ length: 6 }, () => "deny over-window"));
    // A window is six buckets, and a claim's own comes on top.
    expect(told(...six, ...day(1, 4)).slice(6)).toEqual(Array.from({ length: 6 }, () => "allow"));
    expect(told(...six, ...day(40)).slice(6)).toEqual(Array.from({ length: 6 }, () => "allow"));
    const twenty = Array.from({ length: 21 }, (_, index) => day(2 * index)).flat();
    expect(told(...twenty).slice(119, 121)).toEqual(["allow", "deny over-lifetime"]);
  });

  it("does not count what was denied, asked about or never reached the chain", () => {
    const never = six.map((one) => ({ ...one, uncounted: true }));
    const result = replay(policy, [...never, pay(start + 9, "42.51"), ...six], account);
    expect(result.results.map(({ verdict }) => verdict)).toEqual([
      ...Array.from({ length: 6 }, () => ["allow", "allow"]).flat(),
      "deny",
    ]);
    expect(result.totals).toEqual([
      {
        asset: "USDC",
        allowed: 12,
        asked: 0,
        denied: 1,
        allowedUnits: 249_960_000n,
        words: "USDC: 12 allowed (249.96 USDC), 0 asked about, 1 refused",
      },
    ]);
  });

  it("knows a payee by its name and by its address in any case, and nobody else", () => {
    expect(told(pay(start, "1", { to: acme.toUpperCase().replace("0X", "0x") }))).toEqual(["allow"]);
    expect(told(pay(start, "1", { to: stranger }))).toEqual(["deny payee-unknown"]);
    const [one] = replay(policy, [pay(start, "1.50", { to: acme })], account).results;
    expect(one!.words).toBe(`1.50 USDC to ${acme}`);
  });

  it("looks at calls as the chain would, and says how many they are", () => {
    const calls = [{ to: policy.limits[0]!.token.address, valueWei: 0n, data: transferData(acme, 7n) }];
    const allowed = replay(policy, [{ at: start, calls }], account);
    expect(allowed.results).toMatchObject([{ verdict: "allow", words: "1 calls", reasons: [] }]);
    expect(allowed.totals[0]!.allowedUnits).toBe(7n);
    const refused = replay(policy, [{ at: start, calls: [{ ...calls[0]!, data: "0x12345678" }] }], account);
    expect(refused.results).toMatchObject([
      { verdict: "deny", reasons: [{ code: "call-not-allowed", enforcedBy: "chain" }] },
    ]);
    expect(refused.totals[0]!.denied).toBe(0);
  });

  it("counts a cap over all agents for the asset that has one", () => {
    const capped = compiled(["salt: 7", "salt: 7\naccountCaps: [{ perWindow: 60.00 USDC, window: 24h }]"]);
    const verdicts = (...actions: readonly ReplayAction[]) =>
      replay(capped, actions, account).results.map(({ reasons }) => reasons[0]?.code ?? "allow");
    expect(verdicts(pay(start, "30"), pay(start, "30"), pay(start, "0.01"))).toEqual([
      "allow",
      "allow",
      "over-cap",
    ]);
    expect(verdicts(pay(start, "40", { uncounted: true }), pay(start, "42.51"), pay(start, "40"))).toEqual([
      "allow",
      "over-per-payment",
      "allow",
    ]);
  });

  it("claims from half a minute before an action until five minutes after that", () => {
    const bucket = 14_400;
    const seven = (late: number) => pay(125_007 * bucket + late, "0.05");
    expect(told(...six, seven(29)).at(-1)).toBe("deny over-window");
    expect(told(...six, seven(30)).at(-1)).toBe("allow");
    const expiry = Number(policy.limits[0]!.grant.expiry);
    expect(told(pay(expiry - 270, "1"), pay(expiry - 269, "1"))).toEqual(["allow", "deny expired"]);
  });

  it("counts the actions that belong to no limit", () => {
    const unknown = [pay(start, "1", { to: stranger }), pay(start, "1", { token: "DAI" })];
    expect(replay(policy, [...unknown, pay(start, "1"), pay(start, "42.51")], account).unassigned).toBe(2);
    expect(replay(policy, six, account).unassigned).toBe(0);
  });

  it("makes one payment of counted calls, to nobody in the registry", () => {
    const [limit] = policy.limits;
    expect(paymentOfCalls({ limit: limit!, amountUnits: 7n, approved: [], refusals: [] }, stranger)).toEqual({
      payee: { name: "(calls)", senders: [], names: [], purse: false, contract: false, address: stranger },
      to: stranger,
      limit,
      amountUnits: 7n,
      reference: "",
    });
  });

  it("asks where an approver could lift a payment, and counts each limit by itself", () => {
    const other = compilePolicy(parsePolicy(editedEverything()), agent);
    const purse = (amount: string, token: string): ReplayAction => ({
      at: start,
      to: "purse",
      amount,
      token,
    });
    const { totals, results } = replay(other, [purse("52", "USDC"), purse("0.1", "ETH")], account);
    expect(results.map(({ verdict }) => verdict)).toEqual(["ask", "allow"]);
    expect(totals.map(({ allowed, asked, denied }) => [allowed, asked, denied])).toEqual([
      [0, 1, 0],
      [1, 0, 0],
    ]);
    expect(totals.map(({ words }) => words)).toEqual([
      "USDC: 0 allowed (0.00 USDC), 1 asked about, 0 refused",
      "ETH: 1 allowed (0.1 ETH), 0 asked about, 0 refused",
    ]);
  });

  it("judges an operation without a call", () => {
    const empty: { at: number; calls: []; label: string } = { at: start, calls: [], label: "nothing" };
    const [result] = replay(policy, [empty], zeroAddress).results;
    expect(result!.action).toBe(empty);
  });
});
