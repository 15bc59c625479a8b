import { zeroAddress, type Hex } from "viem";

import { permissionSpendSelector } from "../chain/permissionCall.ts";
import { spendSelector } from "../chain/spendGrantCall.ts";
import { BaseError } from "../core/errors.ts";
import type { Agent } from "../core/agent.ts";
import type { CompiledPolicy } from "../policy/compile.ts";

/** A policy that allows what this agent never does: running it would quietly leave a part of it aside. */
export class PolicyNotDrivenError extends BaseError {
  override readonly name = "PolicyNotDrivenError";
}

/** Calls that pay out of the account of somebody who delegated. */
const paying: ReadonlySet<Hex> = new Set([spendSelector, permissionSpendSelector]);

/**
 * An agent without actions of its own pays by plain transfers, so calls and further functions are for others. A sponsor is for those
 * whose configuration names its service.
 *
 * @throws PolicyNotDrivenError
 */
export function requireDrivable(
  policy: CompiledPolicy,
  { actions }: Pick<Agent, "actions">,
  { sponsored }: { readonly sponsored: boolean } = { sponsored: false },
): void {
  const mayBeSponsored = policy.limits.some(({ grant }) => grant.extras.paymaster !== zeroAddress);
  const mayCall = Object.values(actions ?? {}).some(({ calls }) => calls !== undefined);
  const callClauses = [
    // Paying out of the account of somebody who delegated is a call, too.
    ...(policy.limits.some(({ calls }) => calls.some(({ rule }) => !paying.has(rule.selector)))
      ? ["calls"]
      : []),
    ...policy.limits.flatMap(({ functions, token }) =>
      functions.length > 0 ? [`functions of ${token.symbol} (${functions.join(", ")})`] : [],
    ),
  ];
  const clauses = [...(mayCall ? [] : callClauses), ...(mayBeSponsored && !sponsored ? ["paymaster"] : [])];
  if (sponsored && !mayBeSponsored)
    throw new PolicyNotDrivenError(
      `The configuration names a paymaster, and the policy ${policy.name} allows none.`,
      {
        remedy:
          "Name its contract in the policy (`paymaster`) and install that, or take it out of the configuration.",
        facts: { policy: policy.name },
      },
    );
  if (clauses.length === 0) return;
  throw new PolicyNotDrivenError(
    `The policy ${policy.name} has clauses that this agent makes no use of: ${clauses.join("; ")}.`,
    {
      remedy:
        "Give the agent a policy of its own without them: what it never does, its key should not be allowed to do.",
      facts: { policy: policy.name, clauses: clauses.join("; ") },
    },
  );
}
