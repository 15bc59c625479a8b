import { getAddress, type Address } from "viem";

import type { Sentence } from "./explain.ts";
import { showUnits, type Named, type Token } from "./registry.ts";
import type { SpendGrant } from "./spendGrant.ts";
import { spendGrantUnit } from "./spendGrantMistakes.ts";
import { lengthInWords } from "./time.ts";

/** What makes addresses and amounts readable. */
export type SpendGrantNames = {
  /** Of `grant.token`: symbol and decimals as the token's contract says. */
  readonly token: Token;
  /** Names for addresses that are known; each is shown with its address. */
  readonly known?: readonly Named[];
};

/**
 * The most that a grant can ever take, in base units: `total`, or less where so many windows do not fit between its start and its end.
 * Of a grant without mistakes.
 */
export function mostTaken({ perWindow, total, validAfter, validUntil, window }: SpendGrant): bigint {
  // Two spends that are a window and a second apart are in no common span, both ends included.
  const windows = BigInt(Math.floor((validUntil - validAfter - 1) / (window + 1)) + 1);
  return perWindow * windows < total ? perWindow * windows : total;
}

/** A grant in sentences, as the payer has to know it before signing: what the chain enforces, and what nobody does. */
export function explainSpendGrant(grant: SpendGrant, names: SpendGrantNames): readonly Sentence[] {
  const { token } = names;
  const show = (amount: bigint) => showUnits(amount, token);
  const name = (address: Address) => {
    const known = names.known?.find((entry) => entry.address.toLowerCase() === address.toLowerCase());
    return known ? `${known.name} (${getAddress(address)})` : getAddress(address);
  };
  const at = (seconds: number) => new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
  const who =
    grant.agent.toLowerCase() === grant.agentKey.toLowerCase()
      ? `The key ${name(grant.agentKey)}`
      : `The agent ${name(grant.agentKey)} of the account ${name(grant.agent)}`;
  const chain = [
    `${who} may take at most ${show(grant.perCall)} at a time, ${show(grant.perWindow)} in any ${windowInWords(grant.window)} and ${show(grant.total)} in all, out of ${name(grant.account)}.`,
    `${token.symbol} is the token at ${getAddress(grant.token)}, ${token.decimals} decimals; spends are counted in steps of ${show(spendGrantUnit(grant))}, rounded up.`,
    ...payeeSentences(grant, name),
    `It may do so after ${at(grant.validAfter)}, up to and including ${at(grant.validUntil)}.`,
    `The most that this can ever cost is ${show(mostTaken(grant))}. Other grants add to it.`,
    "Each spend comes with a decision that is committed on the chain.",
    "It ends for good by the contract's revoke, by revokeAll, or by an allowance of zero, from any wallet.",
  ];
  return [
    ...chain.map((words): Sentence => ({ enforcedBy: "chain", words })),
    {
      enforcedBy: "advisory",
      words: `It is said to be for: "${grant.purpose}". Nothing on the chain holds the agent to that.`,
    },
  ];
}

function payeeSentences(grant: SpendGrant, name: (address: Address) => string): readonly string[] {
  if (grant.anyPayee) return ["WARNING: anybody may be paid, whoever holds the agent's key included."];
  const own = grant.payees.some((payee) => payee.toLowerCase() === grant.agent.toLowerCase());
  return [
    `Only these may receive it: ${grant.payees.map(name).join(", ")}.`,
    ...(own
      ? [
          "WARNING: the agent's own account is among them; what goes there goes on to wherever that account's policy lets it.",
        ]
      : []),
  ];
}

const windowInWords = (seconds: number): string =>
  seconds % 60 === 0 ? lengthInWords(BigInt(seconds)) : `${seconds} seconds`;
