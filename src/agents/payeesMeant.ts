import type { Observation } from "../core/observation.ts";
import { mayMeanPayee } from "../policy/occurrences.ts";
import { linkPayees, type NamesByPayee } from "./linkPayees.ts";

/**
 * The payees that the mail may mean, in the registry's order: those of whose names it has a word, and those whom its authenticated sender
 * speaks for. All others can't be what it asks to pay, whatever a model reads into it.
 */
export function payeesMeant(observation: Observation): readonly string[] {
  const fact = (name: string) => observation.facts[name]?.value;
  const names = (fact("payees.names") ?? {}) as NamesByPayee;
  const senders = (fact("payees.senders") ?? {}) as NamesByPayee;
  const text = linkPayees(observation);
  return (fact("payees") as readonly string[]).filter(
    (name) =>
      mayMeanPayee(text, { name, names: names[name] ?? [] }) ||
      (fact("mail.authenticated") === true &&
        senders[name]?.some((domain) => domain === fact("mail.domain"))),
  );
}
