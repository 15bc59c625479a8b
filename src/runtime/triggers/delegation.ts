import type { Hex } from "viem";

import type { Entry } from "../../core/entry.ts";
import type { Fact } from "../../core/observation.ts";
import type { Trigger } from "../../core/trigger.ts";
import { delegationOf } from "../../journal/delegations.ts";
import { newestSequence, readEntries } from "../../journal/entries.ts";
import type { JournalDatabase } from "../../journal/openJournal.ts";
import { addUpTo, cursorOf } from "../../journal/triggers.ts";
import type { Watcher } from "./watcher.ts";

/** The name that the place in the audit log is kept under. */
const source = "delegation";
/** What people do with their wallets. What is only asked of one is nothing yet. */
const states: ReadonlySet<unknown> = new Set(["inForce", "paused", "ended"]);
/** Entries between two places that are kept: what is read again after a crash, and known by its id. */
const mostUnkept = 1000;

/**
 * Wakes an agent when what somebody delegated to it comes into force, is left alone because its session ended, or is over. Read from the
 * audit log, so that nothing is missed between two looks; what was there before the first one is left alone.
 */
export function watchDelegations({
  agent,
  journal,
}: {
  readonly agent: string;
  readonly journal: JournalDatabase;
}): Watcher {
  let read = cursorOf(journal, agent, source);
  let kept = read;
  return {
    scan() {
      if (read === undefined || kept === undefined) {
        kept = read = newestSequence(journal);
        addUpTo(journal, agent, source, read, []);
        return Promise.resolve();
      }
      for (;;) {
        const entries = readEntries(journal, read);
        if (entries.length === 0) return Promise.resolve();
        read = entries.at(-1)!.sequence;
        const triggers = entries
          .filter((entry) => entry.kind === "delegation" && entry.agent === agent)
          .filter(({ body }) => states.has(body["state"]))
          .map((entry) => triggerOf(journal, entry));
        if (triggers.length === 0 && read - kept < mostUnkept) continue;
        kept = read;
        addUpTo(journal, agent, source, read, triggers);
      }
    },
  };
}

function triggerOf(journal: JournalDatabase, { body, sequence }: Entry): Trigger {
  const id = body["delegation"] as Hex;
  const state = body["state"] as string;
  const delegation = delegationOf(journal, id)?.delegation;
  const known = (value: Fact["value"]): Fact => ({ value, provenance: "history" });
  return {
    kind: "wallet",
    // A payer's own account keeps its id when it is handed over again.
    dedupeId: `delegation:${id}:${state}:${sequence}`,
    label: `delegation ${id.slice(0, 12)} ${state}`,
    payload: {
      facts: {
        "delegation.id": known(id),
        "delegation.state": known(state),
        "delegation.payer": known(body["account"] ?? null),
        "delegation.rung": known(body["rung"] ?? null),
        ...(delegation ? { "delegation.token": known(delegation.token.symbol) } : {}),
      },
    },
  };
}
