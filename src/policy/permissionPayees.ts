import { getAddress, isAddressEqual, padHex, toHex, type Address, type Hex } from "viem";

import type { CompiledCall } from "./call.ts";
import type { CompiledPolicy } from "./compile.ts";
import { GrantTermsError } from "./composeGrant.ts";
import type { Named } from "./registry.ts";
import { comparison, type Condition } from "./rule.ts";

/** Words of `spend(payer, token, payee, amount, context)` of IPermissionSpender. */
const words = { token: 1n, payee: 2n, amount: 3n } as const;

/**
 * Whom a policy lets an agent pay under a payer's permission, whoever holds its key. A permission names no payees, so what its payer is told
 * has to follow from the rules that the chain knows, of all limits, and not from the document's list of names.
 *
 * @param spender the agent's PermissionSpender
 * @param selector of its `spend`
 * @param token that is permitted
 * @param account the agent's
 * @throws GrantTermsError where a rule lets anybody be paid, or counts one token's amount as another's, or not at all
 */
export function permissionPayees(
  { contracts, limits, payees }: CompiledPolicy,
  selector: Hex,
  { account, spender, token }: Readonly<Record<"account" | "spender" | "token", Address>>,
): readonly Named[] {
  const known: readonly Named[] = [...payees, ...contracts];
  const found = new Map<bigint, Named>();
  for (const limit of limits)
    for (const call of limit.calls) {
      if (!isAddressEqual(call.rule.target, spender) || call.rule.selector !== selector) continue;
      const [tokens, paid] = [listed(call, words.token), listed(call, words.payee)];
      if (tokens && !tokens.includes(BigInt(token))) continue;
      if (tokens?.length !== 1 || BigInt(limit.token.address) !== BigInt(token))
        throw unfit(`may take ${limit.token.symbol} and other tokens alike`, "token: { equals: … }");
      if (call.rule.spends !== words.amount + 1n)
        throw unfit(`does not count what it takes of ${limit.token.symbol}`, "spends: amount");
      const own = call.rule.conditions.some(
        (one) => one.word === words.payee && one.comparison === comparison.self,
      );
      if (!paid && !own) throw unfit("may pay anybody", "payee: { in: […] }");
      for (const payee of own ? [BigInt(account)] : paid!) {
        const address = getAddress(padHex(toHex(payee), { size: 20 }));
        const name = own
          ? "the agent's own account"
          : known.find((one) => isAddressEqual(one.address, address))?.name;
        found.set(payee, { address, name: name ?? "an address without a name" });
      }
    }
  return [...found.values()];
}

/** What a word may be, where the chain holds it against a list. */
const listed = ({ rule }: CompiledCall, word: bigint): Condition["operands"] | undefined =>
  rule.conditions.find((one) => one.word === word && one.comparison === comparison.in)?.operands;

const unfit = (why: string, condition: string): GrantTermsError =>
  new GrantTermsError(`Under the policy's call of the agent's contract for permissions, the agent ${why}.`, {
    remedy: `Write \`${condition}\` into that call, and install the policy anew. Nobody is asked to permit anything before.`,
  });
