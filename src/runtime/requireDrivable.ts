import { zeroAddress } from "viem";

import { BaseError } from "../core/errors.ts";
import type { CompiledPolicy } from "../policy/compile.ts";

/** A policy that allows what this runtime never does: running it would quietly leave a part of it aside. */
export class PolicyNotDrivenError extends BaseError {
  override readonly name = "PolicyNotDrivenError";
}

/**
 * The runtime pays by plain transfers and pays its own gas. Limits, counts of operations, heartbeat, escalation, guardians and
 * caps apply to those; calls, further functions and a sponsor are for agents that send their operations by themselves.
 *
 * @throws PolicyNotDrivenError
 */
export function requireDrivable(policy: CompiledPolicy): void {
  const clauses = [
    ...(policy.limits.some(({ calls }) => calls.length > 0) ? ["calls"] : []),
    ...policy.limits.flatMap(({ functions, token }) =>
      functions.length > 0 ? [`functions of ${token.symbol} (${functions.join(", ")})`] : [],
    ),
    ...(policy.limits.some(({ grant }) => grant.extras.paymaster !== zeroAddress) ? ["paymaster"] : []),
  ];
  if (clauses.length === 0) return;
  throw new PolicyNotDrivenError(
    `The policy ${policy.name} has clauses that \`bursar run\` does not make use of yet: ${clauses.join("; ")}.`,
    {
      remedy:
        "Give the agent a policy of its own without them: what it never does, its key should not be allowed to do.",
      facts: { policy: policy.name, clauses: clauses.join("; ") },
    },
  );
}
