import { encodeAbiParameters, keccak256, toHex, type Address, type Hex } from "viem";

import { decodeCap } from "./cap.ts";
import { extrasFit, type Grant, type GrantUnits } from "./grant.ts";
import { payeeRoot } from "./payeeTree.ts";
import { refusal, type Refusal } from "./refusal.ts";
import type { LawState, NamedGrant, Request, SentApproval } from "./request.ts";
import { aboveRing, chargeWindow, field, windowAt } from "./window.ts";

/** Fields of a counters word above its ring, as in contracts/libraries/Counters.sol. */
const spentAt = aboveRing;
const gasAt = 176n;
const sizeAt = 200n;
const epochAt = 232n;
const statusAt = 248n;

/** Longest claim and shortest bucket in seconds. */
export const longestClaim = 300n;

/** The words of the account after an operation that the law allows. */
export type Words = {
  readonly counters: bigint;
  readonly operations: bigint;
  /** Of the grant's asset. */
  readonly cap: bigint;
  /** hashStruct of the approval that is used up now. */
  readonly approval: Hex | null;
  /** callHash that the rest of the bundle will find noted for this policy. */
  readonly note: Hex | null;
};

/** An amount in whole units, rounded up: what is charged. */
export const unitsUp = (amount: bigint, unit: bigint): bigint => (amount + unit - 1n) / unit;

export const unitOf = ({ exponent }: GrantUnits): bigint => 10n ** BigInt(exponent);
export const gasUnitOf = ({ gasExponent }: GrantUnits): bigint => 10n ** BigInt(gasExponent);

export const isLive = (word: bigint, epoch: bigint): boolean => word >> epochAt === ((1n << 16n) | epoch);
export const granted = (word: bigint, epoch: bigint): bigint =>
  field(word, 0n, epochAt) | (epoch << epochAt) | (1n << statusAt);
export const revoked = (word: bigint): bigint => field(word, 0n, statusAt) | (2n << statusAt);
export const statusOf = (word: bigint): bigint => word >> statusAt;

/**
 * Every reason for which the law refuses an operation that was read, in the contract's order; the first is the one it
 * reverts with. Returns the words afterwards, which count only if there was no reason.
 */
export function* meterOperation(request: Request, state: LawState): Generator<Refusal, Words | undefined> {
  const { grant, policyId, ruled, touched } = request;
  const payees = unpayable(touched, state);
  if (ruled) yield* payees;
  if (state.frozen) yield refusal("Frozen");
  let counters = state.counters(policyId);
  if (request.installs !== null) {
    if (ruled && request.installs !== 64n) yield refusal("MalformedSignature", request.installs);
    if (ruled && !extrasFit(grant.extras)) yield refusal("TermsNotRepresentable");
    yield* installRefusals(request, counters, state);
    counters = granted(counters, state.epoch);
  } else if (!isLive(counters, state.epoch)) yield refusal("NotGranted", policyId);
  // No such grant can be live, and there is no arithmetic with it.
  if (grant.bucket < longestClaim) return undefined;
  if (ruled && grant.extras.heartbeat !== 0n) {
    // Before the first one nothing is allowed.
    const allowed = state.heartbeat === 0n ? 0n : state.heartbeat + grant.extras.heartbeat;
    if (request.claim.validUntil > allowed)
      yield refusal("HeartbeatMissed", request.claim.validUntil, allowed);
  }
  counters = yield* meterGrant(request, counters);
  let operations = state.operations(policyId);
  let cap = state.cap(lower(grant.asset));
  if (touched.length > 0) {
    if (ruled) operations = yield* countOperation(request, operations);
    cap = yield* meterCap(request, cap);
    if (!ruled) yield* payees;
    const other = state.noted(request.callHash);
    if (other !== null && other !== policyId) yield refusal("AmbiguousCall", request.callHash);
  }
  const approval = request.approval ? yield* useApproval(request, request.approval, state) : null;
  const agent = lower(grant.agent);
  if (lower(request.lane) !== agent) yield refusal("LaneNotAllowed", lower(request.lane), agent);
  return { counters, operations, cap, approval, note: touched.length > 0 ? request.callHash : null };
}

/** Most that one operation may pay: an approval lifts the cap per call, and nothing else. */
export function perCallOf({ perCall, perWindow, extras }: Grant, approved: boolean): bigint {
  const ceiling = extras.ceiling > perWindow ? perWindow : extras.ceiling;
  return approved && ceiling > perCall ? ceiling : perCall;
}

/** Twin of `PolicyBook._install` and `SpendPolicy.install`. */
export function* installRefusals(
  { grant, policyId }: NamedGrant,
  counters: bigint,
  state: LawState,
): Generator<Refusal, void> {
  if (isOwnPart(grant.asset, state)) yield refusal("AssetNotAllowed", lower(grant.asset));
  if (BigInt(grant.agent) === 0n) yield refusal("ZeroAgent");
  if (grant.bucket < longestClaim) yield refusal("BucketTooShort", grant.bucket, longestClaim);
  if (statusOf(counters) === 2n) yield refusal("AlreadyRevoked", policyId);
  if (isLive(counters, state.epoch)) yield refusal("AlreadyGranted", policyId);
}

/** EIP-712 hashStruct(Approval). */
export const approvalHash = (
  approval: Pick<SentApproval, "approver" | "nonce" | "deadline">,
  policyId: Hex,
  callHash: Hex,
): Hex =>
  keccak256(
    encodeAbiParameters(
      [
        { type: "bytes32" },
        { type: "address" },
        { type: "bytes32" },
        { type: "bytes32" },
        { type: "uint256" },
        { type: "uint256" },
      ],
      [approvalTypehash, approval.approver, policyId, callHash, approval.nonce, approval.deadline],
    ),
  );

const approvalTypehash = keccak256(
  toHex("Approval(address approver,bytes32 policyId,bytes32 callHash,uint256 nonce,uint256 deadline)"),
);

function* unpayable(touched: readonly Address[], state: LawState): Generator<Refusal, void> {
  for (const address of touched)
    if (BigInt(address) === 0n || isOwnPart(address, state)) yield refusal("PayeeNotAllowed", lower(address));
}

/** Twin of `SpendPolicy.meter`. */
function* meterGrant(request: Request, before: bigint): Generator<Refusal, bigint> {
  const { grant, units, claim, feeWei, amountUnits, treeSize } = request;
  if (claim.validUntil > grant.expiry) yield refusal("Expired", claim.validUntil, grant.expiry);
  if (feeWei > grant.feeCap) yield refusal("OverFeeCap", feeWei, grant.feeCap);

  const stored = field(before, sizeAt, 32n);
  if (treeSize <= stored) yield refusal("StaleSize", treeSize, stored);
  let word = before + ((treeSize - stored) << sizeAt);

  const gasUnit = gasUnitOf(units);
  const gas = unitsUp(feeWei, gasUnit);
  const gasTotal = (field(before, gasAt, 24n) + gas) * gasUnit;
  if (gasTotal > grant.gasBudget) yield refusal("OverGasBudget", gasTotal, grant.gasBudget);
  word += gas << gasAt;
  if (request.touched.length === 0) return word;

  const perCall = perCallOf(grant, request.approval !== null);
  if (amountUnits > perCall) yield refusal("OverPerCall", amountUnits, perCall);
  const unit = unitOf(units);
  const charge = unitsUp(amountUnits, unit);
  const total = (field(before, spentAt, 24n) + charge) * unit;
  if (total > grant.lifetime) yield refusal("OverLifetime", total, grant.lifetime);
  word += charge << spentAt;

  const window = windowAt(before, claim, grant.bucket);
  if (window.tooOld) yield refusal("WindowTooOld", window.tooOld.actual, window.tooOld.allowed);
  else if ((window.spent + charge) * unit > grant.perWindow)
    yield refusal("OverWindow", (window.spent + charge) * unit, grant.perWindow);
  return chargeWindow(word, window, charge);
}

/** Twin of `Counters.countOperation`. */
function* countOperation({ grant, claim }: Request, before: bigint): Generator<Refusal, bigint> {
  const { operations, operationsPerWindow } = grant.extras;
  let word = before;
  if (operations !== 0n) {
    const total = field(word, spentAt, 24n) + 1n;
    if (total > operations) yield refusal("TooManyOperations", total, operations);
    word += 1n << spentAt;
  }
  if (operationsPerWindow === 0n) return word;
  const window = windowAt(word, claim, grant.bucket);
  const count = window.spent + 1n;
  if (window.tooOld) yield refusal("WindowTooOld", window.tooOld.actual, window.tooOld.allowed);
  else if (count > operationsPerWindow)
    yield refusal("TooManyOperationsInWindow", count, operationsPerWindow);
  return chargeWindow(word, window, 1n);
}

/** Twin of `Caps.charge`. */
function* meterCap({ grant, claim, amountUnits }: Request, word: bigint): Generator<Refusal, bigint> {
  const cap = decodeCap(word);
  if (!cap) return word;
  const charge = unitsUp(amountUnits, cap.unit);
  const window = windowAt(word, claim, cap.bucket);
  const total = (window.spent + charge) * cap.unit;
  if (window.tooOld) yield refusal("WindowTooOld", window.tooOld.actual, window.tooOld.allowed);
  else if (total > cap.perWindow) yield refusal("OverCap", lower(grant.asset), total, cap.perWindow);
  return chargeWindow(word, window, charge);
}

/** Twin of `PolicyBook._useApproval`; signatures are whoever signs' to look at. */
function* useApproval(request: Request, approval: SentApproval, state: LawState): Generator<Refusal, Hex> {
  const { grant, claim, policyId, callHash } = request;
  const { approver, deadline, path, signatureLength } = approval;
  if (payeeRoot(approver, path) !== grant.extras.approvers)
    yield refusal("ApproverNotAllowed", lower(approver));
  if (claim.validUntil > deadline) yield refusal("ApprovalExpired", claim.validUntil, deadline);
  const hash = approvalHash(approval, policyId, callHash);
  const known = state.approval(hash);
  if (known === "used") yield refusal("ApprovalUsed", hash);
  else if (signatureLength === 0n && known !== "recorded") yield refusal("ApprovalNotRecorded", hash);
  if (signatureLength !== 0n && signatureLength !== 64n) yield refusal("MalformedSignature", signatureLength);
  return hash;
}

const isOwnPart = (address: Address, { account, ownParts }: LawState): boolean =>
  lower(address) === lower(account) || ownParts.includes(lower(address));

const lower = (address: Address): Address => address.toLowerCase() as Address;
