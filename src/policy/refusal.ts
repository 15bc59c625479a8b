import type { Hex } from "viem";

/**
 * What the law can say no with: the errors of contracts/interfaces/ISpendPolicy.sol that an operation or an owner's change
 * can meet, and three that are not its own: ERC-7579's decoder, Solidity's `Panic`, and `Unreadable` for bytes that
 * Solidity can't decode (it reverts without a word).
 */
export type LawError =
  | "AlreadyGranted"
  | "AlreadyRevoked"
  | "AmbiguousCall"
  | "ApprovalExpired"
  | "ApprovalNotRecorded"
  | "ApprovalUsed"
  | "ApproverNotAllowed"
  | "ArgumentNotAllowed"
  | "AssetDiffers"
  | "AssetNotAllowed"
  | "BucketTooShort"
  | "CallCountNotAllowed"
  | "CallNotAllowed"
  | "CapNotRepresentable"
  | "ClaimTooLong"
  | "ClaimWithoutEnd"
  | "EpochExhausted"
  | "ERC7579DecodingError"
  | "Expired"
  | "Frozen"
  | "FunctionNotAllowed"
  | "HeartbeatMissed"
  | "LaneNotAllowed"
  | "MalformedSignature"
  | "NotGranted"
  | "OverCap"
  | "OverFeeCap"
  | "OverGasBudget"
  | "OverLifetime"
  | "OverPerCall"
  | "OverWindow"
  | "Panic"
  | "PayeeNotAllowed"
  | "PaymasterNotAllowed"
  | "RuleNotAllowed"
  | "StaleSize"
  | "TermsNotCanonical"
  | "TermsNotRepresentable"
  | "TooManyOperations"
  | "TooManyOperationsInWindow"
  | "Unreadable"
  | "WindowTooOld"
  | "ZeroAgent";

/** One reason of the law, with the numbers that the contract's error carries, in its order. Hex is in lower case. */
export type Refusal = { readonly error: LawError; readonly args: readonly (bigint | Hex)[] };

export const refusal = (error: LawError, ...args: readonly (bigint | Hex)[]): Refusal => ({ error, args });

export const isRefusal = (value: object | bigint): value is Refusal =>
  typeof value === "object" && "error" in value;
