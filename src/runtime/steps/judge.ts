import { hexToBigInt, type Address, type Hex } from "viem";

import type { Action } from "../../core/action.ts";
import type { Json } from "../../core/json.ts";
import type { Observation } from "../../core/observation.ts";
import type { Reason, Verdict } from "../../core/verdict.ts";
import { standingPayments } from "../../journal/payments.ts";
import type { CompiledLimit } from "../../policy/compile.ts";
import { isPlain } from "../../policy/grant.ts";
import { findEarlier } from "../../policy/duplicates.ts";
import { judge as judgePayment, type Circumstances } from "../../policy/judge.ts";
import { witnessesOf } from "../../policy/proveCalls.ts";
import { decodeCounters } from "../../policy/usage.ts";
import { compactSignature } from "../../chain/compactSignature.ts";
import { encodeCalls } from "../../chain/signOperation.ts";
import { agreementOn, sentOf, type Agreement } from "../asking.ts";
import { claimAt } from "../claim.ts";
import { deedOf, isRefused, type Deed } from "../deed.ts";
import type { House, Step } from "../house.ts";
import { payerHas, payerReasons, type Payer } from "../payer.ts";

/** Gas of one payment, generously: what the judge multiplies by the fee to foresee the chain's own fee check. */
const expectedGas = 260_000n;
/** The same for a grant with extras: proofs travel in words, and one to three slots more are touched. */
const expectedRuledGas = 360_000n;

/** What making the account takes, once: a clone, its owner's slot, the factory, and its first balance of gas. */
const expectedMakingGas = 160_000n;

/** For each further call of an operation. */
const expectedGasPerCall = 120_000n;

/** What a hold means, for people. */
const holdWords: Readonly<Record<string, string>> = {
  "not-a-bill": "The model read no bill in it.",
  "unknown-payee": "The model read a bill from somebody who is not a payee.",
  unclear: "The model could not tell what to pay.",
  unparsable: "The model did not answer with an action.",
  "cut-off": "The model's answer was longer than it may be, and was cut off.",
  unusable: "The agent's code can't make calls of what the model wrote.",
  "too-long": "The message is longer than the model's context.",
};

/** Step 4. Action + policy + usage → Verdict. The chain decides in the end; this foresees it and adds what it can't see. */
export const judge: Step = {
  when: "now",
  run({ house, output }) {
    const observation = output("observe") as unknown as Observation;
    const verdict = verdictOf(house, output("parse") as unknown as Action, observation);
    return {
      value: verdict,
      entry: {
        kind: "judged",
        body: {
          verdict: verdict.kind,
          reasons: verdict.reasons.map((reason) => reason.code),
          policy: house.policy.documentHash,
        },
      },
    };
  },
};

export function verdictOf(house: House, action: Action, observation: Observation): Verdict {
  if (action.action === "hold") {
    const reason: Reason = {
      code: action.reason,
      words: holdWords[action.reason] ?? action.reason,
      enforcedBy: "advisory",
    };
    return { kind: "allow", reasons: [reason] };
  }
  const deed = deedOf(house, action, observation);
  if (deed === undefined) return { kind: "allow", reasons: [] };
  if (isRefused(deed)) return { kind: "deny", reasons: [deed] };
  const { limit, payment } = deed;
  const fact = (name: string) => observation.facts[name]?.value;
  const symbol = limit.token.symbol;
  const counters = decodeCounters(hexToBigInt(fact(`limit.${symbol}.counters`) as Hex));
  const epoch = fact("account.epoch") as number;
  // What the owner signed makes the grant in this very operation.
  const grants = ownerSignatureIn(observation, limit) !== undefined;
  const agreement = agreementOn(house, deed, observation);
  const { payer } = deed;
  const verdict = judgePayment({
    policy: house.policy,
    payment,
    usage: {
      counters: grants ? { ...counters, status: "granted", epoch } : counters,
      epoch,
      frozen: fact("account.frozen") as boolean,
    },
    claim: claimAt(observation.blockTimestamp),
    balanceUnits: payer ? payerHas(payer) : BigInt(fact(`limit.${symbol}.balanceUnits`) as string),
    expectedFeeWei:
      BigInt(fact("gas.maxFeePerGasWei") as string) *
      ((isPlain(limit.grant) ? expectedGas : expectedRuledGas) +
        (fact("account.made") === false ? expectedMakingGas : 0n) +
        expectedGasPerCall * BigInt(deed.calls.length - 1)),
    gasFundsWei: BigInt(fact("account.depositWei") as string) + BigInt(fact("account.nativeWei") as string),
    circumstances: {
      ...circumstancesOf(house, deed, observation),
      ...(agreement ? { agreed: agreement.agreed } : {}),
    },
    chain: {
      account: house.account,
      ...accountFacts(fact, symbol),
      ...callsOf(house, deed),
      ...approvalOf(agreement),
      ...(isSponsored(observation) ? { paymaster: fact("gas.paymaster") as Address } : {}),
    },
  });
  return payer ? alsoBy(payer, deed, observation, verdict) : verdict;
}

/** What the payer's own law refuses, beside what the policy does: both laws hold, and both are the chain's. */
function alsoBy(
  payer: Payer,
  { limit, payment }: Deed,
  { blockTimestamp }: Observation,
  verdict: Verdict,
): Verdict {
  const spend = { payee: payment.to, amountUnits: payment.amountUnits, at: blockTimestamp };
  const reasons = payerReasons(payer, limit.token, spend);
  const [first, ...others] = [
    ...(verdict.kind === "deny" ? verdict.reasons.filter(({ code }) => code !== "balance") : []),
    ...reasons,
  ];
  return first ? { kind: "deny", reasons: [first, ...others] } : verdict;
}

/** The calls as the chain will read them, where they are more than one payment of a plain grant. */
function callsOf({ account, policy }: House, { calls, limit }: Deed) {
  const proofs = witnessesOf(calls, limit, policy.payeeTree, account);
  if (isPlain(limit.grant) && calls.length === 1 && proofs[0]?.rule === null) return {};
  return { calls: { callData: encodeCalls(calls), proofs } };
}

/** The co-signature at hand, for the law to look at. */
const approvalOf = (agreement: Agreement | undefined) =>
  agreement?.approval ? { approval: { sent: sentOf(agreement.approval), state: agreement.state } } : {};

/** The owner's signature that an operation under this limit has to carry, 64 bytes; undefined where it is granted, or can't be. */
export function ownerSignatureIn(observation: Observation, { token }: CompiledLimit): Hex | undefined {
  const signature = observation.facts[`limit.${token.symbol}.ownerSignature`]?.value;
  return signature === undefined ? undefined : compactSignature(signature as Hex);
}

/** What the account says beside its counters: when the owner was heard of, operations counted, the cap over all agents. */
function accountFacts(fact: (name: string) => Json | undefined, symbol: string) {
  const heartbeat = fact("account.lastHeartbeat");
  // Observations of earlier versions do not say it.
  if (heartbeat === undefined) return {};
  return {
    heartbeat: BigInt(heartbeat as number),
    operations: hexToBigInt(fact(`limit.${symbol}.operations`) as Hex),
    cap: hexToBigInt(fact(`limit.${symbol}.cap`) as Hex),
  };
}

/** Was it decided that the paymaster pays? */
export const isSponsored = ({ facts }: Observation): boolean => facts["gas.paymaster"] !== undefined;

function circumstancesOf(house: House, deed: Deed, observation: Observation): Circumstances {
  const fact = (name: string) => observation.facts[name]?.value;
  // Nobody has to vouch for a clock, and a webhook's signature was checked at the door.
  const mailed = fact("trigger.kind") === "mail";
  const authenticated = fact("mail.authenticated") === true;
  const sender = {
    authenticated,
    domain: (fact("mail.domain") as string | null | undefined) ?? null,
    // Whatever does not say who vouches for it is vouched for by nobody.
    detail: (fact("mail.authentication") as string | undefined) ?? "Nobody vouches for the sender.",
  };
  const { bill, transfer } = deed;
  const names = house.policy.payees.map(({ name }) => name);
  const earlier = bill === undefined ? [] : standingPayments(house.journal, house.agent.name, bill, names);
  if (!transfer) {
    const done = earlier.find(({ reference }) => reference === bill?.reference);
    return {
      // Whether a payee writes is a question for payments; who writes at all is one for everything.
      sender: mailed && !authenticated ? sender : null,
      source: null,
      earlier: done ? { kind: "same", words: `This was done before: ${done.words}.` } : null,
    };
  }
  const source = fact("mail.text");
  return {
    sender: mailed ? sender : null,
    source: typeof source === "string" ? source : null,
    earlier: findEarlier(bill!, earlier),
  };
}
