import type { Observation } from "../core/observation.ts";
import type { Reason } from "../core/verdict.ts";
import { delegationOf } from "../journal/delegations.ts";
import type { CompiledLimit } from "../policy/compile.ts";
import type { House } from "./house.ts";

const factOf = (symbol: string): string => `limit.${symbol}.delegation`;

/**
 * What became of the delegations that limits of a payer's own account came by, as far as they are not in force: his wallet disconnected, or
 * did not sign to the end. By the fact's name; no fact where nobody delegated, or all is well.
 */
export function leftAloneFacts({ account, journal, policy }: Pick<House, "account" | "journal" | "policy">) {
  return policy.limits.flatMap(({ policyId, token }) => {
    const row = delegationOf(journal, policyId);
    return row?.delegation.rung !== "account" ||
      BigInt(row.delegation.contract) !== BigInt(account) ||
      row.state === "inForce"
      ? []
      : ([[factOf(token.symbol), row.state]] as const);
  });
}

/** Why an honest agent leaves a limit alone that the chain would let it use; undefined where it need not. Pure. */
export function leftAlone({ token }: CompiledLimit, { facts }: Observation): Reason | undefined {
  if (facts[factOf(token.symbol)] === undefined) return undefined;
  return {
    code: "delegation-paused",
    words: `The wallet that delegated ${token.symbol} is not connected any more, so the agent leaves the account alone until it is again.`,
    enforcedBy: "advisory",
  };
}
