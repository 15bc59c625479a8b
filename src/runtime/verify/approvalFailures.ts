import { signedApproval } from "../../chain/checkApproval.ts";
import type { Action } from "../../core/action.ts";
import { consentStateFact } from "../../core/approval.ts";
import type { Observation } from "../../core/observation.ts";
import type { Reason } from "../../core/verdict.ts";
import { askOfDecisionId, askOfLeaf } from "../../journal/asks.ts";
import { outputOf } from "../../journal/decisions.ts";
import { consentIn, questionOf } from "../asking.ts";
import type { House } from "../house.ts";
import { approvalNameOf } from "../takeAnswer.ts";
import { verdictOf } from "../steps/judge.ts";
import type { Evidence } from "./evidence.ts";
import { same, withHistory } from "./recordFailures.ts";

/** Was what the decision asked kept as it asked it, and is the yes that it carries on with one to what an earlier decision asked? */
export async function approvalFailures(
  house: House,
  evidence: Evidence,
  earlier: ReadonlySet<string>,
): Promise<readonly string[]> {
  return [...askFailures(house, evidence), ...(await consentFailures(house, evidence, earlier))];
}

function askFailures(house: House, evidence: Evidence): readonly string[] {
  const { action, decision, observation, sealed, trigger, verdict } = evidence;
  const question = questionOf(house, decision.id, action, verdict, observation);
  const row = askOfDecisionId(house.journal, decision.id);
  if (!question) return row ? ["The journal holds an ask of a decision that asked nobody."] : [];
  const asked = { ...question, leaf: sealed.leaf, label: trigger.label };
  return same(row?.ask, asked) ? [] : ["The journal's ask is not what the decision asked."];
}

async function consentFailures(
  house: House,
  { observation, thought }: Evidence,
  earlier: ReadonlySet<string>,
): Promise<readonly string[]> {
  const { journal } = house;
  const consent = consentIn(observation);
  if (!consent) return [];
  const asked = askOfLeaf(journal, consent.ask)?.ask;
  if (!asked || !earlier.has(asked.decision))
    return ["The decision carries on with an ask that no earlier decision made."];
  const failures: string[] = [];
  const { approver, signature, ...said } = consent;
  const { callHash, deadline, leaf, nonce, policyId, reasons } = asked;
  const put = { ask: leaf, callHash, deadline, nonce, policyId, agreed: reasons.map(({ code }) => code) };
  if (!same(said, put)) failures.push("The yes was said to something else than was asked.");
  if (!same(advisory(reasons), advisory(askedAgain(house, asked.decision, earlier))))
    failures.push("What the yes was said to is not what the judge asks.");
  if (!same(thought, outputOf(journal, asked.decision, "infer")))
    failures.push("The decision carries on with another thought than the one that asked.");
  const signed =
    signature === "0x"
      ? // Used by this very operation, where it was executed since.
        observation.facts[consentStateFact]?.value !== "none"
      : (await signedApproval(approvalNameOf(asked, approver), signature)) !== undefined;
  if (!signed || !asked.approvers.some(({ address }) => address === approver))
    failures.push("None of those who were asked said yes.");
  return failures;
}

/** A yes is to the very words, and no record holds those: the judge finds them again. */
function askedAgain(house: House, decision: string, earlier: ReadonlySet<string>): readonly Reason[] {
  const action = outputOf(house.journal, decision, "parse") as unknown as Action;
  const observation = outputOf(house.journal, decision, "observe") as unknown as Observation;
  const ids = [...earlier];
  const before = new Set(ids.slice(0, ids.indexOf(decision)));
  return verdictOf(withHistory(house, before), action, observation).reasons;
}

/** What the chain asks for is shown to the chain; what it is called is no part of it. */
const advisory = (reasons: readonly Reason[]) =>
  reasons.filter(({ enforcedBy }) => enforcedBy === "advisory");
