import type { Hex } from "viem";

import { NotCanonicalError } from "../core/canonical.ts";
import { FieldShapeError } from "../core/decision.ts";
import { BaseError } from "../core/errors.ts";
import type { Entry } from "../core/entry.ts";
import type { ReExecution } from "../core/inference.ts";
import { InvalidRequestError, PromptTooLongError } from "../inference/errors.ts";
import { allDecisions, type DecisionRow } from "../journal/decisions.ts";
import { readEntries, verifyEntries } from "../journal/entries.ts";
import { leavesOf, noLeaf } from "../journal/leaves.ts";
import { inferencesOf, promptAfter } from "./deliberation.ts";
import type { House } from "./house.ts";
import { approvalFailures } from "./verify/approvalFailures.ts";
import { chainHistoryOf, type ChainHistory, type ChainTree } from "./verify/chainHistory.ts";
import { entryFailures } from "./verify/entryFailures.ts";
import { EvidenceMissingError, readEvidence, type Evidence } from "./verify/evidence.ts";
import { journalFailures, treeHolds, type Book } from "./verify/journalFailures.ts";
import { outcomeFailures } from "./verify/outcomeFailures.ts";
import { partingFailures } from "./verify/partingFailures.ts";
import { memoryFailures, mindFailures, type Mind } from "./verify/memoryFailures.ts";
import { recordFailures } from "./verify/recordFailures.ts";

/** What was found about one decision. `failures` is empty when everything that was checked holds. */
export type DecisionCheck = {
  readonly sequence: number;
  readonly leaf: Hex;
  readonly failures: readonly string[];
  /** Was its leaf found under a root on the chain? */
  readonly onChain: boolean;
  readonly inference: ReExecution["verdict"] | "not checked";
};

export type Verification = {
  readonly journalEntries: number;
  readonly decisions: readonly DecisionCheck[];
  /** What is wrong with the journal as a whole: decisions that are missing, roots on the chain that contradict it. */
  readonly failures: readonly string[];
};

/** A finished decision beside everything it is compared with. */
type Case = {
  readonly decision: DecisionRow;
  readonly book: Book;
  readonly history: ChainHistory;
  readonly trees: readonly ChainTree[];
  readonly mind: Mind;
};

/**
 * Checks the journal against itself, the policy, the chain and the model (docs/architecture.md, "What verification
 * checks"). The agent has to be idle: a decision under way is a failure.
 *
 * @throws JournalBrokenError when the journal's hash chain does not hold
 */
export async function verifyDecisions(
  house: House,
  options: { readonly onChecked?: (check: DecisionCheck) => void; readonly signal?: AbortSignal } = {},
): Promise<Verification> {
  const { journal, agent } = house;
  const { entries } = verifyEntries(journal);
  const book: Book = {
    decisions: allDecisions(journal, agent.name),
    leaves: leavesOf(journal, agent.name),
    entries: entriesOf(house),
  };
  const history = await chainHistoryOf(house);
  // Only what the account itself or the operator's purse wrote: anybody may write to the log under any account's name.
  const trees = [...history.committed, ...history.anchored].filter((tree) => treeHolds(tree, book.leaves));
  const decisions: DecisionCheck[] = [];
  const mind: Mind = { memories: [] };
  for (const decision of book.decisions.filter(({ done }) => done)) {
    if (options.signal?.aborted) throw options.signal.reason;
    const check = await checkDecision(house, { decision, book, history, trees, mind }, options.signal);
    decisions.push(check);
    options.onChecked?.(check);
  }
  return {
    journalEntries: entries,
    decisions,
    failures: [...(await journalFailures(house, book, history)), ...mindFailures(house, mind)],
  };
}

function entriesOf({ agent, journal }: House): readonly Entry[] {
  const entries: Entry[] = [];
  for (;;) {
    const page = readEntries(journal, entries.at(-1)?.sequence ?? 0);
    if (page.length === 0) return entries.filter((entry) => entry.agent === agent.name);
    entries.push(...page);
  }
}

async function checkDecision(
  house: House,
  on: Case,
  signal: AbortSignal | undefined,
): Promise<DecisionCheck> {
  const { book, decision, history, mind, trees } = on;
  const failures: string[] = [];
  /** Tampered rows may have any shape: what can't be read is a failure; a chain or model that is away is an error. */
  const attempt = async <T>(what: string, work: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!isUnreadable(error) || signal?.aborted) throw error;
      failures.push(
        error instanceof EvidenceMissingError
          ? error.message
          : `The ${what} can't be checked: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}`,
      );
      return undefined;
    }
  };
  const unread = {
    sequence: decision.position,
    leaf: noLeaf,
    onChain: false,
    inference: "not checked",
  } as const;
  const evidence = await attempt("evidence", () => readEvidence(house, decision));
  if (!evidence) return { ...unread, failures };

  const { sealed } = evidence;
  if (decision.snapshot["context"] === undefined || outcomeOf(decision) !== evidence.outcome)
    failures.push(`The decision ended as "${outcomeOf(decision)}" and is recorded as "${evidence.outcome}".`);
  const earlier = new Set(
    book.decisions.filter(({ position }) => position < decision.position).map(({ id }) => id),
  );
  failures.push(
    ...((await attempt("record", () => recordFailures(house, evidence, book.leaves, earlier))) ?? []),
    ...((await attempt("approval", () => approvalFailures(house, evidence, earlier))) ?? []),
    ...((await attempt("memory", () => memoryFailures(house, evidence, mind))) ?? []),
    ...((await attempt("audit log", () =>
      entryFailures(
        evidence,
        house.policy.documentHash,
        book.entries.filter((entry) => entry.body["decision"] === decision.id),
      ),
    )) ?? []),
    ...((await attempt("payer", () => partingFailures(evidence, book.entries))) ?? []),
    ...((await attempt("outcome", () => outcomeFailures(house, evidence, history))) ?? []),
  );
  const index = book.leaves.indexOf(sealed.leaf);
  const onChain = index !== -1 && trees.some((tree) => index < tree.size);
  if (!onChain) failures.push("The leaf is under no root on the chain.");
  const inference =
    (await attempt("inference", () => repeat(house, evidence, failures, signal))) ?? "not checked";
  return { sequence: decision.position, leaf: sealed.leaf, failures, onChain, inference };
}

const outcomeOf = (decision: DecisionRow): string =>
  String((decision.snapshot["context"] as { readonly outcome?: unknown } | undefined)?.outcome);

/** Whatever is not one of our own errors was thrown by content of a wrong shape. */
const isUnreadable = (error: unknown): boolean =>
  !(error instanceof BaseError) ||
  error instanceof InvalidRequestError ||
  error instanceof NotCanonicalError ||
  error instanceof FieldShapeError;

/** Runs the model again, from the recorded prompt; for a prompt that was too long, from the observation's. */
async function repeat(
  house: House,
  { observation, thought }: Evidence,
  failures: string[],
  signal: AbortSignal | undefined,
): Promise<DecisionCheck["inference"]> {
  const options = signal ? { signal } : {};
  let verdict: DecisionCheck["inference"] = "not checked";
  for (const inference of inferencesOf(thought)) {
    const again = await house.engine.reExecute(inference, options);
    if (again.verdict === "MISMATCH") {
      failures.push(`The model writes something else at token ${again.firstDivergence.index}: ${again.why}`);
      return again.verdict;
    }
    // One that can't be verified makes the whole unverifiable.
    if (verdict !== "UNVERIFIABLE") verdict = again.verdict;
  }
  if ("inference" in thought) return verdict;
  // A server that said so is asked for nothing: its word would stand against its word.
  if (house.engine.mode === "remote") return "UNVERIFIABLE";
  try {
    await house.engine.infer(
      promptAfter(house, observation, thought.earlier ?? []),
      { kind: "greedy" },
      options,
    );
    failures.push("The record says that the message was too long for the model, which reads it.");
  } catch (error) {
    if (!(error instanceof PromptTooLongError)) throw error;
  }
  return "not checked";
}
