import { zeroHash } from "viem";

import { readGrants } from "../../chain/readGrants.ts";
import { DelegationError } from "./answers.ts";
import type { HandOverOptions } from "./handOverOptions.ts";

/**
 * A permission is bounded by what its agent's account lets the agent's key call, and not by a file: whoever has the key takes the widest
 * policy that is in force. So none may be but the one that the payer is told.
 *
 * @throws DelegationError · what chains throw
 */
export async function requireOnlyRules({
  agent,
  chain,
  policy,
}: Pick<HandOverOptions, "agent" | "chain" | "policy">): Promise<void> {
  const told = new Set(policy.limits.map(({ policyId }) => policyId));
  const others = (await readGrants(chain, agent.account, agent.key)).filter(
    // Without rules an agent calls nobody but its asset.
    ({ grant, policyId }) => grant.extras.rules !== zeroHash && !told.has(policyId),
  );
  if (others.length === 0) return;
  throw new DelegationError(
    "The agent's account lets the agent's key make calls by other policies, too: whom it may pay is more than a payer would be told.",
    {
      remedy: "Revoke them (bursar policy revoke), then start again. Nothing was asked of the wallet.",
      facts: { account: agent.account, policies: others.map(({ policyId }) => policyId).join(", ") },
    },
  );
}
