import type { LawError } from "../../src/policy/refusal.ts";

/** Whether an agent's operation can meet an error in validation, or only an owner's change. */
const meets: Readonly<Record<LawError, "operation" | "change">> = {
  AlreadyGranted: "operation",
  AlreadyRevoked: "operation",
  AmbiguousCall: "operation",
  ApprovalExpired: "operation",
  ApprovalNotRecorded: "operation",
  ApprovalUsed: "operation",
  ApproverNotAllowed: "operation",
  ArgumentNotAllowed: "operation",
  AssetDiffers: "change",
  AssetNotAllowed: "operation",
  BucketTooShort: "operation",
  CallCountNotAllowed: "operation",
  CallNotAllowed: "operation",
  CapNotRepresentable: "change",
  ClaimTooLong: "operation",
  ClaimWithoutEnd: "operation",
  EpochExhausted: "change",
  ERC7579DecodingError: "operation",
  Expired: "operation",
  Frozen: "operation",
  FunctionNotAllowed: "operation",
  HeartbeatMissed: "operation",
  LaneNotAllowed: "operation",
  MalformedSignature: "operation",
  NotGranted: "operation",
  OverCap: "operation",
  OverFeeCap: "operation",
  OverGasBudget: "operation",
  OverLifetime: "operation",
  OverPerCall: "operation",
  OverWindow: "operation",
  Panic: "operation",
  PayeeNotAllowed: "operation",
  PaymasterNotAllowed: "operation",
  RuleNotAllowed: "operation",
  StaleSize: "operation",
  TermsNotCanonical: "operation",
  TermsNotRepresentable: "operation",
  TooManyOperations: "operation",
  TooManyOperationsInWindow: "operation",
  Unreadable: "operation",
  WindowTooOld: "operation",
  ZeroAgent: "operation",
};

/** Errors of ISpendPolicy.sol that neither can meet here: they are about who calls, or about a real signature. */
export const elsewhere: readonly string[] = ["NoDecisionLog", "NotOwner", "NotGuardian", "WrongSigner"];

/** What operations should have met and did not: a generator that never gets to an error proves nothing about it. */
export const missingAnswers = (answers: Readonly<Record<string, number>>): readonly string[] =>
  [...Object.keys(meets).filter((name) => meets[name as LawError] === "operation"), "allowed"].filter(
    (name) => (answers[name] ?? 0) === 0,
  );

export const lawErrors: readonly string[] = Object.keys(meets);
