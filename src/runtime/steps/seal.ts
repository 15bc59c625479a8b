import type { Hex } from "viem";

import type { Action } from "../../core/action.ts";
import type { Consent } from "../../core/approval.ts";
import { canonicalize } from "../../core/canonical.ts";
import { recordSchema, sealDecision, tokensDigest, type RecordFields } from "../../core/decision.ts";
import { sha256Hex } from "../../core/hash.ts";
import type { Inference } from "../../core/inference.ts";
import type { JsonObject } from "../../core/json.ts";
import type { Call } from "../../core/operation.ts";
import { observationDigest, type Observation } from "../../core/observation.ts";
import { afterRemembering } from "../../core/memory.ts";
import type { Verdict } from "../../core/verdict.ts";
import { keepMemories, memoriesIn } from "../../journal/memories.ts";
import { putAsk } from "../../journal/asks.ts";
import { addLeaf, nextLeaf } from "../../journal/leaves.ts";
import { putPayment } from "../../journal/payments.ts";
import { consentIn, questionOf, type Question } from "../asking.ts";
import type { StepSignal } from "../decisionMachine.ts";
import { allowedDeed, type Deed } from "../deed.ts";
import type { Thought, Turn } from "../deliberation.ts";
import type { Step, StepContext } from "../house.ts";
import { memoriesOf, type Written } from "../remember.ts";
import { remoteFields, unverifiableFields } from "./remoteFields.ts";

/** What sealing hands on: the leaf, and the tree that ends with it. */
export type Sealed = {
  readonly fields: RecordFields;
  readonly secret: Hex;
  readonly root: Hex;
  readonly leaf: Hex;
  readonly treeSize: number;
  readonly treeRoot: Hex;
};

/**
 * Step 5. Everything above + salts → DecisionRecord → leaf. Record, leaf and bill are written in one transaction with
 * steps 3 and 4, before anything is sent. Decisions not to act are sealed as well.
 */
export const seal: Step = {
  when: "now",
  run(context) {
    const { house, decision } = context;
    const action = context.output("parse") as unknown as Action;
    const verdict = context.output("judge") as unknown as Verdict;
    const observation = context.output("observe") as unknown as Observation;
    const deed = allowedDeed(house, action, verdict, observation);
    const place = nextLeaf(house.journal, house.agent.name);
    const question = questionOf(house, decision, action, verdict, observation);
    const fields = recordFields(context, place, { action, deed, question, verdict });
    const sealed = sealDecision(fields, house.randomSecret());
    // The tree is read and grown in this very transaction.
    const tree = addLeaf(house.journal, house.agent.name, decision, sealed.leaf);
    const value: Sealed = { ...sealed, treeSize: tree.size, treeRoot: tree.root };
    return {
      value: value,
      signal: deed ? { next: "go" } : endOf(action, verdict),
      entry: {
        kind: "sealed",
        body: { index: tree.size - 1, leaf: sealed.leaf, root: sealed.root, treeRoot: tree.root },
      },
      rows() {
        const written = memoriesOf(
          house,
          context.output("infer") as unknown as Thought,
          action,
          verdict,
          observation,
        );
        if (written.length > 0)
          keepMemories(
            house.journal,
            house.agent.name,
            afterRemembering(memoriesIn(house.journal, house.agent.name), written),
          );
        if (question) putAsk(house.journal, { ...question, leaf: sealed.leaf, label: context.trigger.label });
        if (!deed?.bill) return;
        putPayment(house.journal, house.agent.name, {
          decision,
          ...deed.bill,
          words: `${deed.words} for ${context.trigger.label}`,
        });
      },
    };
  },
};

function endOf(action: Action, verdict: Verdict): StepSignal {
  if (action.action === "hold") return { next: "end", outcome: "held" };
  // Allowed, and nothing to send: an action without calls.
  if (verdict.kind === "allow") return { next: "end", outcome: "noted" };
  return { next: "end", outcome: verdict.kind === "ask" ? "asked" : "refused" };
}

/** What a decision came to. */
export type Decided = {
  readonly action: Action;
  readonly verdict: Verdict;
  readonly deed: Deed | undefined;
  readonly question: Question | undefined;
};

/** The record, field by field (docs/architecture.md lists them). Digests where the content is large or private. */
export function recordFields(
  { house, trigger, output }: Pick<StepContext, "house" | "trigger" | "output">,
  { index, previous }: { readonly index: number; readonly previous: Hex },
  { action, deed, question, verdict }: Decided,
): RecordFields {
  const observation = output("observe") as unknown as Observation;
  const thought = output("infer") as unknown as Thought;
  return {
    "header.schema": recordSchema,
    "header.chainId": observation.chainId,
    "header.account": house.account.toLowerCase(),
    "header.agent": house.policy.agent.toLowerCase(),
    "header.agentName": house.agent.name,
    "header.index": index,
    "header.previousLeaf": previous,
    "header.blockNumber": observation.blockNumber,
    "header.blockHash": observation.blockHash,
    "header.blockTimestamp": observation.blockTimestamp,
    "trigger.kind": trigger.kind,
    "trigger.id": trigger.dedupeId,
    "observation.digest": observationDigest(observation),
    "observation.excerptRule": observation.facts["mail.excerptRule"]?.value ?? null,
    "policy.documentHash": house.policy.documentHash,
    "policy.policyId": deed ? deed.limit.policyId : null,
    ...thoughtFields(thought),
    "decision.action": action,
    "decision.verdict": verdict.kind,
    "decision.reasons": verdict.reasons.map((reason) => reason.code),
    ...askFields(question, consentIn(observation)),
    ...memoryFields(memoriesOf(house, thought, action, verdict, observation)),
    "execution.calls": callFields(deed?.calls ?? []),
    "execution.nonce": deed ? (observation.facts["account.nonce"]?.value ?? null) : null,
  };
}

/** Calls as a record names them. */
export const callFields = (calls: readonly Call[]): JsonObject[] =>
  calls.map(({ data, to, valueWei }) => ({
    to: to.toLowerCase(),
    valueWei: valueWei.toString(),
    data: data.toLowerCase(),
  }));

/** What is asked of people, and the yes to what was asked before. */
const askFields = (question: Question | undefined, consent: Consent | undefined): RecordFields => ({
  ...(question && {
    "ask.policyId": question.policyId,
    "ask.calls": question.calls,
    "ask.deadline": question.deadline,
    "ask.approvers": question.approvers.map(({ address }) => address),
  }),
  ...(consent && {
    "approval.ask": consent.ask,
    "approval.approver": consent.approver,
    "approval.signature": consent.signature,
  }),
});

const memoryFields = (written: readonly Written[]): RecordFields =>
  written.length === 0
    ? {}
    : {
        "decision.memory": written.map((one) =>
          one.value === null
            ? { name: one.name, forgotten: true }
            : { name: one.name, digest: one.digest, provenance: one.provenance },
        ),
      };

/** What pins an inference, so that it can be run again: model, runtime, settings, prompt and output by their digests. */
function thoughtFields(thought: Thought): RecordFields {
  return {
    ...("tooLong" in thought ? { "output.tooLong": thought.tooLong } : inferenceFields(thought.inference)),
    ...(thought.earlier ? { "inference.earlier": thought.earlier.map(turnFields) } : {}),
    ...unverifiableFields(thought),
  };
}

/** A turn by its digests: what was asked of the model, what it wrote, and what that led to. */
function turnFields(turn: Turn): JsonObject {
  return {
    inference: sha256Hex(canonicalize(inferenceFields(turn.inference))),
    ...("looked" in turn
      ? { tool: turn.looked.tool, lookUp: sha256Hex(canonicalize(turn.looked)) }
      : { wrong: sha256Hex(turn.wrong) }),
  };
}

/** What pins one inference. */
export function inferenceFields(inference: Inference): RecordFields {
  const { options, prompt, thought } = inference;
  return {
    "model.sha256": inference.model.sha256,
    "model.identity": inference.model,
    "runtime.identity": inference.runtime,
    "runtime.mode": inference.mode,
    "runtime.settings": inference.settings,
    "sampling.method": inference.sampling,
    "prompt.messages": sha256Hex(canonicalize(inference.prompt.messages)),
    "prompt.grammar": inference.prompt.grammar === null ? null : sha256Hex(inference.prompt.grammar),
    "prompt.maxTokens": inference.prompt.maxTokens,
    "prompt.tokens": tokensDigest(inference.promptTokens),
    "prompt.tokenCount": inference.promptTokens.length,
    "output.tokens": tokensDigest(inference.outputTokens),
    "output.tokenCount": inference.outputTokens.length,
    "output.text": sha256Hex(inference.text),
    "output.stopReason": inference.stopReason,
    "inference.fingerprints": sha256Hex(canonicalize(inference.fingerprints)),
    ...remoteFields(inference),
    ...(thought && {
      "prompt.thoughtMaxTokens": prompt.thought?.maxTokens ?? null,
      "inference.thought": sha256Hex(canonicalize(thought)),
    }),
    // The texts are in it, so what was asked for needs no field of its own.
    ...(options && { "inference.options": sha256Hex(canonicalize(options)) }),
  };
}
