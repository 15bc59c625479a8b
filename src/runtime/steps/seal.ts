import { encodeFunctionData, erc20Abi, zeroAddress, type Hex } from "viem";

import type { Action } from "../../core/action.ts";
import { formatUnitsExact } from "../../core/amount.ts";
import { recordSchema, sealDecision, tokensDigest, type RecordFields } from "../../core/decision.ts";
import { sha256Hex } from "../../core/hash.ts";
import { observationDigest, type Observation } from "../../core/observation.ts";
import type { Call } from "../../core/operation.ts";
import type { Verdict } from "../../core/verdict.ts";
import { addLeaf, nextLeaf } from "../../journal/leaves.ts";
import { putPayment } from "../../journal/payments.ts";
import { isReason, resolveTransfer, type Payment } from "../../policy/resolve.ts";
import { billOf } from "./judge.ts";
import { canonicalize } from "../../core/canonical.ts";
import type { StepSignal } from "../decisionMachine.ts";
import type { House, Step, StepContext } from "../house.ts";
import type { Thought } from "./parse.ts";

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
    const payment = paymentOf(house, action, verdict);
    const place = nextLeaf(house.journal, house.agent.name);
    const sealed = sealDecision(recordFields(context, place, action, verdict, payment), house.randomSecret());
    // The tree is read and grown in this very transaction.
    const tree = addLeaf(house.journal, house.agent.name, decision, sealed.leaf);
    const value: Sealed = { ...sealed, treeSize: tree.size, treeRoot: tree.root };
    return {
      value: value,
      signal: payment ? { next: "go" } : endOf(action, verdict),
      entry: {
        kind: "sealed",
        body: { index: tree.size - 1, leaf: sealed.leaf, root: sealed.root, treeRoot: tree.root },
      },
      rows() {
        if (!payment) return;
        const amount = `${formatUnitsExact(payment.amountUnits, payment.limit.token.decimals, 2)} ${payment.limit.token.symbol}`;
        putPayment(house.journal, house.agent.name, {
          decision,
          ...billOf(payment, context.output("observe") as unknown as Observation),
          words: `${amount} for ${context.trigger.label}`,
        });
      },
    };
  },
};

/** The payment a decision makes, or undefined when it makes none. */
export function paymentOf(house: House, action: Action, verdict: Verdict): Payment | undefined {
  if (action.action === "hold" || verdict.kind !== "allow") return undefined;
  const payment = resolveTransfer(house.policy, action);
  return isReason(payment) ? undefined : payment;
}

function endOf(action: Action, verdict: Verdict): StepSignal {
  if (action.action === "hold") return { next: "end", outcome: "held" };
  return { next: "end", outcome: verdict.kind === "ask" ? "asked" : "refused" };
}

/** The one call that a payment makes. */
export function callOf(payment: Payment): Call {
  const { asset } = payment.limit.grant;
  if (asset === zeroAddress) return { to: payment.to, valueWei: payment.amountUnits, data: "0x" };
  return {
    to: asset,
    valueWei: 0n,
    data: encodeFunctionData({
      abi: erc20Abi,
      functionName: "transfer",
      args: [payment.to, payment.amountUnits],
    }),
  };
}

/** The record, field by field (docs/architecture.md lists them). Digests where the content is large or private. */
export function recordFields(
  { house, trigger, output }: Pick<StepContext, "house" | "trigger" | "output">,
  { index, previous }: { readonly index: number; readonly previous: Hex },
  action: Action,
  verdict: Verdict,
  payment: Payment | undefined,
): RecordFields {
  const observation = output("observe") as unknown as Observation;
  const thought = output("infer") as unknown as Thought;
  const call = payment && callOf(payment);
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
    "policy.policyId": payment ? payment.limit.policyId : null,
    ...inferenceFields(thought),
    "decision.action": action,
    "decision.verdict": verdict.kind,
    "decision.reasons": verdict.reasons.map((reason) => reason.code),
    "execution.calls": call
      ? [{ to: call.to.toLowerCase(), valueWei: call.valueWei.toString(), data: call.data }]
      : [],
    "execution.nonce": call ? (observation.facts["account.nonce"]?.value ?? null) : null,
  };
}

/** What pins an inference, so that it can be run again: model, runtime, settings, prompt and output by their digests. */
export function inferenceFields(thought: Thought): RecordFields {
  if ("tooLong" in thought) return { "output.tooLong": thought.tooLong };
  const { inference } = thought;
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
  };
}
