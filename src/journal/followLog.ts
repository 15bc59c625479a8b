import type { Entry } from "../core/entry.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { JournalBrokenError } from "./errors.ts";
import { knowsOperation } from "./operations.ts";
import { paymentRowOf } from "./payments.ts";
import { query } from "./query.ts";
import type { JournalReader } from "./readJournal.ts";

/** What the log has told of a decision so far. */
type Told = {
  readonly action?: JsonObject;
  readonly verdict?: Json;
  /** The entry by which its payment is in the table. */
  readonly sealed?: Entry;
};

const decisionAt = query((tables, { id }: { id: string }) =>
  tables.selectFrom("decision").select(["agent", "done"]).where("id", "=", id),
);
const triggerAt = query((tables, { agent, id }: { agent: string; id: string }) =>
  tables.selectFrom("trigger_").select("position").where("agent", "=", agent).where("dedupe_id", "=", id),
);

/** Ends after which a bill is not open: it was paid, or may have been. */
const standing: ReadonlySet<Json | undefined> = new Set(["paid", "acted", "displaced"]);

/**
 * Holds what keeps a bill from being paid twice against the audit log, entry by entry: triggers, decisions, operations and the bills of
 * transfers. Asks neither chain nor policy: what only those tell is left to `verifyDecisions`.
 */
export function followLog(journal: Pick<JournalReader, "get">): {
  /** @throws JournalBrokenError for what the entry tells of and a table does not hold */
  read(entry: Entry): void;
  /** After the last entry. @throws JournalBrokenError */
  end(): void;
} {
  const open = new Map<string, Told>();

  function requireDecision({ agent, kind, sequence }: Entry, decision: string): void {
    const row = journal.get(decisionAt({ id: decision }));
    if (row?.agent !== agent || (kind === "recorded" && row.done !== 1))
      throw new JournalBrokenError(sequence, "the decision that it tells of is not in its table as it was");
  }

  /** @param outcome undefined: it has none yet */
  function requirePayment(decision: string, { action, sealed, verdict }: Told, outcome?: Json): void {
    if (!sealed || verdict !== "allow" || action?.["action"] !== "transfer") return;
    const row = paymentRowOf(journal, decision);
    const holds =
      row?.agent === sealed.agent &&
      row.payee === action["to"] &&
      row.reference === action["reference"] &&
      (row.state !== "void" || (outcome !== undefined && !standing.has(outcome)));
    if (!holds)
      throw new JournalBrokenError(
        sealed.sequence,
        "the payment that it decides is not in its table as it was",
      );
  }

  return {
    read(entry) {
      const { agent, body, kind, sequence } = entry;
      if (kind === "trigger" && !journal.get(triggerAt({ agent, id: body["dedupeId"] as string })))
        throw new JournalBrokenError(sequence, "the trigger that it tells of is not in its table");
      const decision = body["decision"];
      if (typeof decision !== "string") return;
      const told = open.get(decision) ?? {};
      if (kind === "parsed") open.set(decision, { ...told, action: body["action"] as JsonObject });
      if (kind === "judged") open.set(decision, { ...told, verdict: body["verdict"]! });
      if (kind === "sealed") {
        requireDecision(entry, decision);
        open.set(decision, { ...told, sealed: entry });
      }
      if (kind === "signed" && !knowsOperation(journal, body["userOpHash"] as `0x${string}`))
        throw new JournalBrokenError(sequence, "the operation that it tells of is not in its table");
      if (kind !== "recorded") return;
      requireDecision(entry, decision);
      requirePayment(decision, told, body["outcome"]);
      open.delete(decision);
    },
    end() {
      for (const [decision, told] of open) requirePayment(decision, told);
    },
  };
}
