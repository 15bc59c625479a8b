import { hexToBigInt, type Hex } from "viem";

import type { Action } from "../../core/action.ts";
import type { Json } from "../../core/json.ts";
import type { Observation } from "../../core/observation.ts";
import type { Reason, Verdict } from "../../core/verdict.ts";
import { standingPayments } from "../../journal/payments.ts";
import { isPlain } from "../../policy/grant.ts";
import { findEarlier, type Bill } from "../../policy/duplicates.ts";
import { judge as judgePayment, type Circumstances } from "../../policy/judge.ts";
import { isReason, resolveTransfer, type Payment } from "../../policy/resolve.ts";
import { decodeCounters } from "../../policy/usage.ts";
import { compactSignature } from "../../chain/compactSignature.ts";
import { longestClaimSeconds } from "../../chain/signOperation.ts";
import type { House, Step } from "../house.ts";

/** Gas of one payment, generously: what the judge multiplies by the fee to foresee the chain's own fee check. */
const expectedGas = 260_000n;
/** The same for a grant with extras: proofs travel in words, and one to three slots more are touched. */
const expectedRuledGas = 360_000n;

/** What a hold means, for people. */
const holdWords: Readonly<Record<string, string>> = {
  "not-a-bill": "The model read no bill in it.",
  "unknown-payee": "The model read a bill from somebody who is not a payee.",
  unclear: "The model could not tell what to pay.",
  unparsable: "The model did not answer with an action.",
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
  const payment = resolveTransfer(house.policy, action);
  if (isReason(payment)) return { kind: "deny", reasons: [payment] };
  const fact = (name: string) => observation.facts[name]?.value;
  const symbol = payment.limit.token.symbol;
  const counters = decodeCounters(hexToBigInt(fact(`limit.${symbol}.counters`) as Hex));
  const epoch = fact("account.epoch") as number;
  // What the owner signed makes the grant in this very operation.
  const grants = ownerSignatureIn(observation, payment) !== undefined;
  return judgePayment({
    policy: house.policy,
    payment,
    usage: {
      counters: grants ? { ...counters, status: "granted", epoch } : counters,
      epoch,
      frozen: fact("account.frozen") as boolean,
    },
    claim: claimAt(observation.blockTimestamp),
    balanceUnits: BigInt(fact(`limit.${symbol}.balanceUnits`) as string),
    expectedFeeWei:
      BigInt(fact("gas.maxFeePerGasWei") as string) *
      (isPlain(payment.limit.grant) ? expectedGas : expectedRuledGas),
    gasFundsWei: BigInt(fact("account.depositWei") as string) + BigInt(fact("account.nativeWei") as string),
    circumstances: circumstancesOf(house, payment, observation),
    chain: { account: house.account, ...accountFacts(fact, symbol) },
  });
}

/** The owner's signature that the payment's operation has to carry, 64 bytes; undefined where its limit is granted, or can't be. */
export function ownerSignatureIn(observation: Observation, { limit }: Payment): Hex | undefined {
  const signature = observation.facts[`limit.${limit.token.symbol}.ownerSignature`]?.value;
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

/** Seconds before the newest block at which a claim begins: block clocks may lag a little behind each other. */
const claimLeadSeconds = 30;

/** The longest claim the account accepts, around a block's own time. Never from this machine's clock. */
export function claimAt(blockTimestamp: number): {
  readonly validAfter: bigint;
  readonly validUntil: bigint;
} {
  const validAfter = BigInt(blockTimestamp - claimLeadSeconds);
  return { validAfter, validUntil: validAfter + BigInt(longestClaimSeconds) };
}

/** A payment as the duplicate check compares it, with every reference of the whole message. */
export function billOf(payment: Payment, observation: Observation): Bill {
  return {
    payee: payment.payee.name,
    reference: payment.reference,
    references: (observation.facts["mail.references"]?.value ?? []) as readonly string[],
    amountUnits: payment.amountUnits.toString(),
    asset: payment.limit.grant.asset,
    at: observation.blockTimestamp,
  };
}

function circumstancesOf(house: House, payment: Payment, observation: Observation): Circumstances {
  const fact = (name: string) => observation.facts[name]?.value;
  const earlier = standingPayments(house.journal, house.agent.name, payment.payee.name);
  const bill = billOf(payment, observation);
  const source = fact("mail.text");
  return {
    // Whatever does not say who vouches for it is vouched for by nobody.
    sender: {
      authenticated: fact("mail.authenticated") === true,
      domain: (fact("mail.domain") as string | null | undefined) ?? null,
      detail: (fact("mail.authentication") as string | undefined) ?? "Nobody vouches for the sender.",
    },
    source: typeof source === "string" ? source : null,
    earlier: findEarlier(bill, earlier),
  };
}
