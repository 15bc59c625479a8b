import { encodeFunctionData, erc20Abi, type Address, type Hex } from "viem";

import { limitFor } from "../../../src/policy/compile.ts";
import { encodeExecution } from "../../../src/policy/execution.ts";
import { policyIdOf, type Extras, type Grant } from "../../../src/policy/grant.ts";
import { signatureKind, type LawAnswer, type LawOperation } from "../../../src/policy/law.ts";
import { payeeProof } from "../../../src/policy/payeeTree.ts";
import type { LawState } from "../../../src/policy/request.ts";
import { encodeCounters, type Counters } from "../../../src/policy/usage.ts";
import { compiled } from "./documents.ts";

export const policy = compiled();
/** 42.50, 250 and 5000 USDC in units of 10^4: 4,250 25,000 500,000. Buckets of four hours. */
export const limit = limitFor(policy, "USDC")!;
export const { grant } = limit;
export const bucket = 14_400n;
export const now = 125_000n * bucket;
export const account: Address = "0x00000000000000000000000000000000000000aa";
export const stranger: Address = "0x00000000000000000000000000000000000000bb";
export const acme = policy.payees[0]!.address;

/** Granted a moment ago, and nothing spent. */
export const fresh: Counters = {
  ring: [0, 0, 0, 0, 0, 0, 0, 0],
  newestBucket: 125_000,
  lifetime: 0,
  gas: 0,
  treeSize: 1,
  epoch: 3,
  status: "granted",
};
export const stateOf = (part: Partial<Counters> = {}, rest: Partial<LawState> = {}): LawState => ({
  account,
  ownParts: [],
  epoch: 3n,
  frozen: false,
  heartbeat: 0n,
  counters: () => encodeCounters({ ...fresh, ...part }),
  operations: () => 0n,
  cap: () => 0n,
  approval: () => "none",
  noted: () => null,
  ...rest,
});

export const oneCall = (to: Address, data: Hex, valueWei = 0n): Hex =>
  encodeExecution({ batch: false, calls: [{ to, valueWei, data }] });
export const transferData = (to: Address, amount: bigint): Hex =>
  encodeFunctionData({ abi: erc20Abi, functionName: "transfer", args: [to, amount] });
export const transfer = (to: Address, amount: bigint): Hex => oneCall(grant.asset, transferData(to, amount));

/** A payment that spends the cap per call to its end, with a short signature. */
export const base: LawOperation = {
  kind: signatureKind.steady,
  named: limit,
  claim: { validAfter: now, validUntil: now + 300n },
  treeSize: 2n,
  prefundWei: 0n,
  paymaster: null,
  nonceKey: BigInt(grant.agent),
  callData: transfer(acme, 42_500_000n),
  payeePath: payeeProof(policy.payeeTree, acme)!,
  proofs: [],
  approval: null,
  ownerSignatureLength: 0n,
};
/** The grant with other terms, under its own name. */
export const named = (part: Partial<Grant>) => {
  const changed = { ...grant, ...part };
  return { ...limit, grant: changed, policyId: policyIdOf(changed) };
};
export const extended = (part: Partial<Extras>) => named({ extras: { ...grant.extras, ...part } });
/** The same payment as an operation of kind 4 of a grant with extras. */
export const ruled = (part: Partial<Extras>): LawOperation => ({
  ...base,
  kind: signatureKind.ruled,
  named: extended(part),
  proofs: [{ path: base.payeePath, rule: null }],
});

/** The error and its arguments; "allow" alone if there is none. */
export const told = (answer: LawAnswer): readonly unknown[] =>
  answer.kind === "allow" ? ["allow"] : [answer.error, ...answer.args];
