import type { Hex } from "viem";

import { carryCounters, withoutSize, type Scale } from "../../src/policy/carry.ts";
import { extrasFit, unitsOf, type Grant } from "../../src/policy/grant.ts";
import { gasUnitOf, granted, installRefusals, revoked, statusOf, unitOf } from "../../src/policy/meter.ts";
import { refusal, type Refusal } from "../../src/policy/refusal.ts";
import type { LawState } from "../../src/policy/request.ts";

type GrantWithId = { readonly grant: Grant; readonly policyId: Hex };

/** Twin of `PolicyBook._grant`: the counters with the grant in force, kept as they were. */
export function grantPolicy(
  { grant, policyId }: GrantWithId,
  state: LawState,
  counters = state.counters(policyId),
): bigint | Refusal {
  const units = unitsOf(grant);
  if (!extrasFit(grant.extras) || !units) return refusal("TermsNotRepresentable");
  const first = installRefusals({ grant, policyId, units }, counters, state).next();
  return first.done ? granted(counters, state.epoch) : first.value;
}

/** The words of two policies after one took the other's place. */
export type Replacement = {
  readonly oldCounters: bigint;
  readonly newCounters: bigint;
  readonly newOperations: bigint;
};

/**
 * Twin of `PolicyBook._replace`: the new policy begins with what was spent under the old one.
 *
 * @param time Block time of the replacement, unix seconds.
 */
export function replacePolicy(
  before: GrantWithId,
  after: GrantWithId,
  state: LawState,
  time: bigint,
): Replacement | Refusal {
  const [oldAsset, newAsset] = [before, after].map(({ grant }) => grant.asset.toLowerCase() as Hex);
  if (oldAsset !== newAsset) return refusal("AssetDiffers", oldAsset!, newAsset!);
  const word = state.counters(before.policyId);
  if (statusOf(word) === 2n) return refusal("AlreadyRevoked", before.policyId);
  if (statusOf(word) !== 1n) return refusal("NotGranted", before.policyId);
  if (statusOf(state.counters(after.policyId)) !== 0n) return refusal("AlreadyGranted", after.policyId);
  const [from, to] = [scaleOf(before.grant), scaleOf(after.grant)];
  if (!from || !to) return refusal("TermsNotRepresentable");
  // Solidity's code for a division by zero: the length of the bucket is only looked at afterwards.
  if (to.bucket === 0n && from.bucket !== 0n) return refusal("Panic", 0x12n);
  const carried = carryCounters(word, from, to, time);
  const sameAgent = before.grant.agent.toLowerCase() === after.grant.agent.toLowerCase();
  const newCounters = grantPolicy(after, state, sameAgent ? carried : withoutSize(carried));
  if (typeof newCounters !== "bigint") return newCounters;
  const newOperations = carryOperations(state.operations(before.policyId), from, to, time);
  return { oldCounters: revoked(word), newCounters, newOperations };
}

/** Operations are counted in units of one, whatever the amounts are in. */
const carryOperations = (word: bigint, from: Scale, to: Scale, time: bigint): bigint =>
  carryCounters(word, { ...from, unit: 1n, gasUnit: 1n }, { ...to, unit: 1n, gasUnit: 1n }, time);

function scaleOf(grant: Grant): Scale | undefined {
  const units = unitsOf(grant);
  return units && { unit: unitOf(units), gasUnit: gasUnitOf(units), bucket: grant.bucket };
}
