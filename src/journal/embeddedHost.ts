import type { DurableHost, Underway } from "../core/durableHost.ts";
import {
  deleteEffect,
  effectsOf,
  openDecision,
  outputsOf,
  putEffect,
  putOutput,
  saveSnapshot,
  startDecision,
} from "./decisions.ts";
import { appendEntry } from "./entries.ts";
import type { JournalDatabase } from "./openJournal.ts";
import { isQuarantined } from "./quarantine.ts";
import { nextTrigger, triggerOf } from "./triggers.ts";

/** Decisions that survive their process in the journal's own file: one process, any number of agents. */
export function embeddedHost(journal: JournalDatabase): DurableHost {
  function underWay(agent: string): Underway | "the operator's" | undefined {
    const open = openDecision(journal, agent);
    if (!open) return undefined;
    // What was under way in a backup may have gone on elsewhere: only the operator knows.
    if (isQuarantined(journal, open.triggerId)) return "the operator's";
    return {
      id: open.id,
      machine: open.machine,
      snapshot: open.snapshot,
      effects: effectsOf(journal, open.id).map(({ id, source }) => ({ id, source })),
      trigger: triggerOf(journal, agent, open.triggerId),
      outputs: outputsOf(journal, open.id),
      fresh: false,
    };
  }

  return {
    async take(agent, begin, atMs) {
      const open = underWay(agent);
      if (open) return open === "the operator's" ? undefined : open;
      const trigger = nextTrigger(journal, agent, atMs);
      if (!trigger) return undefined;
      const { effects, id, machine, snapshot } = begin(trigger);
      // Lost in a power cut, the trigger waits as before.
      await journal.together(() => {
        startDecision(journal, { id, agent, triggerId: trigger.dedupeId, machine, snapshot });
        for (const effect of effects) putEffect(journal, { ...effect, decision: id });
      }, "soon");
      return { effects, id, machine, snapshot, trigger, outputs: new Map(), fresh: true };
    },

    apply: ({ agent, id: decision }, sure, work) =>
      journal.together(() => {
        const applied = work(({ effect, entry, rows, value }) => {
          putOutput(journal, decision, effect, value);
          rows?.();
          appendEntry(journal, agent, entry.kind, { decision, ...entry.body });
          deleteEffect(journal, decision, effect);
        });
        saveSnapshot(journal, decision, applied);
        for (const effect of applied.effects) putEffect(journal, { ...effect, decision });
        return applied;
      }, sure),
  };
}
