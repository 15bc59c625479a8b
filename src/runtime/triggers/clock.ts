import { Cron } from "croner";

import type { TriggerSource } from "../../core/agent.ts";
import { BaseError } from "../../core/errors.ts";
import type { Fact } from "../../core/observation.ts";
import type { Now } from "../../core/ports.ts";
import type { Trigger } from "../../core/trigger.ts";
import { noteOnce } from "../../journal/entries.ts";
import type { JournalDatabase } from "../../journal/openJournal.ts";
import { addUpTo, cursorOf } from "../../journal/triggers.ts";
import type { Watcher } from "./watcher.ts";

/** A schedule that can't be kept. */
export class ScheduleError extends BaseError {
  override readonly name = "ScheduleError";
}

type ClockSource = Extract<TriggerSource, { kind: "interval" | "cron" }>;

/** How far the machine's clock may stand behind what it showed before, in seconds, until the schedule begins anew. */
const mostBehind = 3600;

/**
 * Wakes an agent by the clock, to the second. A tick is known by its time, so it counts once; ticks that were missed while nobody
 * watched are made up for by one, which says when the first of them was due. The first tick is the next one from now on.
 *
 * A clock that goes back repeats no tick. If it goes back by more than an hour, it had been wrong before: the schedule goes on from
 * the time it shows now, and the audit log says so.
 *
 * @throws ScheduleError
 */
export function watchClock(options: {
  readonly agent: string;
  readonly journal: JournalDatabase;
  readonly source: ClockSource;
  readonly now: Now;
}): Watcher {
  const { agent, journal, source } = options;
  const name = nameOf(source);
  const nextAfter = scheduleOf(source);
  return {
    scan() {
      const now = Math.floor(options.now() / 1000);
      const since = cursorOf(journal, agent, name);
      if (since === undefined) addUpTo(journal, agent, name, now, []);
      else if (since - now > mostBehind) {
        noteOnce(journal, agent, `clock-back:${name}:${since}`, "clock-back", {
          source: name,
          from: since,
          to: now,
        });
        addUpTo(journal, agent, name, now, []);
      } else {
        const due = nextAfter(since);
        if (due !== null && due <= now) addUpTo(journal, agent, name, now, [tickOf(name, due)]);
      }
      return Promise.resolve();
    },
  };
}

const nameOf = (source: ClockSource): string =>
  source.kind === "interval"
    ? `interval ${source.everySeconds}s`
    : `cron ${source.expression} ${source.timezone ?? "UTC"}`;

function tickOf(name: string, due: number): Trigger {
  const operator = (value: Fact["value"]): Fact => ({ value, provenance: "operator" });
  return {
    kind: "clock",
    dedupeId: `clock:${name}:${due}`,
    label: name,
    payload: { facts: { "clock.schedule": operator(name), "clock.due": operator(due) } },
  };
}

/** The first tick after a time, both in unix seconds; null: there is none. */
function scheduleOf(source: ClockSource): (after: number) => number | null {
  if (source.kind === "interval") {
    const { everySeconds } = source;
    if (!Number.isSafeInteger(everySeconds) || everySeconds < 1)
      throw new ScheduleError(`An interval of ${everySeconds} seconds can't be kept.`, {
        remedy: "Give whole seconds, at least 1.",
      });
    return (after) => (Math.floor(after / everySeconds) + 1) * everySeconds;
  }
  const { expression, timezone = "UTC" } = source;
  try {
    // Paused, and without a function: it only computes, our own clock decides.
    const cron = new Cron(expression, { timezone, paused: true });
    const nextAfter = (after: number) => {
      const next = cron.nextRun(new Date(after * 1000));
      return next && Math.floor(next.getTime() / 1000);
    };
    nextAfter(0);
    return nextAfter;
  } catch (error) {
    throw new ScheduleError(`"${expression}" (${timezone}) is not a schedule.`, {
      remedy: 'Write five fields, e.g. "0 9 * * 1-5" for nine o\'clock on weekdays, and an IANA time zone.',
      facts: { detail: error instanceof Error ? error.message.split("\n")[0] : String(error) },
      cause: error,
    });
  }
}
