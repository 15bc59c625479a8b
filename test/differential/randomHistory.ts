import { keccak256, zeroAddress, type Address } from "viem";

import type { LawOperation } from "../../src/policy/law.ts";
import { decodeCap } from "../../src/policy/cap.ts";
import { policyIdOf } from "../../src/policy/grant.ts";
import { isLive } from "../../src/policy/meter.ts";
import { field, type Claim } from "../../src/policy/window.ts";
import type { Chance } from "./chance.ts";
import { LawWorld, type Foreseen } from "./lawWorld.ts";
import { changedGrant, randomAddress, randomGrant, type Cast, type RandomGrant } from "./randomGrant.ts";
import { randomOperation } from "./randomOperation.ts";

/** Contracts that a history may not pay, and the one that can approve. */
export type Place = {
  readonly ownParts: readonly Address[];
  readonly harness: Address;
  readonly time: bigint;
};

/** One account's life: a few grants, `operations` operations under them, and what its owner does in between. */
export function randomHistory(chance: Chance, place: Place, operations: number): readonly Foreseen[] {
  const account = randomAddress(chance);
  const world = new LawWorld(account, place.time, { ownParts: place.ownParts, approver: place.harness });
  const people = () => Array.from({ length: 3 }, () => randomAddress(chance));
  const cast: Cast = {
    agents: people().slice(1),
    assets: people().slice(1),
    payees: [...people(), ...people()],
    targets: people(),
    approvers: [place.harness, ...people()],
    paymaster: randomAddress(chance),
    ownParts: [account, ...place.ownParts],
    time: place.time,
  };
  const grants = Array.from({ length: 1 + chance.below(3) }, () => randomGrant(chance, cast));
  // A sibling differs by its salt only, so that the same callData serves both.
  const sibling = chance.oneIn(2)
    ? changedGrant(grants[0]!, { salt: (grants[0]!.grant.salt + 1n) & 0xfffffn })
    : undefined;
  if (sibling) grants.push(sibling);

  const all: Foreseen[] = [];
  let clock = place.time + chance.between(0n, 40_000n) - 20_000n;
  let earlier: LawOperation | undefined;
  let approved: LawOperation | undefined;
  for (let done = 0; done < operations; done++) {
    clock += chance.pick([
      0n,
      0n,
      13n,
      chance.between(0n, grants[0]!.grant.bucket),
      chance.between(0n, 9n * grants[0]!.grant.bucket),
    ]);
    if (clock > 0xffffff00n) clock = place.time;
    if (chance.oneIn(3)) all.push(...ownerSteps(chance, world, grants, cast));
    const known = grants[chance.below(grants.length)]!;
    let operation = randomOperation({ chance, cast, world, known, clock });
    if (earlier && chance.oneIn(10)) operation = again(chance, world, earlier, operation.claim, grants);
    if (approved && chance.oneIn(12)) operation = again(chance, world, approved, operation.claim, []);
    const { approval } = operation;
    if (approval?.approver === place.harness && approval.signatureLength === 0n && !chance.oneIn(3))
      all.push(
        world.recordApproval(
          operation.named.policyId,
          keccak256(operation.callData),
          approval.nonce,
          approval.deadline,
        ),
      );
    const foreseen = world.operate(operation);
    all.push(foreseen);
    if (foreseen.expected.refusal || operation.callData === "0x") continue;
    earlier = operation;
    if (operation.approval) approved = operation;
  }
  return all;
}

/** An operation that was allowed, once more: for the same grant, or for its sibling. */
function again(
  chance: Chance,
  world: LawWorld,
  earlier: LawOperation,
  claim: Claim,
  grants: readonly RandomGrant[],
): LawOperation {
  const named = chance.oneIn(2) ? earlier.named : (grants.at(-1) ?? earlier.named);
  const stored = field(world.state.counters(named.policyId), 200n, 32n);
  return {
    ...earlier,
    named,
    claim: chance.oneIn(4) ? claim : earlier.claim,
    treeSize: stored < 0xffffffffn ? stored + 1n : stored,
    ownerSignatureLength: 0n,
  };
}

/** What owners do, at the edges of what they can. */
function ownerSteps(chance: Chance, world: LawWorld, grants: RandomGrant[], cast: Cast): readonly Foreseen[] {
  const at = chance.below(grants.length);
  const known = grants[at]!;
  if (world.frozen && chance.oneIn(2)) return [world.setFrozen(false)];
  if (!isLive(world.state.counters(known.policyId), world.epoch) && chance.oneIn(2))
    return [world.grant(known)];
  const steps: readonly (() => readonly Foreseen[])[] = [
    () => [world.nextBundle()],
    () => [world.nextBundle()],
    () => [world.beat()],
    () => [world.beat()],
    () => [world.setFrozen(chance.oneIn(3))],
    () => (chance.oneIn(4) ? [world.revokeAll()] : []),
    () => (chance.oneIn(2) ? [world.revoke(known.policyId)] : []),
    () => [world.grant(chance.oneIn(6) ? unholdable(chance, known) : known)],
    () => setCap(chance, world, known),
    () => setCap(chance, world, known),
    () => pokes(chance, world, known),
    () => replace(chance, world, grants, at, cast),
    () => replace(chance, world, grants, at, cast),
  ];
  return chance.pick(steps)();
}

/** A grant that no 24 bytes can hold. */
function unholdable(chance: Chance, known: RandomGrant): RandomGrant {
  const grant = {
    ...known.grant,
    ...chance.pick([
      { perWindow: (1n << 256n) - 1n },
      { bucket: 1n << 24n },
      { expiry: 1n << 32n },
      { salt: 1n << 20n },
      { feeCap: 100_000_001n },
    ]),
  };
  return { ...known, grant, policyId: policyIdOf(grant) };
}

/** Half of the time the cap is partly used at once, or a history seldom gets to its end, or to one that is carried over. */
function setCap(chance: Chance, world: LawWorld, { grant }: RandomGrant): readonly Foreseen[] {
  const asset = chance.oneIn(10) ? zeroAddress : grant.asset;
  if (chance.oneIn(5)) return [world.setCap(asset, 0n, 0n)];
  const perWindow = chance.oneIn(10)
    ? chance.pick([65_535n * 10n ** 63n, 65_536n * 10n ** 63n, 655_361n, (1n << 256n) - 1n, 0n])
    : chance.pick([grant.perCall, grant.perCall * 2n, grant.perWindow, grant.perWindow * 10n]);
  const bucket = chance.pick([
    300n,
    300n,
    grant.bucket,
    3_600n,
    ...(chance.oneIn(6) ? [0n, 299n, 0xffffffn, 1n << 24n] : []),
  ]);
  const step = world.setCap(asset, perWindow, bucket);
  return chance.oneIn(2) ? [step, ...usedCap(chance, world, asset)] : [step];
}

/** The asset's cap, if there is one, with something in its ring. */
function usedCap(chance: Chance, world: LawWorld, asset: Address): readonly Foreseen[] {
  const word = world.state.cap(asset.toLowerCase() as Address);
  const cap = decodeCap(word);
  if (!cap) return [];
  const used = ring(chance) | (newest(chance, world, cap.bucket) << 128n);
  return [world.pokeCap(asset, ((word >> 152n) << 152n) | used)];
}

/** Eight lanes, empty or with a little; in every other ring some are full, and nothing more may be paid. */
function ring(chance: Chance): bigint {
  const full = chance.oneIn(2);
  const lane = () =>
    full && chance.oneIn(3) ? BigInt(chance.below(65_536)) : chance.oneIn(2) ? 0n : BigInt(chance.below(40));
  return Array.from({ length: 8 }).reduce<bigint>((sum: bigint) => (sum << 16n) | lane(), 0n);
}

/** Number of a bucket near now. */
const newest = (chance: Chance, world: LawWorld, bucket: bigint): bigint =>
  bucket < 300n ? 0n : world.time / bucket + BigInt(chance.below(5)) - 2n;

/** Counters as a long history leaves them: near their ends. */
function pokes(chance: Chance, world: LawWorld, { grant, policyId }: RandomGrant): readonly Foreseen[] {
  const counters = world.state.counters(policyId);
  const pick = (edge: bigint, bits: bigint) =>
    chance.oneIn(2) ? chance.between(0n, (1n << bits) - 1n) : edge;
  const filled = (bucket: bigint) =>
    ring(chance) |
    (newest(chance, world, bucket) << 128n) |
    (pick(BigInt(chance.below(20)), 24n) << 152n) |
    (pick(BigInt(chance.below(20)), 24n) << 176n);
  if (chance.oneIn(5))
    return [
      world.poke(chance.pick([world.epoch, 0xfffen, 0xffffn]), world.time - chance.between(0n, 100_000n)),
    ];
  const cap = chance.oneIn(3) ? usedCap(chance, world, grant.asset) : [];
  if (cap.length > 0) return cap;
  const size = chance.oneIn(6) ? 0xffffffffn - BigInt(chance.below(2)) : BigInt(chance.below(1_000));
  const kept = (counters >> 232n) << 232n;
  return [
    world.pokeEntry(
      policyId,
      kept | (size << 200n) | filled(grant.bucket),
      filled(grant.bucket) & ((1n << 176n) - 1n),
    ),
  ];
}

/** Another grant takes the place of a known one, with other units, another bucket, another agent, or all of it. */
function replace(
  chance: Chance,
  world: LawWorld,
  grants: RandomGrant[],
  at: number,
  cast: Cast,
): readonly Foreseen[] {
  const known = grants[at]!;
  const fresh = randomGrant(chance, cast);
  const { salt, bucket, agent, perCall, perWindow, lifetime, asset } = fresh.grant;
  const part = chance.pick([
    { salt, bucket },
    { salt },
    { salt, perCall, perWindow, lifetime },
    { salt, agent, bucket },
    { salt: known.grant.salt },
    { salt, asset },
  ]);
  const next = chance.oneIn(3)
    ? changedGrant(fresh, { asset: known.grant.asset })
    : changedGrant(known, part);
  if (!next) return [];
  const step = world.replace(known, chance.oneIn(12) ? unholdable(chance, next) : next);
  if (step.expected.refusal === null) grants[at] = next;
  return [step];
}
