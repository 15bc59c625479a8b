import { getAddress, type Address } from "viem";

import type { Sentence } from "./explain.ts";
import { mostPermitted, type PermissionTerms } from "./permission.ts";
import { showUnits, type Named, type Token } from "./registry.ts";
import { lengthInWords } from "./time.ts";

/**
 * A permission in sentences, as the payer has to know it before his wallet shows it: what the chain enforces, and what of it his own wallet
 * does not show.
 *
 * @param agent who spends by way of the spender
 */
export function explainPermission(
  terms: PermissionTerms,
  agent: { readonly account: Address; readonly key: Address },
  { payees, token }: { readonly token: Token; readonly payees: readonly Named[] },
): readonly Sentence[] {
  const { expiry, manager, period, perPeriod, purpose, spender, start } = terms;
  const show = (amount: bigint) => showUnits(amount, token);
  const at = (seconds: number) => new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
  const amount =
    start + period >= expiry
      ? `${show(perPeriod)} in all`
      : `${show(perPeriod)} in each ${periodInWords(period)}, the first of them from ${at(start)}`;
  const named = ({ address, name }: Named) => `${name} (${getAddress(address)})`;
  const chain = [
    `The agent ${getAddress(agent.key)} of the account ${getAddress(agent.account)} may take at most ${amount}, out of ${getAddress(terms.account)}, by way of its contract ${getAddress(spender)}.`,
    `${token.symbol} is the token at ${getAddress(terms.token)}, ${token.decimals} decimals.`,
    `It may do so from ${at(start)} until ${at(expiry)}.`,
    `The most that this can ever cost is ${show(mostPermitted(terms))}. Other permissions add to it.`,
    `The contract ${getAddress(manager)} enforces this; your wallet has chosen it, and it is trusted here.`,
    "Each spend comes with a decision that is committed on the chain.",
    "It ends for good by the agent's contract's revoke or revokeAll, from any wallet, or by what your wallet has for it.",
  ];
  return [
    ...chain.map((words): Sentence => ({ enforcedBy: "chain", words })),
    {
      enforcedBy: "chain",
      words: `WARNING: who may be paid is not in the permission, and your wallet does not show it. The agent's policy lets it pay ${payees.map(named).join(", ")}; whoever owns the agent's account may give it another policy.`,
    },
    {
      enforcedBy: "advisory",
      words: `It is said to be for: "${purpose}". Nothing on the chain holds the agent to that.`,
    },
  ];
}

const periodInWords = (seconds: number): string =>
  seconds % 60 === 0 ? lengthInWords(BigInt(seconds)) : `${seconds} seconds`;
