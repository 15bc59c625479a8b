import { encodeErrorResult, type Abi, type Hex } from "viem";
import { describe, expect, it } from "vitest";

import { agentAccountAbi } from "../../../src/chain/abi/agentAccount.ts";
import { entryPointAbi } from "../../../src/chain/abi/entryPoint.ts";
import { decodeRefusal, revertDataOf } from "../../../src/chain/decodeRefusal.ts";

const revert = (errorName: string, args: readonly unknown[] = []): Hex =>
  encodeErrorResult({ abi: [...agentAccountAbi, ...entryPointAbi] as Abi, errorName, args });
const failed = (reason: string, inner: Hex) => revert("FailedOpWithRevert", [0n, reason, inner]);
const id: Hex = `0x${"ab".repeat(32)}`;

describe("decodeRefusal", () => {
  it("knows every error of the law by name, with its numbers, and in words", () => {
    const pair = [2_400_000_000n, 500_000_000n];
    const said = [
      revert("OverPerCall", pair),
      revert("OverWindow", pair),
      revert("OverLifetime", pair),
      revert("OverGasBudget", pair),
      revert("OverFeeCap", pair),
      revert("WindowTooOld", [1n, 2n]),
      revert("Expired", [2n, 1n]),
      revert("ClaimTooLong", [301n, 300n]),
      revert("ClaimWithoutEnd"),
      revert("StaleSize", [4n, 4n]),
      revert("NotGranted", [id]),
      revert("Frozen"),
      revert("CallNotAllowed"),
      revert("PayeeNotAllowed", [`0x${"0".repeat(40)}`]),
      revert("PaymasterNotAllowed"),
      revert("MalformedSignature", [12n]),
    ].map((data) => {
      const { error, words } = decodeRefusal(data);
      return `${error}: ${words}`;
    });
    expect(said.join("\n")).toMatchInlineSnapshot(`
      "OverPerCall(2400000000, 500000000): the payment is over the limit per payment
      OverWindow(2400000000, 500000000): the payment would cross the rolling window's limit
      OverLifetime(2400000000, 500000000): the payment would cross the lifetime limit
      OverGasBudget(2400000000, 500000000): the operation would cross the gas budget
      OverFeeCap(2400000000, 500000000): the operation costs more gas than one operation may
      WindowTooOld(1, 2): the claim lies too far in the past
      Expired(2, 1): the policy has expired
      ClaimTooLong(301, 300): the claim spans more than five minutes
      ClaimWithoutEnd(): the claim has no end
      StaleSize(4, 4): it carries no new decision: the committed decision tree did not grow
      NotGranted(0xabababababababababababababababababababababababababababababababab): the policy does not allow it: not granted, revoked, or another payee, asset or term than was granted
      Frozen(): the account is frozen
      CallNotAllowed(): it is a call that no policy allows
      PayeeNotAllowed(0x0000000000000000000000000000000000000000): nobody may be paid under this address
      PaymasterNotAllowed(): an agent pays its own gas
      MalformedSignature(12): the signature field carries no policy terms and no decision commitment"
    `);
  });

  it("names an error of the account that has no words of its own", () => {
    expect(decodeRefusal(revert("EpochExhausted"))).toEqual({
      code: null,
      error: "EpochExhausted()",
      words: "the contract says EpochExhausted",
    });
  });

  it("looks inside what the EntryPoint reports, however deep", () => {
    const inner = revert("OverWindow", [2n, 1n]);
    const nested = {
      code: "AA23",
      error: "OverWindow(2, 1)",
      words: "the payment would cross the rolling window's limit",
    };
    expect(decodeRefusal(failed("AA23 reverted", inner))).toEqual(nested);
    expect(decodeRefusal(failed("AA23 reverted", failed("AA23 reverted", inner)))).toEqual(nested);
    expect(decodeRefusal(failed("AA23 reverted", "0x"))).toMatchObject({
      code: "AA23",
      error: "(no reason given)",
    });
  });

  it.each([
    ["AA24 signature error", "AA24", "the signature is not one the account accepts"],
    ["AA25 invalid account nonce", "AA25", "the nonce was used before"],
    ["AA22 expired or not due", "AA22", "the operation's time has passed or has not come"],
    ["AA21 didn't pay prefund", "AA21", "the account can't pay the gas of the operation"],
    ["AA99 something new", "AA99", "AA99 something new"],
  ])("explains FailedOp %j", (reason, code, words) => {
    expect(decodeRefusal(revert("FailedOp", [0n, reason]))).toEqual({ code, error: reason, words });
  });

  it("reads a plain Error(string)", () => {
    const data = encodeErrorResult({
      abi: [{ type: "error", name: "Error", inputs: [{ type: "string", name: "message" }] }],
      args: ["ERC20: no"],
    });
    expect(decodeRefusal(data)).toMatchObject({ error: "Error(ERC20: no)" });
  });

  it.each<readonly [string, Hex, string]>([
    ["an unknown error", `0xdeadbeef${"00".repeat(40)}`, `0xdeadbeef${"00".repeat(40)}`],
    ["a very long one, cut", `0xdeadbeef${"11".repeat(400)}`, `0xdeadbeef${"11".repeat(64)}`],
    [
      "a known selector with broken arguments",
      revert("OverWindow", [2n, 1n]).slice(0, 40) as Hex,
      revert("OverWindow", [2n, 1n]).slice(0, 40),
    ],
    ["nothing", "0x", "(no reason given)"],
    ["half a selector", "0xdead", "0xdead"],
  ])("shows %s as it is", (_, data, error) => {
    expect(decodeRefusal(data)).toEqual({
      code: null,
      error,
      words: "a contract reverted without a reason this program knows",
    });
  });
});

describe("revertDataOf", () => {
  const data: Hex = "0xdeadbeef";
  it.each<readonly [string, unknown]>([
    ["an error with data", { data }],
    ["data in data, as Hardhat has it", { data: { data, message: "reverted" } }],
    ["a cause of a cause", new Error("a", { cause: new Error("b", { cause: { data } }) })],
    ["a JSON-RPC answer", { error: { code: 3, data } }],
    ["an answer inside a transport's error", Object.assign(new Error("a"), { error: { data: { data } } })],
  ])("finds it in %s", (_, error) => {
    expect(revertDataOf(error)).toBe(data);
  });

  it.each<readonly [string, unknown]>([
    ["nothing", undefined],
    ["a string", data],
    ["data that is no hex", { data: "reverted: 0xdeadbeef" }],
    ["data without a whole selector", { data: "0xdead" }],
    ["empty data", { data: "0x" }],
  ])("finds none in %s", (_, error) => {
    expect(revertDataOf(error)).toBeUndefined();
  });

  it("ends on errors that lead in a circle", () => {
    const error: { cause?: unknown; data?: unknown } = {};
    error.cause = error;
    error.data = { error };
    expect(revertDataOf(error)).toBeUndefined();
  });
});
