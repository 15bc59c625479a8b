import type { Entry } from "../../core/entry.ts";
import { payerFact } from "../payer.ts";
import type { Evidence } from "./evidence.ts";

/**
 * A payment that was not signed because its payer had parted: the audit log has to have told, before that, that what he delegated was in force no
 * more. Else a runtime could say so of any bill.
 *
 * @param entries all of the agent's
 */
export function partingFailures(
  { decision, observation, sealed, signed }: Evidence,
  entries: readonly Entry[],
): readonly string[] {
  if (signed?.refusal?.by !== "payer") return [];
  const refused = entries.find(({ body, kind }) => kind === "refused" && body["decision"] === decision.id);
  const payers = Object.entries(observation.facts)
    .filter(([name]) => name.startsWith(payerFact("")))
    .map(
      ([, { value }]) => (value as { readonly budget?: { readonly hash?: unknown } } | null)?.budget?.hash,
    );
  // A limit of the payer's own account is delegated by the name of its policy.
  const parted = [sealed.fields["policy.policyId"], ...payers].some((id) => {
    const last = entries.findLast(
      ({ body, kind, sequence }) =>
        kind === "delegation" &&
        body["delegation"] === id &&
        refused !== undefined &&
        sequence < refused.sequence,
    );
    return last?.body["state"] === "paused" || last?.body["state"] === "ended";
  });
  return parted ? [] : ["The audit log does not tell that whoever delegated had parted."];
}
