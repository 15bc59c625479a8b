import { zeroAddress } from "viem";

import type { Rung } from "../../core/delegation.ts";
import { compilePolicy, type CompiledPolicy } from "../../policy/compile.ts";
import { parsePolicy } from "../../policy/parse.ts";
import { ConfigError, type Config } from "../config.ts";
import { readText } from "../password.ts";
import { paysForOthers } from "../payer.ts";

/** What whoever runs the agent asks for: a token where the policy has several, a rung where he does not leave it to us. */
export type Asked = { readonly token?: string | undefined; readonly rung?: string | undefined };

/**
 * Can the policy be served out of a payer's plain account, by grants, or does it take an account of his own? The policy says it: a limit
 * that is paid out of accounts of others has a rule for that, and whatever else it allows nobody can pull out of a plain account.
 *
 * @returns `account`, or `spendGrant` for a grant of whatever kind the wallet has
 * @throws ConfigError where neither serves it, or not the one that was asked for
 */
export async function plannedRung(
  { policy: file }: Pick<Config, "policy">,
  asked: Asked,
): Promise<"spendGrant" | "account"> {
  return rungFor(compilePolicy(parsePolicy(await readText(file, "policy"), file), zeroAddress), asked);
}

/** The same for a policy at hand. Pure. */
export function rungFor(policy: CompiledPolicy, { rung, token }: Asked): "spendGrant" | "account" {
  const known: readonly Rung[] = ["spendGrant", "account"];
  if (rung !== undefined && !known.some((one) => one === rung))
    throw new ConfigError(`There is no rung "${rung}" to ask for.`, {
      remedy: "Write --rung spendGrant, --rung account, or neither: then the policy says it.",
    });
  const symbolsOf = (byGrant: boolean) =>
    policy.limits.filter((limit) => paysForOthers(limit) === byGrant).map((limit) => limit.token.symbol);
  const [granted, own] = [symbolsOf(true), symbolsOf(false)];
  const wantsAccount =
    rung === "account" || (rung === undefined && own.length > 0 && !granted.includes(token ?? ""));
  if (!wantsAccount) {
    if (granted.length > 0) return "spendGrant";
    throw new ConfigError(
      `No grant can serve the policy: it spends ${own.join(", ")} out of the agent's own account.`,
      {
        remedy:
          "Add the call of policies/delegated.yaml to it for payments out of a plain account, or leave out --rung: then the payer gets an account of his own for it.",
      },
    );
  }
  if (policy.watchOnly)
    throw new ConfigError("The policy lets the agent pay nothing, so there is nothing to delegate.", {
      remedy: "Give it a limit.",
    });
  if (granted.length > 0)
    throw new ConfigError(
      `An account of the payer's own can't serve the policy: it spends ${granted.join(", ")} under grants of others.`,
      {
        remedy:
          own.length > 0
            ? `Say --token ${granted[0]} for the grant alone, or keep ${own.join(", ")} in a policy of its own.`
            : "Leave out --rung, or take the call of the grants' contract out of the policy.",
      },
    );
  return "account";
}
