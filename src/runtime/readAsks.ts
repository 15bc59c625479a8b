import { join } from "node:path";

import { asksIn, type AskRow } from "../journal/asks.ts";
import { readJournal } from "../journal/readJournal.ts";
import { now } from "./clock.ts";

export type { AskRow };

/**
 * What the agents of a state folder have asked, the most pressing first; also while they run.
 *
 * @returns with the time of this machine, unix seconds: what an ask's deadline is compared with for people. The chain's clock counts.
 * @throws JournalOpenError
 */
export function readAsks(state: string): { readonly rows: readonly AskRow[]; readonly nowSeconds: number } {
  const journal = readJournal(join(state, "journal.db"));
  try {
    return { rows: asksIn(journal), nowSeconds: Math.floor(now() / 1000) };
  } finally {
    journal.close();
  }
}
