import { keccak256, type Address, type Hex } from "viem";

import { isPlain, packTerms, plainExtras, policyIdOf } from "./grant.ts";
import { longestClaim, meterOperation, type Words } from "./meter.ts";
import { measureCalls, readPayment, type CallProof } from "./measureCalls.ts";
import { payeeRoot } from "./payeeTree.ts";
import { isRefusal, refusal, type Refusal } from "./refusal.ts";
import type { LawState, NamedGrant, Request, SentApproval } from "./request.ts";
import type { Claim } from "./window.ts";

/** First byte of an agent's signature: contracts/interfaces/ISpendPolicy.sol, "Signature". */
export const signatureKind = { steady: 1, grantInside: 2, empty: 3, ruled: 4 } as const;

/** An agent's operation with everything that the law looks at, signatures aside. */
export type LawOperation = {
  /** First byte of the signature; one of `signatureKind`, or what no account takes. */
  readonly kind: number;
  /** The grant whose terms the signature carries. What it names in the end follows from the calls too. */
  readonly named: NamedGrant;
  readonly claim: Claim;
  readonly treeSize: bigint;
  /** Required prefund: all gas limits at the highest price, in wei. */
  readonly prefundWei: bigint;
  readonly paymaster: Address | null;
  /** The nonce's key, 192 bits. */
  readonly nonceKey: bigint;
  readonly callData: Hex;
  /** Kinds 1 and 2: siblings from the payee up to the grant's payees. */
  readonly payeePath: readonly Hex[];
  /** Kind 4: one for each call. */
  readonly proofs: readonly CallProof[];
  readonly approval: SentApproval | null;
  /** Kind 4: length in bytes of the owner's `Install` that is sent along; 0: none. */
  readonly ownerSignatureLength: bigint;
  /** Bytes that are not what the rest of this comes to: their length, and whether the tail of kind 4 can be decoded. */
  readonly bytes?: { readonly signatureLength: bigint; readonly tail: "whole" | "broken" };
};

export type LawAnswer =
  | ({
      readonly kind: "allow";
      readonly policyId: Hex;
      readonly asset: Address;
      readonly amountUnits: bigint;
    } & Words)
  | ({ readonly kind: "refuse" } & Refusal);

/** Bytes of a signature in front of what its kind adds, and of kind 3 altogether. */
const headLength = 151n;
const emptyLength = 203n;

/**
 * Twin of `PolicyBook._validateAgent`: the words of the account afterwards, or the one error that it reverts with.
 * Bit for bit, signatures aside; `test/differential/` holds the two against each other.
 */
export function law(operation: LawOperation, state: LawState): LawAnswer {
  const request = readOperation(operation, state.account);
  if (isRefusal(request)) return { kind: "refuse", ...request };
  const { value, done } = meterOperation(request, state).next();
  if (done && value)
    return {
      kind: "allow",
      policyId: request.policyId,
      asset: lower(request.grant.asset),
      amountUnits: request.amountUnits,
      ...value,
    };
  return { kind: "refuse", ...(value as Refusal) };
}

/** All reasons for which the law refuses an operation, in its order. What can't be read has one. */
export function lawReasons(operation: LawOperation, state: LawState): readonly Refusal[] {
  const request = readOperation(operation, state.account);
  return isRefusal(request) ? [request] : [...meterOperation(request, state)];
}

/** Twin of `SpendPolicy.read` and `SpendPolicy.readRuled`: what the operation asks for, or why that can't be told. */
export function readOperation(operation: LawOperation, account: Address): Request | Refusal {
  const { claim, kind, named, paymaster } = operation;
  const ruled = kind === signatureKind.ruled;
  const length = operation.bytes?.signatureLength ?? headLength + lengthOfEnd(operation);
  if (!ruled && paymaster !== null) return refusal("PaymasterNotAllowed", lower(paymaster));
  if (length < headLength) return refusal("MalformedSignature", length);
  const span = claim.validUntil - claim.validAfter;
  if (span > longestClaim) return refusal("ClaimTooLong", span, longestClaim);
  if (claim.validUntil === 0n) return refusal("ClaimWithoutEnd");
  if (!isCanonical(named)) return refusal("TermsNotCanonical", packTerms(named.grant, named.units));
  const base = {
    ...named,
    claim,
    treeSize: operation.treeSize,
    feeWei: paymaster === null ? operation.prefundWei : 0n,
    ruled,
    callHash: keccak256(operation.callData),
    lane: addressOf(operation.nonceKey),
  };
  if (ruled) return readRuled(operation, base, account);
  const plain = { ...base, approval: null, installs: kind === signatureKind.grantInside ? 64n : null };
  if (kind === signatureKind.empty) {
    if (length !== emptyLength) return refusal("MalformedSignature", length);
    if (operation.callData !== "0x") return refusal("CallNotAllowed");
    return { ...plain, ...plainlyNamed(named, {}), amountUnits: 0n, touched: [] };
  }
  const payment = readPayment(operation.callData);
  if (isRefusal(payment)) return payment;
  const end = kind === signatureKind.grantInside ? length - 64n : length;
  const known = kind === signatureKind.grantInside || kind === signatureKind.steady;
  if (!known || end < headLength || (end - headLength) % 32n !== 0n)
    return refusal("MalformedSignature", length);
  const { asset, payee, amount } = payment;
  const payees = payeeRoot(payee, operation.payeePath);
  return { ...plain, ...plainlyNamed(named, { asset, payees }), amountUnits: amount, touched: [payee] };
}

function readRuled(
  operation: LawOperation,
  base: Omit<Request, "amountUnits" | "touched" | "installs" | "approval">,
  account: Address,
): Request | Refusal {
  const { approval, callData, ownerSignatureLength, paymaster, proofs } = operation;
  const { grant } = base;
  if (operation.bytes?.tail === "broken") return refusal("Unreadable");
  if (paymaster !== null && (BigInt(paymaster) === 0n || lower(paymaster) !== lower(grant.extras.paymaster)))
    return refusal("PaymasterNotAllowed", lower(paymaster));
  const ruled = {
    ...base,
    approval: approval && BigInt(approval.approver) !== 0n ? approval : null,
    installs: ownerSignatureLength === 0n ? null : ownerSignatureLength,
  };
  if (callData === "0x")
    return proofs.length === 0
      ? { ...ruled, amountUnits: 0n, touched: [] }
      : refusal("CallCountNotAllowed", 0n);
  const measure = measureCalls(grant, callData, proofs, account);
  return isRefusal(measure) ? measure : { ...ruled, amountUnits: measure.amount, touched: measure.touched };
}

/** Bytes behind the head of a signature, for the kinds whose length the law checks. */
function lengthOfEnd({ kind, payeePath }: LawOperation): bigint {
  if (kind === signatureKind.empty) return emptyLength - headLength;
  return BigInt(payeePath.length) * 32n + (kind === signatureKind.grantInside ? 64n : 0n);
}

/** The plain grant that an operation names: asset and payees are those that its call leads to. */
function plainlyNamed(
  named: NamedGrant,
  { asset = named.grant.asset, payees = named.grant.payees }: { asset?: Address; payees?: Hex },
): NamedGrant {
  const { grant } = named;
  if (isPlain(grant) && lower(asset) === lower(grant.asset) && payees === grant.payees) return named;
  const other = { ...grant, asset, payees, extras: plainExtras };
  return { ...named, grant: other, policyId: policyIdOf(other) };
}

/** Twin of the check in `TermsLibrary.unpack`: no smaller exponents would do. */
function isCanonical({ grant, units }: NamedGrant): boolean {
  const fits = (amounts: readonly (readonly [bigint, bigint])[], exponent: number) =>
    exponent > 0 && amounts.every(([value, bits]) => (value / 10n ** BigInt(exponent)) * 10n < 1n << bits);
  const { perCall, perWindow, lifetime, gasBudget, feeCap } = grant;
  const amounts = [
    [perCall, 16n],
    [perWindow, 16n],
    [lifetime, 24n],
  ] as const;
  const gas = [
    [gasBudget, 24n],
    [feeCap, 24n],
  ] as const;
  return !fits(amounts, units.exponent) && !fits(gas, units.gasExponent);
}

const addressOf = (nonceKey: bigint): Address =>
  `0x${BigInt.asUintN(160, nonceKey).toString(16).padStart(40, "0")}`;

const lower = (address: Address): Address => address.toLowerCase() as Address;
