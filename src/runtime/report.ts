import type { Address, Hex } from "viem";

import type { Action } from "../core/action.ts";
import type { BrokenEngine, OptionWeight } from "../core/inference.ts";
import type { Json } from "../core/json.ts";
import type { Observation } from "../core/observation.ts";
import { isExecuted, type Receipt } from "../core/operation.ts";
import type { Reason, Verdict } from "../core/verdict.ts";
import { askOfDecisionId } from "../journal/asks.ts";
import { isCancelled } from "../journal/cancels.ts";
import { outputsOf, type DecisionRow } from "../journal/decisions.ts";
import type { JournalDatabase } from "../journal/openJournal.ts";
import { triggerOf } from "../journal/triggers.ts";
import { economicsOf, outputTokensOf, promptTokensOf, type Economics } from "./economics.ts";
import { consentIn } from "./asking.ts";
import type { Prices } from "./prices.ts";
import type { Outcome } from "./decisionMachine.ts";
import { inferencesOf, type Thought } from "./deliberation.ts";
import type { Sealed } from "./steps/seal.ts";

/** One call, as JSON holds it: wei in decimal digits. */
export type ReportedCall = { readonly to: Address; readonly valueWei: string; readonly data: Hex };

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
  /** Until when a yes to what it asks may be used, unix seconds; null where nothing is asked. `bursar approvals` answers. */
  readonly askedUntil: number | null;
  /** The ask of an earlier decision that somebody said yes to, and who: this decision carries on with it. */
  readonly approved: { readonly ask: Hex; readonly approver: Address } | null;
  /** The calls that it makes on chain; none where nothing was to be sent. */
  readonly calls: readonly ReportedCall[];
  /** What the model looked up, and answers of its that could not be used, in order. */
  readonly turns: readonly (
    { readonly tool: string; readonly failed: boolean } | { readonly wrong: string }
  )[];
  /** How likely the model found each way to begin its last answer. Empty where nobody asked or a server was asked. */
  readonly options: readonly OptionWeight[];
  /** What it thought before its last answer. */
  readonly thought: string | null;
  /** Over all its inferences. */
  readonly thinkingMs: number | null;
  readonly tokens: { readonly prompt: number; readonly output: number } | null;
  /** What the thinking took; null where the model was not asked. */
  readonly economics: Economics | null;
  /** A server thought: nobody can check that the model said this. */
  readonly unverifiable: boolean;
  /** Engines that broke before one answered, in order. */
  readonly broken: readonly BrokenEngine[];
  /** Present where an operation reached the chain. */
  readonly receipt: Extract<Receipt, { transaction: Hex }> | null;
};

/** Reads a finished decision back from the journal; what it cost is by the prices of today. */
export function reportOf(journal: JournalDatabase, decision: DecisionRow, prices?: Prices): DecisionReport {
  const outputs = outputsOf(journal, decision.id);
  const output = (step: string) => outputs.get(step);
  const trigger = triggerOf(journal, decision.agent, decision.triggerId);
  const observation = output("observe") as unknown as Observation;
  const fact = (name: string): Json => observation.facts[name]?.value ?? null;
  const text = (name: string) => fact(name) as string | null;
  const thought = output("infer") as unknown as Thought;
  // What somebody said yes to was thought, and told, when it was asked.
  const consent = consentIn(observation);
  const inferences = consent ? [] : inferencesOf(thought);
  const sum = (of: (one: (typeof inferences)[number]) => number) =>
    inferences.reduce((total, one) => total + of(one), 0);
  const verdict = output("judge") as unknown as Verdict;
  const sealed = output("seal") as unknown as Sealed;
  const refusal = (output("sign") as { refusal?: { error: string; words: string; by?: string } } | undefined)
    ?.refusal;
  const receipt = (output("settle") as { receipt?: Receipt } | undefined)?.receipt;
  const { outcome } = output("record") as { outcome: Outcome };
  const reasons: Reason[] = [...verdict.reasons];
  if (isCancelled(journal, decision.id))
    reasons.push({
      code: "cancelled",
      words: "The operator cancelled it.",
      enforcedBy: "advisory",
    });
  if (refusal?.by === "payer")
    reasons.push({ code: "delegation-paused", words: refusal.words, enforcedBy: "advisory" });
  if (refusal && refusal.by === undefined)
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
  if (receipt?.outcome === "displaced")
    reasons.push({
      code: "displaced",
      words:
        "Somebody else's operation has its nonce, so it was never included. That one may have paid the bill: nothing pays it again by itself.",
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
    askedUntil: askOfDecisionId(journal, decision.id)?.ask.deadline ?? null,
    approved: consent ? { ask: consent.ask, approver: consent.approver } : null,
    calls: sealed.fields["execution.calls"] as unknown as readonly ReportedCall[],
    turns: (thought.earlier ?? []).map((turn) =>
      "looked" in turn ? { tool: turn.looked.tool, failed: turn.looked.failed } : { wrong: turn.wrong },
    ),
    options: inferences.at(-1)?.options ?? [],
    thought: inferences.at(-1)?.thought?.text ?? null,
    thinkingMs: inferences.length > 0 ? sum(({ timing }) => timing.prefillMs + timing.generationMs) : null,
    tokens:
      inferences.length > 0
        ? {
            prompt: sum(promptTokensOf),
            output: sum(outputTokensOf),
          }
        : null,
    economics: inferences.length > 0 ? economicsOf(inferences, prices) : null,
    unverifiable: inferences.some(({ mode }) => mode === "remote"),
    broken: inferences.flatMap(({ fallback }) => fallback ?? []),
    receipt: receipt && isExecuted(receipt) ? receipt : null,
  };
}
