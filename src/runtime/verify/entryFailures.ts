import type { Entry } from "../../core/entry.ts";
import type { JsonObject } from "../../core/json.ts";
import { observationDigest } from "../../core/observation.ts";
import { isExecuted } from "../../core/operation.ts";
import { consentIn } from "../asking.ts";
import { recalledEntry, thoughtEntry } from "../deliberation.ts";
import type { Evidence } from "./evidence.ts";
import { same } from "./recordFailures.ts";

/** A line that a decision has to have in the audit log. Only the fields named here are compared. */
type Expected = { readonly kind: string; readonly body: JsonObject };

/** What becomes of the trigger of a decision that came to nothing: told beside the decision's own lines. */
const afterwards: ReadonlySet<string> = new Set(["reopened", "given-up"]);

/** The audit log has to tell the decision from its first step to its last: each line once, in order, with these contents. */
export function entryFailures(
  evidence: Evidence,
  documentHash: string,
  entries: readonly Entry[],
): readonly string[] {
  const expected = expectedEntries(evidence, documentHash);
  const failures: string[] = [];
  const kinds = entries
    .map((entry) => entry.kind)
    .filter((kind) => !afterwards.has(kind) && kind !== "cancelled");
  if (
    !same(
      kinds,
      expected.map(({ kind }) => kind),
    )
  )
    failures.push(
      `The audit log tells ${kinds.join(", ") || "nothing"}; the decision has ${expected.map(({ kind }) => kind).join(", ")}.`,
    );
  const left = [...entries];
  for (const { kind, body } of expected) {
    const place = left.findIndex((candidate) => candidate.kind === kind);
    if (place < 0) continue;
    // A fee may be bumped more than once: each line stands for one.
    const [entry] = left.splice(place, 1) as [Entry];
    for (const [name, value] of Object.entries(body))
      if (!same(entry.body[name], value))
        failures.push(`The audit log's "${kind}" has another ${name} than the decision.`);
  }
  const { outcome, sealed, signed } = evidence;
  // An operator may cancel at any moment, so the line has no place of its own; without it only the chain refuses, or a payer who parted.
  if (
    signed?.refusal?.by !== undefined &&
    signed.refusal.by !== "payer" &&
    !entries.some(({ kind }) => kind === "cancelled")
  )
    failures.push("The audit log does not tell that the operator cancelled the decision.");
  for (const { body, kind } of entries.filter((entry) => afterwards.has(entry.kind)))
    if (
      outcome === "paid" ||
      outcome === "acted" ||
      body["outcome"] !== outcome ||
      body["leaf"] !== sealed.leaf
    )
      failures.push(`The audit log's "${kind}" tells of another end than the decision's.`);
  return failures;
}

function expectedEntries(evidence: Evidence, documentHash: string): readonly Expected[] {
  const {
    action,
    decision,
    observation,
    operations,
    outcome,
    sealed,
    sent,
    settled,
    signed,
    thought,
    verdict,
  } = evidence;
  const consent = consentIn(observation);
  const expected: Expected[] = [
    {
      kind: "observed",
      body: { agent: decision.agent, block: observation.blockNumber, digest: observationDigest(observation) },
    },
    consent ? recalledEntry(consent.ask) : thoughtEntry(thought),
    { kind: "parsed", body: { action } },
    {
      kind: "judged",
      body: {
        verdict: verdict.kind,
        reasons: verdict.reasons.map((reason) => reason.code),
        policy: documentHash,
      },
    },
    {
      kind: "sealed",
      body: {
        index: sealed.treeSize - 1,
        leaf: sealed.leaf,
        root: sealed.root,
        treeRoot: sealed.treeRoot,
      },
    },
  ];
  if (signed?.refusal) {
    const { by = "chain", error, words } = signed.refusal;
    expected.push({ kind: "refused", body: { by, error, words } });
  }
  const operation = signed?.operation;
  if (operation) {
    const { userOpHash, userOp, validUntil } = operation;
    expected.push({ kind: "signed", body: { userOpHash, nonce: userOp.nonce, validUntil } });
    if (sent) expected.push({ kind: "sent", body: { userOpHash, answer: sent.answer } });
    for (const [index, { userOp: bump, userOpHash: hash }] of operations.slice(1).entries())
      expected.push({
        kind: "bumped",
        body: {
          userOpHash: hash,
          instead: operations[index]!.userOpHash,
          maxFeePerGas: bump.maxFeePerGas,
          maxPriorityFeePerGas: bump.maxPriorityFeePerGas,
        },
      });
    if (settled) expected.push({ kind: "settled", body: settledBody(settled.receipt) });
  }
  expected.push({ kind: "recorded", body: { outcome } });
  return expected;
}

function settledBody(receipt: NonNullable<Evidence["settled"]>["receipt"]): JsonObject {
  const { outcome, userOpHash } = receipt;
  return isExecuted(receipt)
    ? { userOpHash, outcome, transaction: receipt.transaction, block: receipt.blockHash }
    : { userOpHash, outcome };
}
