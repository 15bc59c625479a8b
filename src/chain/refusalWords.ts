import { formatUnitsExact } from "../core/amount.ts";

type Say = (...args: readonly unknown[]) => string;

const ofUnits: Say = (actual, allowed) => `${String(actual)} base units, ${String(allowed)} are allowed`;
const ofGas: Say = (actual, allowed) =>
  `${formatUnitsExact(actual as bigint, 18)} ETH, ${formatUnitsExact(allowed as bigint, 18)} ETH are allowed`;
/** The last millisecond that a date of JavaScript can be, in seconds. */
const lastDate = 8_640_000_000_000n;
const moment = (seconds: unknown): string =>
  (seconds as bigint) > lastDate ? String(seconds) : new Date(Number(seconds) * 1000).toISOString();
const ofTime: Say = (actual, allowed) => `the claim ends at ${moment(actual)}, allowed is ${moment(allowed)}`;

/** What every error of our contracts says, with its numbers in their units. By name, in the order of docs/contracts.md. */
const words: Readonly<Record<string, string | Say>> = {
  // The law, for whoever acts.
  OverPerCall: (...args) => `the payment is over the limit per payment: ${ofUnits(...args)}`,
  OverWindow: (...args) => `the payment would cross the rolling window's limit: ${ofUnits(...args)}`,
  OverLifetime: (...args) => `the payment would cross the lifetime limit: ${ofUnits(...args)}`,
  OverCap: (asset, ...args) =>
    `all agents of the account together would cross its cap on ${String(asset)}: ${ofUnits(...args)}`,
  OverGasBudget: (...args) => `the operation would cross the gas budget: ${ofGas(...args)}`,
  OverFeeCap: (...args) => `the operation costs more gas than one operation may: ${ofGas(...args)}`,
  TooManyOperations: (actual, allowed) =>
    `it would be operation ${String(actual)} of the policy, and ${String(allowed)} are allowed`,
  TooManyOperationsInWindow: (actual, allowed) =>
    `it would be operation ${String(actual)} of the rolling window, and ${String(allowed)} are allowed`,
  Expired: (...args) => `the policy has expired: ${ofTime(...args)}`,
  HeartbeatMissed: (...args) => `the owner has not been heard of for too long: ${ofTime(...args)}`,
  WindowTooOld: (actual, allowed) =>
    `the claim lies too far in the past: bucket ${String(actual)}, the oldest that still counts is ${String(allowed)}`,
  ClaimTooLong: (actual, allowed) =>
    `the claim spans ${String(actual)} seconds, ${String(allowed)} are allowed`,
  ClaimWithoutEnd: "the claim has no end",
  StaleSize: (actual, stored) =>
    `it carries no new decision: the decision tree has ${String(actual)} leaves, and ${String(stored)} were committed already`,
  NotGranted:
    "the policy does not allow it: not granted, revoked, or another payee, asset or term than was granted",
  Frozen: "the account is frozen",
  CallNotAllowed: "it is a call that no policy allows",
  CallCountNotAllowed: (calls) =>
    `it has ${String(calls)} calls; an operation has 1 to 16, with a proof each`,
  FunctionNotAllowed: (selector) => `the policy does not allow the function ${String(selector)} of its token`,
  RuleNotAllowed: (target, selector) =>
    `no rule of the policy allows the function ${String(selector)} of ${String(target)}`,
  ArgumentNotAllowed: (word, actual) =>
    `argument word ${String(word)} of a call is ${String(actual)}, which its rule does not allow`,
  PayeeNotAllowed: (payee) => `${String(payee)} is no payee of the policy, or nobody may be paid there`,
  PaymasterNotAllowed: (paymaster) =>
    `${String(paymaster)} may not pay the gas: the policy names another paymaster, or none`,
  LaneNotAllowed: (actual, allowed) =>
    `the nonce is in the lane of ${String(actual)}; this agent's is ${String(allowed)}`,
  AmbiguousCall: "another policy's operation with the same calls is in the same bundle",
  ApproverNotAllowed: (approver) => `${String(approver)} is no approver of the policy`,
  ApprovalExpired: (...args) => `the approval is no longer good: ${ofTime(...args)}`,
  ApprovalUsed: "the approval has served an operation already",
  ApprovalNotRecorded: "the approval has no signature and was not recorded on the account",
  MalformedSignature: (length) =>
    `the signature field (${String(length)} bytes) is none of an agent's kinds: it carries no policy terms and no decision commitment`,
  TermsNotCanonical: "the policy's numbers are not in the one encoding that counts",
  // The law, for whoever grants.
  TermsNotRepresentable: "the policy's numbers have too many digits for the chain's counters",
  BucketTooShort: (actual, allowed) =>
    `the window is too short: its sixth part has ${String(actual)} seconds, ${String(allowed)} are the least`,
  AlreadyGranted: (id) => `the policy ${String(id)} is granted already`,
  AlreadyRevoked: (id) => `the policy ${String(id)} was revoked for good: grant anew with another salt`,
  AssetNotAllowed: (asset) => `no policy can cover ${String(asset)}: it is a part of the account's own`,
  AssetDiffers: (one, other) =>
    `a policy replaces another only for the same asset, not ${String(one)} by ${String(other)}`,
  CapNotRepresentable: (perWindow, bucket) =>
    `a cap of ${String(perWindow)} base units with buckets of ${String(bucket)} seconds can't be kept: 65535 times a power of ten is the most, 300 seconds the least`,
  ZeroAgent: "a policy needs an agent",
  // Accounts and their owners.
  NotOwner: (caller) => `${String(caller)} is not the account's owner`,
  NotGuardian: (caller) => `${String(caller)} is neither a guardian of the account nor its owner`,
  NoDecisionLog: (log) => `there is no contract at ${String(log)} that could keep decisions`,
  NotEntryPoint: (caller) => `${String(caller)} is not the EntryPoint`,
  WrongSigner: (expected) => `the signature is not that of ${String(expected)}`,
  EpochExhausted: "the account's epoch is at its maximum: freeze it and move to another",
  AlreadyInitialized: "the account has its owner already",
  ZeroOwner: "an account needs an owner",
  ModeNotSupported: (mode) => `the account does not know the execution mode ${String(mode)}`,
  InstallDataNotAllowed: (length) =>
    `the module takes an owner's address, 20 bytes, or nothing; not ${String(length)} bytes`,
  // The decision log.
  SizeNotGrown: (actual, stored) =>
    `an anchored tree has to grow: ${String(actual)} leaves, ${String(stored)} are anchored`,
  SizeTooLarge: (actual, allowed) => `the tree has ${String(actual)} leaves, ${String(allowed)} are the most`,
  OtherSize: (actual, stored) =>
    `the proof is for ${String(actual)} leaves, and the newest anchored tree has ${String(stored)}`,
  NotLogged: "the decision is not in the tree that was anchored last",
  // Spending out of other accounts (contracts/interfaces/ISpendGrant.sol).
  NotAccount: (caller, account) => `only ${String(account)} may approve this, and ${String(caller)} asked`,
  NotAgent: (caller, agent) =>
    `only ${String(agent)} may spend under this grant, and ${String(caller)} asked`,
  NotAgentAccount: (agent) =>
    `${String(agent)} is no account of ours, so nothing says which of its agents is acting`,
  OtherAgentExecuting: (actual, allowed) =>
    BigInt(String(actual)) === 0n
      ? `the account is not executing a batch of ${String(allowed)}`
      : `the account is executing for ${String(actual)}, and the grant is for ${String(allowed)}`,
  AccountNotAllowed: (account) => `${String(account)} can't be the payer of a grant`,
  TokenNotAllowed: (token) => `there is no token at ${String(token)}`,
  LimitsNotAllowed: (...limits) =>
    `the limits are out of order: ${limits.map(String).join(", ")} base units at a time, in a window and in all`,
  LimitsNotRepresentable: (...limits) =>
    `the limits have too many digits to be counted together: ${limits.map(String).join(", ")} base units`,
  WindowNotAllowed: (window) =>
    `a window of ${String(window)} seconds can't be kept: multiples of 6 from 1800 to 7776000 can`,
  ValidityNotAllowed: (start, end) =>
    `a grant from ${moment(start)} to ${moment(end)} can't be made: 90 days are the most`,
  PayeesNotClear: (_count, anyPayee) =>
    anyPayee === true
      ? "the grant lists payees and lets anybody be paid"
      : "the grant lists no payees, and does not say that anybody may be paid",
  TooManyPayees: (actual, allowed) => `${String(actual)} payees, ${String(allowed)} are the most`,
  PayeesNotAscending: (index) => `the payees have to ascend, and number ${String(index)} does not`,
  OtherEpoch: (actual, current) =>
    `the grant is of the payer's epoch ${String(actual)}, and the payer is at ${String(current)}`,
  NotYetValid: (actual, allowed) => `it is ${moment(actual)}, and the grant begins after ${moment(allowed)}`,
  TookMore: (...args) => `the token took more from the payer than it was told: ${ofUnits(...args)}`,
  ArrivedLess: (actual, allowed) =>
    `less arrived than was sent: ${String(actual)} base units of ${String(allowed)}`,
  ReentrancyGuardReentrantCall: "somebody who was called amid a spend tried another one",
  AddressEmptyCode: (target) => `there is no contract at ${String(target)}`,
  // Spending under permissions of wallets (contracts/interfaces/IPermissionSpender.sol), and what enforces these.
  ContextNotAllowed: (payer) =>
    BigInt(String(payer)) === 0n
      ? "it is not one permission, given by the payer himself"
      : `it is no permission of ${String(payer)}`,
  PermissionNotAllowed: (delegate) =>
    `the permission is for ${String(delegate)}, and not for the contract that spends`,
  PermissionRevoked: (permission) => `the permission ${String(permission)} was revoked`,
  CannotUseADisabledDelegation: "the payer has taken the permission back",
  ECDSAInvalidSignatureLength: "the permission is not signed by a key",
  EmptySignature: "the permission is not signed",
  EnforcedPause: "the contract that enforces permissions is paused by its owner",
  InvalidAuthority: "the permission was handed on by somebody who may not",
  InvalidDelegate: "the permission is for somebody else",
  InvalidEOASignature: "the permission is not signed by the payer",
  InvalidERC1271Signature: "the permission is not signed by the payer",
  NotDelegationManager: "the payer's account obeys another contract than the one that was asked",
  // Tokens and coin.
  ERC20InsufficientBalance: (sender, balance, needed) =>
    `the account holds less of the token than it was to pay: ${String(balance)} base units in ${String(sender)}, ${String(needed)} needed`,
  ERC20InsufficientAllowance: (spender, allowance, needed) =>
    `${String(spender)} may take ${String(allowance)} base units, ${String(needed)} needed`,
  ERC20InvalidReceiver: "the token can't be sent to this address",
  SafeERC20FailedOperation: (token) => `the token ${String(token)} says that it did not do it`,
  InsufficientBalance: (balance, needed) =>
    `the account holds ${formatUnitsExact(balance as bigint, 18)} ETH, ${formatUnitsExact(needed as bigint, 18)} ETH needed`,
};

/** What errors of the law say where a payer's grant is the law (contracts/SpendGrant.sol has them from ISpendPolicy). */
const grantWords: Readonly<Record<string, Say>> = {
  NotGranted: (id) => `the grant ${String(id)} is not on the chain`,
  AlreadyRevoked: (id) => `the grant ${String(id)} was revoked for good: its payer has to sign a new one`,
  Expired: (actual, allowed) => `it is ${moment(actual)}, and the grant ended at ${moment(allowed)}`,
  PayeeNotAllowed: (payee) => `${String(payee)} is no payee of the grant, or nobody may be paid there`,
};

/** One custom error as a sentence without capital and full stop. @param of whose law it breaks, where the error does not say so */
export function refusalWords(
  name: string,
  args: readonly unknown[],
  of: "policy" | "grant" = "policy",
): string {
  const said = (of === "grant" ? grantWords[name] : undefined) ?? words[name] ?? `the contract says ${name}`;
  return typeof said === "string" ? said : said(...args);
}

/** The errors that have words of their own. */
export const knownErrors: ReadonlySet<string> = new Set(Object.keys(words));
