import { BaseError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";

/** A snapshot of a decision machine that this program knows no way from. */
export class MachineVersionError extends BaseError {
  override readonly name = "MachineVersionError";
  constructor(from: string, to: string) {
    super(
      `A decision that is under way was begun by ${from}; this program runs ${to} and knows no way there.`,
      {
        remedy:
          "Finish it with the version of Bursar that began it (`bursar run --once`), then start this one. Nothing was changed, and nothing is lost.",
        facts: { begun: from, here: to },
      },
    );
  }
}

/** What a snapshot of one version is in the next one. */
type Step = { readonly to: string; readonly migrate: (snapshot: JsonObject) => JsonObject };

/**
 * One entry for each past version. The names of the effects stay what they were: one that waits in the journal is run by the machine
 * of today, so a step that gets another name, or another output, needs more than an entry here.
 */
const steps: Readonly<Record<string, Step>> = {
  // Version 2 knows when the outcome came.
  "decision@1": {
    to: "decision@2",
    migrate: (snapshot) => ({
      ...snapshot,
      context: { ...(snapshot["context"] as JsonObject), endedAtMs: null },
    }),
  },
};

/**
 * A machine's snapshot as another version of it would have written it. Pure.
 *
 * @param from `id@version` that is stored with it
 * @throws MachineVersionError
 */
export function migrate(snapshot: JsonObject, from: string, to: string): JsonObject {
  let migrated = snapshot;
  for (let at = from; at !== to;) {
    const step = steps[at];
    if (!step) throw new MachineVersionError(from, to);
    migrated = step.migrate(migrated);
    at = step.to;
  }
  return migrated;
}
