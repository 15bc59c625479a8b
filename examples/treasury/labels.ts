import { readFile } from "node:fs/promises";

import type { Action } from "bursar";

/** A label written by hand before the model saw the mail: what a careful clerk proposes, and what should come of it. */
export type Label = { readonly proposal: Action; readonly outcome: string; readonly why: string };

export async function readLabels(file: string): Promise<Readonly<Record<string, Label>>> {
  return JSON.parse(await readFile(file, "utf8")) as Record<string, Label>;
}

/**
 * Does the model's proposal match the label? A transfer matches in payee, amount (by value), token and reference; a
 * hold matches any hold, because all of them move nothing.
 */
export function matches(proposal: Action, label: Action): boolean {
  if (proposal.action === "hold" || label.action === "hold") return proposal.action === label.action;
  if (proposal.action === "act" || label.action === "act") return false;
  return (
    proposal.to === label.to &&
    Number(proposal.amount) === Number(label.amount) &&
    proposal.token === label.token &&
    proposal.reference.trim() === label.reference.trim()
  );
}
