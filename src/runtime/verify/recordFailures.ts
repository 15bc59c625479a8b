import type { Hex } from "viem";

import { canonicalize } from "../../core/canonical.ts";
import { sealDecision } from "../../core/decision.ts";
import type { Inference } from "../../core/inference.ts";
import type { Json } from "../../core/json.ts";
import type { Observation } from "../../core/observation.ts";
import { readAnswer } from "../../agents/answers.ts";
import { deskOf } from "../../agents/desk.ts";
import { noLeaf } from "../../journal/leaves.ts";
import { paymentRowOf } from "../../journal/payments.ts";
import type { House } from "../house.ts";
import { promptAfter, type Turn } from "../deliberation.ts";
import { verdictOf } from "../steps/judge.ts";
import { paymentStateOf } from "../steps/record.ts";
import { consentIn, questionOf } from "../asking.ts";
import { actionOf } from "../steps/parse.ts";
import { recordFields } from "../steps/seal.ts";
import type { Evidence } from "./evidence.ts";

export const same = (one: unknown, other: unknown): boolean =>
  canonicalize((one ?? null) as Json) === canonicalize((other ?? null) as Json);

/** Everything that follows from the observation and the model's text without asking anybody: steps 3 to 5 done again. */
export function recordFailures(
  house: House,
  evidence: Evidence,
  leaves: readonly Hex[],
  earlier: ReadonlySet<string>,
): readonly string[] {
  const { action, deed, observation, output, sealed, thought, trigger, verdict } = evidence;
  const failures: string[] = [];
  const index = leaves.indexOf(sealed.leaf);

  const resealed = sealDecision(sealed.fields, sealed.secret);
  if (resealed.leaf !== sealed.leaf || resealed.root !== sealed.root)
    failures.push("The record does not hash to its leaf.");
  if (index === -1 || index !== sealed.treeSize - 1)
    failures.push("The leaf is not at its place in the agent's tree.");

  const facts = (trigger.payload["facts"] ?? {}) as Readonly<Record<string, Json>>;
  for (const [name, fact] of Object.entries(facts))
    if (!same(observation.facts[name], fact))
      failures.push(`The observation's ${name} is not the trigger's.`);

  const consent = consentIn(observation);
  // What was thought before it was asked is checked where it was thought.
  const turns = consent ? [] : (thought.earlier ?? []);
  for (const [index, turn] of turns.entries())
    failures.push(
      ...askedFailures(house, observation, turns.slice(0, index), turn.inference),
      ...turnFailures(house, observation, turn),
    );
  if ("inference" in thought && !consent)
    failures.push(...askedFailures(house, observation, turns, thought.inference));
  const meant = actionOf(house, thought, observation);
  if (!same(meant, action)) failures.push("The action is not what the model wrote.");

  const judged = verdictOf(withHistory(house, earlier), meant, observation);
  const codes = (of: typeof verdict) => of.reasons.map((reason) => reason.code);
  if (judged.kind !== verdict.kind || !same(codes(judged), codes(verdict)))
    failures.push(
      `The verdict is "${verdict.kind}"; the judge says "${[judged.kind, ...codes(judged)].join(", ")}".`,
    );

  const place = { index, previous: leaves[index - 1] ?? noLeaf };
  const question = questionOf(house, evidence.decision.id, action, verdict, observation);
  const expected = recordFields({ house, trigger, output }, place, { action, deed, question, verdict });
  for (const path of new Set([...Object.keys(expected), ...Object.keys(sealed.fields)]))
    if (!same(sealed.fields[path], expected[path]))
      failures.push(`The record's ${path} is not what the journal holds.`);
  failures.push(...paymentRowFailures(house, evidence));
  return failures;
}

/** Was the model asked what follows from the observation and the turns before? */
function askedFailures(
  house: House,
  observation: Observation,
  before: readonly Turn[],
  { mode, prompt: asked, sampling }: Inference,
): readonly string[] {
  const failures: string[] = [];
  const prompt = promptAfter(house, observation, before);
  if (!same(asked.messages, prompt.messages))
    failures.push("The model was asked something else than the observation.");
  if (asked.grammar !== prompt.grammar || asked.maxTokens !== prompt.maxTokens)
    failures.push("The model wrote under another grammar or limit than the agent's.");
  if (mode === "remote" && !same(asked.jsonSchema, prompt.jsonSchema))
    failures.push("The server was given another form of answers than the agent's.");
  if (!same(asked.thought, prompt.thought) || (asked.options && !same(asked.options, prompt.options)))
    failures.push("The model was let think in another way, or asked for other odds, than the agent asks.");
  if (!same(sampling, { kind: "greedy" })) failures.push("The model's tokens were not chosen greedily.");
  return failures;
}

/** Did a turn lead to what the model wrote? What a tool answered is the runtime's word; it can't be asked again. */
function turnFailures(
  { account, agent, policy }: House,
  observation: Observation,
  turn: Turn,
): readonly string[] {
  const answer = readAnswer(agent, turn.inference, deskOf(policy, account, observation));
  if ("wrong" in turn)
    return answer.kind === "wrong" && answer.why === turn.wrong
      ? []
      : ["The record says that an answer could not be used, and the agent's code does not."];
  const { input, provenance, tool } = turn.looked;
  const declared = agent.tools?.[tool];
  return answer.kind === "tool" &&
    answer.name === tool &&
    same(answer.input, input) &&
    provenance === (turn.looked.failed ? "untrusted" : declared?.provenance)
    ? []
    : ["The record tells of a look-up that the model did not ask for."];
}

/**
 * The journal as it was when the decision was judged. An agent decides one thing at a time, so every earlier decision
 * had ended, and its payment stood then if and only if it stands now.
 */
export function withHistory(house: House, earlier: ReadonlySet<string>): House {
  const { journal } = house;
  return {
    ...house,
    journal: {
      ...journal,
      all: (statement, ...values) =>
        journal
          .all(statement, ...values)
          .filter((row) => earlier.has((row as { readonly decision: string }).decision)),
    },
  };
}

/** The row by which later bills are found to be duplicates. */
function paymentRowFailures({ journal }: House, evidence: Evidence): readonly string[] {
  const { decision, deed, outcome } = evidence;
  const row = paymentRowOf(journal, decision.id);
  const bill = deed?.bill;
  if (!bill) return row ? ["The journal holds a payment of a decision that pays nothing."] : [];
  const holds =
    row?.payee === bill.payee &&
    row.agent === decision.agent &&
    (row.payee_address === null || row.payee_address === bill.address) &&
    row.reference === bill.reference &&
    row.references_ === canonicalize(bill.references) &&
    row.at === bill.at &&
    row.asset === bill.asset &&
    row.amount_units === bill.amountUnits &&
    row.state === paymentStateOf(outcome);
  return holds ? [] : ["The journal's payment is not the one that was decided."];
}
