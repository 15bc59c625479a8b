import { getAddress, isAddress, isHex, size, zeroAddress, type Address } from "viem";

import { leastExponent } from "./grant.ts";
import type { Mistake } from "./mistakes.ts";
import type { SpendGrant } from "./spendGrant.ts";

/** Bounds of contracts/libraries/SpendGrants.sol; spans are seconds. */
export const spendGrantBounds = Object.freeze({
  shortestWindow: 1800,
  longestSpan: 90 * 86_400,
  mostPayees: 32,
});

/** Longest purpose in UTF-16 units: what a wallet shows on one screen. The chain has no bound. */
export const longestPurpose = 200;

/**
 * Words that look the same to everybody: no control characters, nothing that turns the direction of writing, nothing that can't be
 * seen, on one line. Marks beside the letters are as in the text.
 */
const visibleWords = /^[^\p{C}\p{Zl}\p{Zp}\p{DI}]+$/u;

/** Can a wallet show a purpose as it is? */
export const isShowable = (purpose: string): boolean =>
  purpose.length <= longestPurpose && visibleWords.test(purpose);

/** Base units of one unit that the chain counts a grant's spends in: the smallest power of ten with which the limits fit. */
export const spendGrantUnit = ({ perWindow, total }: Pick<SpendGrant, "perWindow" | "total">): bigint =>
  10n **
  BigInt(
    leastExponent([
      [perWindow, 16],
      [total, 24],
    ]),
  );

/** What the chain knows beside the grant. */
export type SpendGrantFacts = {
  /** Address of the SpendGrant contract. */
  readonly contract: Address;
  /** Unix seconds. */
  readonly now: number;
};

/**
 * Everything for which the contract would not take a grant, and what a person should not be asked to sign; empty: none. Whether the
 * token has code, and which epoch is the payer's, is the chain's to say.
 */
export const spendGrantMistakes = (grant: SpendGrant, facts: SpendGrantFacts): readonly Mistake[] => [
  ...addressMistakes(grant, facts.contract),
  ...limitMistakes(grant),
  ...timeMistakes(grant, facts.now),
  ...payeeMistakes(grant, facts.contract),
  ...otherMistakes(grant),
];

const when = (
  isWrong: boolean,
  field: keyof SpendGrant,
  words: string,
  remedy: string,
): readonly Mistake[] => (isWrong ? [{ path: [field], words, remedy }] : []);

const same = (a: Address, b: Address): boolean => a.toLowerCase() === b.toLowerCase();

function addressMistakes(grant: SpendGrant, contract: Address): readonly Mistake[] {
  const { account, agent } = grant;
  return [
    ...(["account", "agent", "agentKey", "token"] as const).flatMap((field) =>
      when(
        !isAddress(grant[field], { strict: false }) || same(grant[field], zeroAddress),
        field,
        `${field} is no address that somebody could have: ${grant[field]}.`,
        "Use 0x and 40 hex digits.",
      ),
    ),
    ...when(
      same(account, contract) || same(account, agent),
      "account",
      `${account} can't be the payer: it is ${same(account, agent) ? "the agent" : "the SpendGrant contract"}.`,
      "Name the account that the money is in.",
    ),
  ];
}

function limitMistakes(grant: SpendGrant): readonly Mistake[] {
  const { perCall, perWindow, total } = grant;
  if (perCall < 1n || perCall > perWindow || perWindow > total || total >= 1n << 160n)
    return when(
      true,
      "total",
      `The limits are out of order: ${perCall} at a time, ${perWindow} in a window, ${total} in all.`,
      "Each has to be at least as much as the one before, the first above zero, and all below 2^160.",
    );
  const unit = spendGrantUnit(grant);
  return (["perCall", "perWindow", "total"] as const).flatMap((field) =>
    when(
      grant[field] % unit !== 0n,
      field,
      `${field} has too many digits to be counted with the others: ${grant[field]} is no multiple of ${unit}.`,
      `Round it to ${grant[field] - (grant[field] % unit)} or bring the limits closer together.`,
    ),
  );
}

function timeMistakes({ validAfter, validUntil, window }: SpendGrant, now: number): readonly Mistake[] {
  const { longestSpan, shortestWindow } = spendGrantBounds;
  const whole = (value: number) => Number.isSafeInteger(value) && value >= 0;
  return [
    ...when(
      !whole(window) || window % 6 !== 0 || window < shortestWindow || window > longestSpan,
      "window",
      `A window of ${window} seconds can't be kept.`,
      `Use a multiple of 6 seconds, from ${shortestWindow} (30 minutes) to ${longestSpan} (90 days).`,
    ),
    ...when(
      !whole(validAfter) ||
        !whole(validUntil) ||
        validUntil <= validAfter ||
        validUntil - validAfter > longestSpan ||
        validUntil > 0xffffffff,
      "validUntil",
      `A grant from ${validAfter} to ${validUntil} can't be made.`,
      "Its end has to come after its start, by 90 days at most, and before February 2106.",
    ),
    ...when(
      validUntil < now,
      "validUntil",
      `The grant has expired: ${validUntil} is before ${now}.`,
      "Sign a new one.",
    ),
  ];
}

function payeeMistakes(grant: SpendGrant, contract: Address): readonly Mistake[] {
  const { account, anyPayee, payees } = grant;
  const ascending = payees.every(
    (payee, index) => BigInt(payee) > (index === 0 ? 0n : BigInt(payees[index - 1]!)),
  );
  return [
    ...when(
      anyPayee === payees.length > 0,
      "payees",
      anyPayee ? "The grant lists payees and lets anybody be paid." : "The grant lets nobody be paid.",
      "List the payees, or say that anybody may be paid: one of the two.",
    ),
    ...when(
      payees.length > spendGrantBounds.mostPayees,
      "payees",
      `${payees.length} payees are more than a person reads.`,
      `List ${spendGrantBounds.mostPayees} at most.`,
    ),
    ...when(!ascending, "payees", "The payees do not ascend.", "Sort them, name none twice and not 0x0."),
    ...payees
      .filter((payee) => same(payee, account) || same(payee, contract))
      .flatMap((payee) =>
        when(
          true,
          "payees",
          `${getAddress(payee)} can't be paid: it is the ${same(payee, account) ? "payer" : "SpendGrant contract"}.`,
          "Take it off the list.",
        ),
      ),
  ];
}

const otherMistakes = ({ epoch, policyHash, purpose, salt }: SpendGrant): readonly Mistake[] => [
  ...when(epoch < 0n || epoch >= 1n << 64n, "epoch", `${epoch} is no epoch.`, "Read it from the contract."),
  ...when(salt < 0n || salt >= 1n << 256n, "salt", `${salt} is no salt.`, "Use a random number below 2^256."),
  ...when(
    !isShowable(purpose),
    "purpose",
    "The purpose can't be shown as it is: it is empty, too long, or has characters that can't be seen or that turn the direction of writing.",
    `Use 1 to ${longestPurpose} characters that can be seen, on one line.`,
  ),
  ...when(
    !isHex(policyHash) || size(policyHash) !== 32,
    "policyHash",
    `${policyHash} is no hash.`,
    "Use 0x and 64 hex digits.",
  ),
];
