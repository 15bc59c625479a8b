import { keccak256, zeroAddress, type Address, type Hex } from "viem";
import { describe, expect, it } from "vitest";

import { packTerms, unitsOf, type Grant } from "../../../src/policy/grant.ts";
import { law, lawReasons, readOperation, signatureKind, type LawOperation } from "../../../src/policy/law.ts";
import { payeeTree } from "../../../src/policy/payeeTree.ts";
import { isRefusal } from "../../../src/policy/refusal.ts";
import type { Request } from "../../../src/policy/request.ts";
import {
  account,
  acme,
  base,
  extended,
  grant,
  limit,
  named,
  now,
  policy,
  ruled,
  stateOf,
  stranger,
  told,
  transfer,
} from "./operations.ts";

/** In mixed case, as people write it. */
const paymaster = policy.payees[1]!.address;
const lowerPaymaster = paymaster.toLowerCase() as Address;
const answer = (operation: LawOperation) => told(law(operation, stateOf()));
/** What is read of an operation that can be read. */
function read(operation: LawOperation): Request {
  const request = readOperation(operation, account);
  if (isRefusal(request)) throw new Error(request.error);
  return request;
}
const lengthened = (operation: LawOperation, signatureLength: bigint) =>
  answer({ ...operation, bytes: { signatureLength, tail: "whole" } });

describe("a claim", () => {
  it("is at most five minutes long and has an end", () => {
    expect(answer({ ...base, claim: { validAfter: now - 1n, validUntil: now + 300n } })).toEqual([
      "ClaimTooLong",
      301n,
      300n,
    ]);
    expect(answer({ ...base, claim: { validAfter: 0n, validUntil: 0n } })).toEqual(["ClaimWithoutEnd"]);
    expect(answer({ ...base, claim: { validAfter: now, validUntil: now } })).toEqual(["allow"]);
  });
});

describe("a short signature", () => {
  it("has no paymaster, whoever it is", () => {
    expect(answer({ ...base, paymaster })).toEqual(["PaymasterNotAllowed", lowerPaymaster]);
    expect(answer({ ...base, named: extended({ paymaster }), paymaster })).toEqual([
      "PaymasterNotAllowed",
      lowerPaymaster,
    ]);
  });

  it("is as long as its kind and its path make it", () => {
    expect(lengthened(base, 150n)).toEqual(["MalformedSignature", 150n]);
    expect(lengthened(base, 151n)).toEqual(["allow"]);
    expect(lengthened(base, 152n)).toEqual(["MalformedSignature", 152n]);
    expect(lengthened(base, 183n)).toEqual(["allow"]);
    const inside = { ...base, kind: signatureKind.grantInside };
    expect(lengthened(inside, 214n)).toEqual(["MalformedSignature", 214n]);
    expect(lengthened(inside, 215n)).toEqual(["AlreadyGranted", limit.policyId]);
    expect(lengthened(inside, 183n)).toEqual(["MalformedSignature", 183n]);
    expect(lengthened(inside, 247n)).toEqual(["AlreadyGranted", limit.policyId]);
  });

  it("that is too short is malformed before anything else is read", () => {
    const claim = { validAfter: now - 1n, validUntil: now + 300n };
    expect(lengthened({ ...base, claim }, 150n)).toEqual(["MalformedSignature", 150n]);
    expect(lengthened({ ...base, claim }, 151n)[0]).toBe("ClaimTooLong");
    expect(lengthened(ruled({}), 150n)).toEqual(["MalformedSignature", 150n]);
  });

  it("over calls that can't be read is refused for that one reason", () => {
    const unread = { ...base, callData: "0x1234" as Hex, prefundWei: grant.feeCap + 1n };
    expect(law(unread, stateOf())).toEqual({ kind: "refuse", error: "CallNotAllowed", args: [] });
    expect(lawReasons(unread, stateOf())).toEqual([{ error: "CallNotAllowed", args: [] }]);
  });

  it("of a kind that there is not is malformed, after what can't be read", () => {
    for (const kind of [0, 5]) expect(answer({ ...base, kind })).toEqual(["MalformedSignature", 183n]);
    expect(answer({ ...base, kind: 5, callData: "0x1234" })).toEqual(["CallNotAllowed"]);
  });

  it("installs the grant only if the owner's signature is inside", () => {
    expect(read(base).installs).toBeNull();
    const inside = { ...base, kind: signatureKind.grantInside };
    expect(read(inside)).toMatchObject({ installs: 64n, ruled: false, approval: null });
    expect(told(law(inside, stateOf({ status: "unknown", epoch: 0 })))).toEqual(["allow"]);
  });

  it("names the grant that the call leads to: its asset, its payees, and no extras", () => {
    expect(read(base)).toMatchObject({ policyId: limit.policyId, grant });
    const upper = { ...base, named: named({ asset: grant.asset.toLowerCase() as Address }) };
    expect(read(upper).grant).toBe(upper.named.grant);
    const otherAsset = read({ ...base, named: named({ asset: stranger }) });
    expect(otherAsset.grant.asset).toBe(grant.asset.toLowerCase());
    expect(otherAsset.policyId).toBe(limit.policyId);
    expect(read({ ...base, named: extended({ operations: 1n }) }).policyId).toBe(limit.policyId);
    const otherPayee = read({ ...base, callData: transfer(stranger, 1n), payeePath: [] });
    expect(otherPayee.grant.payees).toBe(payeeTree([stranger]).root);
    expect(otherPayee.policyId).toBe(named({ payees: payeeTree([stranger]).root }).policyId);
  });

  it("is read with its amount, its payee and the hash of its callData", () => {
    const amount = { ...base, prefundWei: 7n };
    expect(read(amount)).toMatchObject({
      amountUnits: 42_500_000n,
      touched: [acme.toLowerCase()],
      callHash: keccak256(base.callData),
      feeWei: 7n,
      treeSize: 2n,
      ruled: false,
    });
  });
});

describe("a decision without a call", () => {
  const empty: LawOperation = { ...base, kind: signatureKind.empty, callData: "0x", payeePath: [] };
  it("pays and touches nothing, and leaves no note", () => {
    expect(law(empty, stateOf())).toMatchObject({ kind: "allow", amountUnits: 0n, note: null });
    expect(read(empty)).toMatchObject({ touched: [], installs: null, policyId: limit.policyId });
  });
  it("has no callData and one length", () => {
    expect(answer({ ...empty, callData: base.callData })).toEqual(["CallNotAllowed"]);
    for (const length of [151n, 202n, 204n])
      expect(lengthened(empty, length)).toEqual(["MalformedSignature", length]);
    expect(lengthened(empty, 203n)).toEqual(["allow"]);
  });
  it("is of the grant that it names, without extras", () => {
    expect(read({ ...empty, named: extended({ heartbeat: 1n }) }).policyId).toBe(limit.policyId);
    expect(read({ ...empty, named: named({ asset: stranger }) }).grant.asset).toBe(stranger);
  });
});

describe("a long signature", () => {
  it("whose tail is broken can't be read", () => {
    const bytes = { signatureLength: 1_000n, tail: "broken" } as const;
    expect(answer({ ...ruled({}), bytes })).toEqual(["Unreadable"]);
    expect(answer({ ...ruled({}), bytes: { ...bytes, tail: "whole" } })).toEqual(["allow"]);
  });

  it("is sponsored by the grant's paymaster or by nobody, and then costs the grant no gas", () => {
    const sponsored = { ...ruled({ paymaster }), paymaster, prefundWei: grant.gasBudget + 1n };
    expect(answer(sponsored)).toEqual(["allow"]);
    expect(answer({ ...sponsored, paymaster: lowerPaymaster })).toEqual(["allow"]);
    expect(read(sponsored).feeWei).toBe(0n);
    expect(answer({ ...sponsored, paymaster: null })[0]).toBe("OverFeeCap");
    expect(answer({ ...ruled({}), paymaster })).toEqual(["PaymasterNotAllowed", lowerPaymaster]);
    expect(answer({ ...ruled({}), paymaster: zeroAddress })).toEqual(["PaymasterNotAllowed", zeroAddress]);
  });

  it("without a call proves nothing", () => {
    const empty = { ...ruled({ operations: 1n }), callData: "0x" as Hex };
    expect(answer(empty)).toEqual(["CallCountNotAllowed", 0n]);
    expect(law({ ...empty, proofs: [] }, stateOf())).toMatchObject({
      kind: "allow",
      amountUnits: 0n,
      operations: 0n,
      note: null,
    });
  });

  it("has an approval only with an approver, and installs only with the owner's signature", () => {
    const approval = { approver: stranger, path: [], nonce: 0n, deadline: 0n, signatureLength: 0n };
    expect(read({ ...ruled({}), approval }).approval).toBe(approval);
    expect(read({ ...ruled({}), approval: { ...approval, approver: zeroAddress } }).approval).toBeNull();
    expect(read(ruled({})).installs).toBeNull();
    expect(read({ ...ruled({}), ownerSignatureLength: 65n }).installs).toBe(65n);
  });

  it("names the grant as it is, and refuses what its calls do beyond it", () => {
    const operation = ruled({ operations: 1n });
    expect(read(operation)).toMatchObject({ policyId: operation.named.policyId, ruled: true });
    expect(read(operation).touched).toEqual([acme.toLowerCase()]);
    expect(answer({ ...operation, callData: "0x00" })).toEqual(["CallNotAllowed"]);
  });
});

describe("the terms of a signature", () => {
  const small = {
    perCall: 65_535n,
    perWindow: 65_535n,
    lifetime: 16_777_215n,
    gasBudget: 16_777_215n,
    feeCap: 9n,
  };
  const answerOf = (part: Partial<Grant>, units = unitsOf({ ...grant, ...part })!) =>
    answer({ ...base, named: { ...named(part), units } })[0];

  it("are kept in the smallest unit, which may be one", () => {
    expect(answerOf(small)).not.toBe("TermsNotCanonical");
    expect(answerOf({ perCall: 1n, perWindow: 1n, lifetime: 1n, gasBudget: 1n, feeCap: 1n })).not.toBe(
      "TermsNotCanonical",
    );
  });

  it.each<Partial<Grant>>([
    { perCall: 65_540n },
    { perWindow: 65_540n },
    { lifetime: 16_777_220n },
    { gasBudget: 16_777_220n },
    { feeCap: 16_777_220n },
  ])("need the larger unit for one amount that needs it: %o", (part) => {
    const none = { perCall: 0n, perWindow: 0n, lifetime: 0n, gasBudget: 0n, feeCap: 0n };
    const units = { exponent: 1, gasExponent: 0 };
    const gasUnits = { exponent: 0, gasExponent: 1 };
    const own = "gasBudget" in part || "feeCap" in part ? gasUnits : units;
    expect(answerOf({ ...none, ...part }, own)).not.toBe("TermsNotCanonical");
    const less = Object.fromEntries(
      Object.entries(part).map(([key, value]) => [key, BigInt(value as bigint) - 10n]),
    );
    expect(answerOf({ ...none, ...less }, own)).toBe("TermsNotCanonical");
  });

  it("in a coarser unit are refused as they came", () => {
    const units = { exponent: limit.units.exponent + 1, gasExponent: limit.units.gasExponent };
    const terms = packTerms(grant, units);
    expect(answer({ ...base, named: { ...limit, units } })).toEqual(["TermsNotCanonical", terms]);
  });
});

describe("the lane of a nonce", () => {
  it("is the agent in the low 160 bits of its key", () => {
    expect(answer({ ...base, nonceKey: BigInt(grant.agent) + (1n << 160n) })).toEqual(["allow"]);
    expect(answer({ ...base, nonceKey: 0n })).toEqual([
      "LaneNotAllowed",
      zeroAddress,
      grant.agent.toLowerCase(),
    ]);
    expect(answer({ ...base, nonceKey: 0xbbn })).toEqual([
      "LaneNotAllowed",
      stranger,
      grant.agent.toLowerCase(),
    ]);
  });
});
