import type { Observation } from "../core/observation.ts";

/** Other names of payees, or domains they write from. */
export type NamesByPayee = Readonly<Record<string, readonly string[]>>;

/**
 * The mail's text with the registry's names in it: where the message says "Northwind Office Supplies", a small model
 * reads `northwind`, which is how it has to answer. Who a name stands for is the operator's knowledge (`names` in the
 * policy), not the model's guess.
 *
 * An authenticated sender whose domain the policy knows stands in the From line by the registry's name. What is linked
 * decides nothing: a mail that only claims to come from a payee stays unauthenticated, and is asked about.
 */
export function linkPayees(observation: Observation): string {
  const fact = (name: string) => observation.facts[name]?.value;
  const text = fact("mail.text") as string;
  const names = (fact("payees.names") ?? {}) as NamesByPayee;
  const senders = (fact("payees.senders") ?? {}) as NamesByPayee;
  const domain = fact("mail.authenticated") === true ? fact("mail.domain") : undefined;
  const sender = Object.keys(senders).find((payee) => senders[payee]!.some((known) => known === domain));
  const [from = "", ...lines] = text.split("\n");
  const head = sender !== undefined && from.startsWith("From: ") ? `From: ${sender}` : from;
  // Longest first: "Acme Hosting Ltd" before "Acme Hosting".
  const links = Object.entries(names)
    .flatMap(([payee, list]) => list.map((name) => [name, payee] as const))
    .sort(([a], [b]) => b.length - a.length);
  return links.reduce(
    (linked, [name, payee]) => linked.replace(wordsOf(name), payee),
    [head, ...lines].join("\n"),
  );
}

/** The name as whole words, in any case and with any white space between them. */
function wordsOf(name: string): RegExp {
  const words = name
    .trim()
    .split(/\s+/)
    .map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`(?<![\\p{L}\\p{N}-])${words.join("\\s+")}(?![\\p{L}\\p{N}-])`, "giu");
}
