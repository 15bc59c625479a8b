import { encodeErrorResult, type Abi, type Hex } from "viem";
import { describe, expect, it } from "vitest";

import { agentAccountAbi } from "../../../src/chain/abi/agentAccount.ts";
import { decisionLogAbi } from "../../../src/chain/abi/decisionLog.ts";
import { entryPointAbi } from "../../../src/chain/abi/entryPoint.ts";
import { permissionSpenderAbi } from "../../../src/chain/abi/permissionSpender.ts";
import { spendGrantAbi } from "../../../src/chain/abi/spendGrant.ts";
import { decodeRefusal, revertDataOf } from "../../../src/chain/decodeRefusal.ts";
import { knownErrors } from "../../../src/chain/refusalWords.ts";

const revert = (errorName: string, args: readonly unknown[] = []): Hex =>
  encodeErrorResult({
    abi: [...agentAccountAbi, ...entryPointAbi, ...spendGrantAbi, ...permissionSpenderAbi] as Abi,
    errorName,
    args,
  });
const failed = (reason: string, inner: Hex) => revert("FailedOpWithRevert", [0n, reason, inner]);
const id: Hex = `0x${"ab".repeat(32)}`;

describe("decodeRefusal", () => {
  it("has words for every error of our contracts", () => {
    const own = [...agentAccountAbi, ...decisionLogAbi, ...spendGrantAbi, ...permissionSpenderAbi].filter(
      (entry) => entry.type === "error",
    );
    const librariesOwn = ["ERC7579DecodingError", "FailedCall", "InvalidShortString", "StringTooLong"];
    expect(
      [...new Set(own.map(({ name }) => name))].filter((name) => !knownErrors.has(name)).toSorted(),
    ).toEqual(librariesOwn);
  });

  it("says those of a spend grant", () => {
    const say = (errorName: string, args: readonly unknown[]) => decodeRefusal(revert(errorName, args)).words;
    const [who, zero]: Hex[] = [`0x${"11".repeat(20)}`, `0x${"00".repeat(20)}`];
    expect([
      say("NotAccount", [who, zero]),
      say("NotAgent", [zero, who]),
      say("NotAgentAccount", [who]),
      say("OtherAgentExecuting", [who, zero]),
      say("OtherAgentExecuting", [zero, who]),
      say("AccountNotAllowed", [who]),
      say("TokenNotAllowed", [who]),
      say("LimitsNotAllowed", [3n, 2n, 1n]),
      say("LimitsNotRepresentable", [1n, 2n, 3n]),
      say("WindowNotAllowed", [7n]),
      say("ValidityNotAllowed", [1_800_000_300n, 1_800_000_000n]),
      say("PayeesNotClear", [2n, true]),
      say("PayeesNotClear", [0n, false]),
      say("TooManyPayees", [33n, 32n]),
      say("PayeesNotAscending", [1n]),
      say("OtherEpoch", [1n, 2n]),
      say("NotYetValid", [1_800_000_000n, 1_800_000_300n]),
      say("TookMore", [3n, 2n]),
      say("ArrivedLess", [1n, 2n]),
      say("AddressEmptyCode", [who]),
    ]).toMatchInlineSnapshot(`
      [
        "only 0x0000000000000000000000000000000000000000 may approve this, and 0x1111111111111111111111111111111111111111 asked",
        "only 0x1111111111111111111111111111111111111111 may spend under this grant, and 0x0000000000000000000000000000000000000000 asked",
        "0x1111111111111111111111111111111111111111 is no account of ours, so nothing says which of its agents is acting",
        "the account is executing for 0x1111111111111111111111111111111111111111, and the grant is for 0x0000000000000000000000000000000000000000",
        "the account is not executing a batch of 0x1111111111111111111111111111111111111111",
        "0x1111111111111111111111111111111111111111 can't be the payer of a grant",
        "there is no token at 0x1111111111111111111111111111111111111111",
        "the limits are out of order: 3, 2, 1 base units at a time, in a window and in all",
        "the limits have too many digits to be counted together: 1, 2, 3 base units",
        "a window of 7 seconds can't be kept: multiples of 6 from 1800 to 7776000 can",
        "a grant from 2027-01-15T08:05:00.000Z to 2027-01-15T08:00:00.000Z can't be made: 90 days are the most",
        "the grant lists payees and lets anybody be paid",
        "the grant lists no payees, and does not say that anybody may be paid",
        "33 payees, 32 are the most",
        "the payees have to ascend, and number 1 does not",
        "the grant is of the payer's epoch 1, and the payer is at 2",
        "it is 2027-01-15T08:00:00.000Z, and the grant begins after 2027-01-15T08:05:00.000Z",
        "the token took more from the payer than it was told: 3 base units, 2 are allowed",
        "less arrived than was sent: 1 base units of 2",
        "there is no contract at 0x1111111111111111111111111111111111111111",
      ]
    `);
  });

  it("names the grant where a payer's grant is the law, in the errors that it shares with policies", () => {
    const who: Hex = `0x${"11".repeat(20)}`;
    const say = (errorName: string, args: readonly unknown[]) =>
      decodeRefusal(revert(errorName, args), "grant").words;
    expect([
      say("AlreadyRevoked", [id]),
      say("NotGranted", [id]),
      say("Expired", [1_800_000_300n, 1_800_000_000n]),
      say("PayeeNotAllowed", [who]),
      say("OverPerCall", [2n, 1n]),
      say("OtherEpoch", [1n, 2n]),
    ]).toMatchInlineSnapshot(`
      [
        "the grant 0xabababababababababababababababababababababababababababababababab was revoked for good: its payer has to sign a new one",
        "the grant 0xabababababababababababababababababababababababababababababababab is not on the chain",
        "it is 2027-01-15T08:05:00.000Z, and the grant ended at 2027-01-15T08:00:00.000Z",
        "0x1111111111111111111111111111111111111111 is no payee of the grant, or nobody may be paid there",
        "the payment is over the limit per payment: 2 base units, 1 are allowed",
        "the grant is of the payer's epoch 1, and the payer is at 2",
      ]
    `);
    // What the EntryPoint reports of a validation is the policy's.
    expect(decodeRefusal(failed("AA23 reverted", revert("AlreadyRevoked", [id])), "grant").words).toMatch(
      /^the policy 0xabab/,
    );
  });

  it("says those of a wallet's permission, and the words of what enforces it", () => {
    const say = (errorName: string, args: readonly unknown[]) => decodeRefusal(revert(errorName, args)).words;
    const [who, zero]: Hex[] = [`0x${"11".repeat(20)}`, `0x${"00".repeat(20)}`];
    expect([
      say("ContextNotAllowed", [zero]),
      say("ContextNotAllowed", [who]),
      say("PermissionNotAllowed", [who]),
      say("PermissionRevoked", [id]),
      decodeRefusal("0x05baa052").words,
    ]).toMatchInlineSnapshot(`
      [
        "it is not one permission, given by the payer himself",
        "it is no permission of 0x1111111111111111111111111111111111111111",
        "the permission is for 0x1111111111111111111111111111111111111111, and not for the contract that spends",
        "the permission 0xabababababababababababababababababababababababababababababababab was revoked",
        "the payer has taken the permission back",
      ]
    `);
  });

  it("says them with their numbers, in their units", () => {
    const pair = [2_400_000_000n, 500_000_000n];
    const gas = [2n * 10n ** 16n, 10n ** 15n];
    const times = [1_800_000_300n, 1_800_000_000n];
    const who: Hex = `0x${"11".repeat(20)}`;
    const said = [
      revert("OverPerCall", pair),
      revert("OverWindow", pair),
      revert("OverLifetime", pair),
      revert("OverCap", [who, ...pair]),
      revert("OverGasBudget", gas),
      revert("OverFeeCap", gas),
      revert("TooManyOperations", [25n, 24n]),
      revert("TooManyOperationsInWindow", [3n, 2n]),
      revert("WindowTooOld", [1n, 2n]),
      revert("Expired", times),
      revert("Expired", [2n ** 200n, 1n]),
      revert("HeartbeatMissed", times),
      revert("ApprovalExpired", times),
      revert("ClaimTooLong", [301n, 300n]),
      revert("StaleSize", [4n, 4n]),
      revert("RuleNotAllowed", [who, "0xdeadbeef"]),
      revert("ArgumentNotAllowed", [2n, id]),
      revert("PayeeNotAllowed", [who]),
      revert("PaymasterNotAllowed", [who]),
      revert("MalformedSignature", [12n]),
      revert("NotOwner", [who]),
      revert("CapNotRepresentable", [65_537n, 300n]),
      revert("InsufficientBalance", [0n, 10n ** 18n]),
    ].map((data) => {
      const { error, words } = decodeRefusal(data);
      return `${error.split("(")[0]}: ${words}`;
    });
    expect(said.join("\n")).toMatchInlineSnapshot(`
      "OverPerCall: the payment is over the limit per payment: 2400000000 base units, 500000000 are allowed
      OverWindow: the payment would cross the rolling window's limit: 2400000000 base units, 500000000 are allowed
      OverLifetime: the payment would cross the lifetime limit: 2400000000 base units, 500000000 are allowed
      OverCap: all agents of the account together would cross its cap on 0x1111111111111111111111111111111111111111: 2400000000 base units, 500000000 are allowed
      OverGasBudget: the operation would cross the gas budget: 0.02 ETH, 0.001 ETH are allowed
      OverFeeCap: the operation costs more gas than one operation may: 0.02 ETH, 0.001 ETH are allowed
      TooManyOperations: it would be operation 25 of the policy, and 24 are allowed
      TooManyOperationsInWindow: it would be operation 3 of the rolling window, and 2 are allowed
      WindowTooOld: the claim lies too far in the past: bucket 1, the oldest that still counts is 2
      Expired: the policy has expired: the claim ends at 2027-01-15T08:05:00.000Z, allowed is 2027-01-15T08:00:00.000Z
      Expired: the policy has expired: the claim ends at 1606938044258990275541962092341162602522202993782792835301376, allowed is 1970-01-01T00:00:01.000Z
      HeartbeatMissed: the owner has not been heard of for too long: the claim ends at 2027-01-15T08:05:00.000Z, allowed is 2027-01-15T08:00:00.000Z
      ApprovalExpired: the approval is no longer good: the claim ends at 2027-01-15T08:05:00.000Z, allowed is 2027-01-15T08:00:00.000Z
      ClaimTooLong: the claim spans 301 seconds, 300 are allowed
      StaleSize: it carries no new decision: the decision tree has 4 leaves, and 4 were committed already
      RuleNotAllowed: no rule of the policy allows the function 0xdeadbeef of 0x1111111111111111111111111111111111111111
      ArgumentNotAllowed: argument word 2 of a call is 0xabababababababababababababababababababababababababababababababab, which its rule does not allow
      PayeeNotAllowed: 0x1111111111111111111111111111111111111111 is no payee of the policy, or nobody may be paid there
      PaymasterNotAllowed: 0x1111111111111111111111111111111111111111 may not pay the gas: the policy names another paymaster, or none
      MalformedSignature: the signature field (12 bytes) is none of an agent's kinds: it carries no policy terms and no decision commitment
      NotOwner: 0x1111111111111111111111111111111111111111 is not the account's owner
      CapNotRepresentable: a cap of 65537 base units with buckets of 300 seconds can't be kept: 65535 times a power of ten is the most, 300 seconds the least
      InsufficientBalance: the account holds 0 ETH, 1 ETH needed"
    `);
  });

  it("names an error that has no words of its own", () => {
    expect(decodeRefusal(revert("FailedCall"))).toEqual({
      code: null,
      error: "FailedCall()",
      words: "the contract says FailedCall",
    });
  });

  it("looks inside what the EntryPoint reports, however deep", () => {
    const inner = revert("OverWindow", [2n, 1n]);
    const nested = {
      code: "AA23",
      error: "OverWindow(2, 1)",
      words: "the payment would cross the rolling window's limit: 2 base units, 1 are allowed",
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
