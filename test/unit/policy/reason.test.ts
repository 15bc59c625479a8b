import type { Hex } from "viem";
import { describe, expect, it } from "vitest";

import { changeCap } from "../../../src/policy/cap.ts";
import { approvalReason, balanceReason, reasonOf, unfundedReason } from "../../../src/policy/reason.ts";
import { refusal, type LawError } from "../../../src/policy/refusal.ts";
import { fresh, grant, limit, now, policy, stranger } from "./operations.ts";

const subject = {
  payment: {
    payee: policy.payees[0]!,
    to: policy.payees[0]!.address,
    limit,
    amountUnits: 42_500_000n,
    reference: "",
  },
  usage: {
    counters: { ...fresh, ring: [1, 2, 0, 0, 0, 0, 0, 0], lifetime: 9, gas: 100_000 },
    epoch: 3,
    frozen: false,
  },
  claim: { validAfter: now, validUntil: now + 300n },
  expectedFeeWei: grant.feeCap,
};
const words = (error: LawError, ...args: readonly (bigint | Hex)[]) =>
  reasonOf(refusal(error, ...args), subject).words;

describe("a refusal in words", () => {
  it.each<readonly [LawError, string]>([
    ["OverPerCall", "over-per-payment"],
    ["Frozen", "frozen"],
    ["OverGasBudget", "over-gas-budget"],
    ["TooManyOperationsInWindow", "too-many-operations-in-window"],
    ["ERC7579DecodingError", "erc7579-decoding-error"],
  ])("%s has the code %s", (error, code) => {
    expect(reasonOf(refusal(error), subject)).toMatchObject({ code, enforcedBy: "chain" });
  });

  it.each<readonly [LawError, readonly (bigint | Hex)[], string]>([
    ["Frozen", [], "The account is frozen; only its owner can unfreeze it."],
    ["HeartbeatMissed", [9n, 8n], "the agent may act until 8, and the claim ends at 9."],
    ["Expired", [], `The policy expires at ${grant.expiry} and the claim ends at ${now + 300n}.`],
    ["OverGasBudget", [], "Gas would cost about 0.002 ETH and 0.049 ETH of the gas budget is left."],
    ["OverLifetime", [], "42.50 USDC is over the 4999.91 USDC left of the policy's lifetime limit."],
    ["OverWindow", [], "42.50 USDC on top of 0.03 USDC already spent crosses the window's 250.00 USDC."],
    ["WindowTooOld", [], "A later claim was charged already"],
    ["TooManyOperations", [4n, 3n], "It would be operation 4, and the policy allows 3 in all."],
    ["TooManyOperationsInWindow", [4n, 3n], "It would be operation 4 in the window, which has room for 3."],
    ["PayeeNotAllowed", [stranger], `${stranger} may not be paid or called under this policy.`],
    ["PaymasterNotAllowed", [stranger], `The policy does not let ${stranger} pay the gas.`],
    ["ApproverNotAllowed", [stranger], `${stranger} is no approver of the policy.`],
    ["ApprovalExpired", [9n, 8n], "The approval holds until 8 and the claim ends at 9."],
    ["ApprovalUsed", ["0x12"], "The approval has served an operation already."],
    ["ApprovalNotRecorded", ["0x12"], "The approver has neither signed nor recorded the approval."],
    ["CallCountNotAllowed", [17n], "these are 17."],
    ["FunctionNotAllowed", ["0x12345678"], "The policy does not allow the function 0x12345678 of USDC."],
    [
      "RuleNotAllowed",
      [stranger, "0x12345678"],
      `No rule of the policy allows to call 0x12345678 of ${stranger}.`,
    ],
    ["ArgumentNotAllowed", [2n, "0x00"], "Word 2 of a call's arguments breaks a condition of its rule"],
    ["Panic", [0x11n], "The chain refuses it: Panic (17)."],
    ["LaneNotAllowed", ["0xab", "0xcd"], "The chain refuses it: LaneNotAllowed (0xab, 0xcd)."],
    ["Unreadable", [], "The chain refuses it: Unreadable."],
  ])("says of %s (%s): %s", (error, args, said) => expect(words(error, ...args)).toContain(said));

  it("says what keeps a payment back beside the law", () => {
    const reasons = [
      approvalReason(60_000_000n, limit),
      unfundedReason(2n * 10n ** 15n, 10n ** 15n),
      balanceReason(60_000_000n, 59_990_000n, limit),
    ];
    expect(reasons.map(({ code, words: said }) => `${code}: ${said}`)).toEqual([
      "needs-approval: 60.00 USDC is over the 42.50 USDC allowed per payment, so an approver has to co-sign.",
      "gas-unfunded: Gas would cost about 0.002 ETH and the account has 0.001 ETH to pay it from.",
      "balance: The account holds 59.99 USDC, less than 60.00 USDC.",
    ]);
    expect(new Set(reasons.map(({ enforcedBy }) => enforcedBy))).toEqual(new Set(["chain"]));
  });

  it("says why a grant is not live", () => {
    const of = (part: Partial<typeof fresh>, epoch = 3) =>
      reasonOf(refusal("NotGranted"), {
        ...subject,
        usage: { counters: { ...fresh, ...part }, epoch, frozen: false },
      }).words;
    expect(of({}, 4)).toBe("The owner has revoked everything granted before.");
    expect(of({ status: "revoked" }, 4)).toBe("The USDC limit is revoked on this account.");
    expect(of({ status: "unknown" })).toBe("The USDC limit is not installed on this account.");
  });

  it("says what all agents spent of a cap, where the cap is known", () => {
    const cap = changeCap(0n, { perWindow: 50_000_000n, bucket: 300n }, now) as bigint;
    const word = cap | ((now / 300n) << 128n) | 1_000n;
    expect(reasonOf(refusal("OverCap"), { ...subject, chain: { cap: word } }).words).toBe(
      "42.50 USDC on top of 1.00 USDC that all agents spent crosses the account's cap of 50.00 USDC.",
    );
    expect(words("OverCap")).toBe("The account's cap over all agents would be crossed.");
  });
});
