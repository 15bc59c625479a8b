import { isAddressEqual, keccak256, type Address, type Hex } from "viem";

import { encodeCalls } from "../chain/signOperation.ts";
import type { Approval } from "../chain/ruledSignature.ts";
import type { Action } from "../core/action.ts";
import {
  consentFact,
  consentStateFact,
  type Approver,
  type Ask,
  type AskedCall,
  type Consent,
} from "../core/approval.ts";
import type { Observation } from "../core/observation.ts";
import type { Call } from "../core/operation.ts";
import type { Reason, Verdict } from "../core/verdict.ts";
import { askOfLeaf } from "../journal/asks.ts";
import type { CompiledPolicy } from "../policy/compile.ts";
import { payeeProof, payeeTree } from "../policy/payeeTree.ts";
import type { SentApproval } from "../policy/request.ts";
import { claimAt } from "./claim.ts";
import { deedOf, isRefused, type Deed } from "./deed.ts";
import type { House } from "./house.ts";

type Where = Pick<House, "account" | "agent" | "policy">;

/** How long a yes may be used when the configuration does not say: a day. */
export const usualAskSeconds = 86_400;

/** What is asked, without its name: the leaf follows from the record, and the record names what is asked. */
export type Question = Omit<Ask, "leaf" | "label">;

/**
 * What a decision asks of people; undefined: nothing. Pure: a verifier comes to the same.
 *
 * Whoever may say yes: the policy's approvers; where it names none, the account's owner, who may do anything anyway.
 */
export function questionOf(
  house: Where,
  decision: string,
  action: Action,
  verdict: Verdict,
  observation: Observation,
): Question | undefined {
  const seconds = observation.facts["approvals.seconds"]?.value;
  // Decisions of earlier versions asked nobody.
  if (verdict.kind !== "ask" || typeof seconds !== "number") return undefined;
  const deed = deedOf(house, action, observation);
  if (deed === undefined || isRefused(deed)) return undefined;
  const { calls, limit, payment, transfer, words } = deed;
  return {
    decision,
    agent: house.agent.name,
    chainId: observation.chainId,
    account: house.account.toLowerCase() as Address,
    policyId: limit.policyId,
    calls: calls.map(asJson),
    callHash: keccak256(encodeCalls(calls)),
    nonce: decision as Hex,
    deadline: observation.blockTimestamp + seconds,
    approvers: approversOf(house.policy, observation).map(lowerCased),
    reasons: verdict.reasons,
    words: transfer ? `${words} to ${payment.payee.name}${referenceWords(payment.reference)}` : words,
  };
}

const referenceWords = (reference: string): string => (reference === "" ? "" : `, reference ${reference}`);

const asJson = ({ data, to, valueWei }: Call): AskedCall => ({
  to: to.toLowerCase() as Address,
  valueWei: valueWei.toString(),
  data: data.toLowerCase() as Hex,
});

const lowerCased = ({ address, name }: Approver): Approver => ({
  name,
  address: address.toLowerCase() as Address,
});

function approversOf(policy: CompiledPolicy, observation: Observation): readonly Approver[] {
  if (policy.approvers.length > 0) return policy.approvers;
  return [{ name: "owner", address: observation.facts["account.owner"]?.value as Address }];
}

/** A yes that fits what is about to be done. */
export type Agreement = {
  /** Reasons that were put before the one who said yes. */
  readonly agreed: readonly Reason[];
  /** The co-signature, where the chain wants one for this amount. */
  readonly approval?: Approval;
  /** What the chain has on record of it. */
  readonly state: "none" | "recorded" | "used";
};

/** The yes that an observation carries. */
export const consentIn = ({ facts }: Observation): Consent | undefined =>
  facts[consentFact]?.value as Consent | undefined;

/**
 * What the yes in an observation is worth for a deed: nothing, unless it was said to exactly these calls of this account under this very
 * policy, by one who may, and its time is not over. Where it is worth nothing, everything is judged as if nobody had said anything.
 */
export function agreementOn(
  house: Where & Pick<House, "journal">,
  deed: Deed,
  observation: Observation,
): Agreement | undefined {
  const consent = consentIn(observation);
  const asked = consent && askOfLeaf(house.journal, consent.ask)?.ask;
  if (!asked) return undefined;
  const { calls, limit } = deed;
  const entitled = approversOf(house.policy, observation).some(({ address }) =>
    isAddressEqual(address, consent.approver),
  );
  const fits =
    entitled &&
    // A policy's id holds neither, and the configuration may name another account by now.
    asked.chainId === observation.chainId &&
    isAddressEqual(asked.account, house.account) &&
    consent.policyId === limit.policyId &&
    consent.callHash === keccak256(encodeCalls(calls)) &&
    claimAt(observation.blockTimestamp).validUntil <= BigInt(consent.deadline);
  if (!fits) return undefined;
  const agreed = asked.reasons;
  const state = (observation.facts[consentStateFact]?.value ?? "none") as Agreement["state"];
  if (deed.payment.amountUnits <= limit.grant.perCall) return { agreed, state };
  const path = payeeProof(payeeTree(house.policy.approvers.map(({ address }) => address)), consent.approver);
  if (!path) return { agreed, state };
  const approval: Approval = {
    approver: consent.approver,
    path,
    nonce: BigInt(consent.nonce),
    deadline: BigInt(consent.deadline),
    // What is on record needs none, and a contract can't be asked again in validation.
    signature: state === "recorded" ? "0x" : consent.signature,
  };
  return { agreed, state, approval };
}

/** As the law's twin takes it. */
export const sentOf = ({ approver, deadline, nonce, path, signature }: Approval): SentApproval => ({
  approver,
  path,
  nonce,
  deadline,
  signatureLength: BigInt((signature.length - 2) / 2),
});
