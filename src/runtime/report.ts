import type { Hex } from "viem";

import type { Action } from "../core/action.ts";
import type { Inference } from "../core/inference.ts";
import type { Json } from "../core/json.ts";
import type { Observation } from "../core/observation.ts";
import type { Receipt } from "../core/operation.ts";
import type { Reason, Verdict } from "../core/verdict.ts";
import { outputOf, type DecisionRow } from "../journal/decisions.ts";
import type { JournalDatabase } from "../journal/openJournal.ts";
import { triggerOf } from "../journal/triggers.ts";
import type { Outcome } from "./decisionMachine.ts";
import type { Thought } from "./steps/parse.ts";
import type { Sealed } from "./steps/seal.ts";

/** One finished decision in the form that people and scripts read; everything in it comes from the journal. */
export type DecisionReport = {
  readonly id: string;
  /** Order of the decisions, from 1. */
  readonly sequence: number;
  /** Unix seconds of the block that it was decided at. */
  readonly at: number;
  readonly trigger: { readonly kind: string; readonly label: string; readonly id: string };
  readonly from: string | null;
  readonly fromName: string | null;
  readonly subject: string | null;
  readonly authentication: string | null;
  readonly authenticated: boolean | null;
  readonly excerptRule: string | null;
  readonly action: Action;
  readonly verdict: Verdict["kind"];
  readonly reasons: readonly Reason[];
  readonly outcome: Outcome;
  readonly leaf: Hex;
  readonly index: number;
  readonly thinkingMs: number | null;
  readonly tokens: { readonly prompt: number; readonly output: number } | null;
  /** Present where an operation reached the chain. */
  readonly receipt: Extract<Receipt, { transaction: Hex }> | null;
};

/** Reads a finished decision back from the journal. */
export function reportOf(journal: JournalDatabase, decision: DecisionRow): DecisionReport {
  const output = (step: string) => outputOf(journal, decision.id, step);
  const trigger = triggerOf(journal, decision.triggerId);
  const observation = output("observe") as unknown as Observation;
  const fact = (name: string): Json => observation.facts[name]?.value ?? null;
  const text = (name: string) => fact(name) as string | null;
  const thought = output("infer") as unknown as Thought;
  const inference: Inference | undefined = "inference" in thought ? thought.inference : undefined;
  const verdict = output("judge") as unknown as Verdict;
  const sealed = output("seal") as unknown as Sealed;
  const refusal = (output("sign") as { refusal?: { error: string; words: string } } | undefined)?.refusal;
  const receipt = (output("settle") as { receipt?: Receipt } | undefined)?.receipt;
  const { outcome } = output("record") as { outcome: Outcome };
  const reasons: Reason[] = [...verdict.reasons];
  if (refusal)
    reasons.push({
      code: "refused-by-chain",
      words: `${refusal.words} (${refusal.error})`,
      enforcedBy: "chain",
    });
  if (receipt?.outcome === "reverted")
    reasons.push({
      code: "reverted",
      words: `The payment reverted on chain: ${receipt.revertReason}`,
      enforcedBy: "chain",
    });
  if (receipt?.outcome === "expired")
    reasons.push({
      code: "expired",
      words: "The operation's time passed before it was included; the bill is open again.",
      enforcedBy: "chain",
    });
  return {
    id: decision.id,
    sequence: decision.position,
    at: observation.blockTimestamp,
    trigger: { kind: trigger.kind, label: trigger.label, id: trigger.dedupeId },
    from: text("mail.from"),
    fromName: text("mail.fromName"),
    subject: text("mail.subject"),
    authentication: text("mail.authentication"),
    authenticated: fact("mail.authenticated") as boolean | null,
    excerptRule: text("mail.excerptRule"),
    action: output("parse") as unknown as Action,
    verdict: verdict.kind,
    reasons,
    outcome,
    leaf: sealed.leaf,
    index: sealed.treeSize - 1,
    thinkingMs: inference ? inference.timing.prefillMs + inference.timing.generationMs : null,
    tokens: inference
      ? { prompt: inference.promptTokens.length, output: inference.outputTokens.length }
      : null,
    receipt: receipt && receipt.outcome !== "expired" ? receipt : null,
  };
}
