import { keccak256, toHex, zeroAddress, type Address, type Hex } from "viem";

import type { Call } from "../../src/core/operation.ts";
import { decodeCap } from "../../src/policy/cap.ts";
import { encodeExecution } from "../../src/policy/execution.ts";
import { isPlain } from "../../src/policy/grant.ts";
import { signatureKind, type LawOperation } from "../../src/policy/law.ts";
import type { CallProof } from "../../src/policy/measureCalls.ts";
import { gasUnitOf, isLive, unitOf } from "../../src/policy/meter.ts";
import { payeeProof } from "../../src/policy/payeeTree.ts";
import { comparison, type Rule } from "../../src/policy/rule.ts";
import { field, windowAt, type Claim } from "../../src/policy/window.ts";
import type { Chance } from "./chance.ts";
import type { LawWorld } from "./lawWorld.ts";
import {
  proofOfPayee,
  proofOfRule,
  randomAddress,
  ruledSelectors,
  type Cast,
  type RandomGrant,
} from "./randomGrant.ts";

type Setting = {
  readonly chance: Chance;
  readonly cast: Cast;
  readonly world: LawWorld;
  readonly known: RandomGrant;
  /** Where the history stands, unix seconds. */
  readonly clock: bigint;
};

const maxUint = (1n << 256n) - 1n;
/** Claims may end at zero, and nothing is signed below it. */
const most = (a: bigint, b: bigint): bigint => (a > b ? a : b);

/** An operation under one grant, mostly one that it allows or nearly so. */
export function randomOperation(setting: Setting): LawOperation {
  const { chance, cast, world, known } = setting;
  const { grant } = known;
  const word = world.state.counters(known.policyId);
  const live = isLive(word, world.epoch);
  const claim = randomClaim(setting);
  const plain = isPlain(grant) ? !chance.oneIn(4) : chance.oneIn(40);
  const installs = live ? chance.oneIn(20) : !chance.oneIn(5);
  const empty = chance.oneIn(12);
  const kind = chance.oneIn(100)
    ? chance.pick([0, 5, 255])
    : !plain
      ? signatureKind.ruled
      : empty
        ? signatureKind.empty
        : installs
          ? signatureKind.grantInside
          : signatureKind.steady;
  const ruled = kind === signatureKind.ruled;
  const amount = randomAmount(setting, claim);
  const calls = empty ? [] : ruled ? randomCalls(setting, amount) : [payment(setting, amount)];
  const batch = calls.length !== 1 || chance.oneIn(8);
  const stored = field(word, 200n, 32n);
  const operation: LawOperation = {
    kind,
    named: known,
    claim,
    treeSize: chance.oneIn(40)
      ? chance.pick([stored, 0n, 0xffffffffn])
      : least(stored + 1n + BigInt(chance.below(3)), 0xffffffffn),
    prefundWei: randomFee(setting, word),
    paymaster: chance.oneIn(ruled ? 6 : 80)
      ? chance.oneIn(8)
        ? chance.pick([zeroAddress, cast.payees[0]!])
        : ruled
          ? grant.extras.paymaster === zeroAddress && !chance.oneIn(6)
            ? null
            : cast.paymaster
          : cast.paymaster
      : null,
    nonceKey: chance.oneIn(50)
      ? chance.between(0n, 1n << 64n)
      : BigInt(grant.agent) | (BigInt(chance.below(3)) << 160n),
    callData: empty
      ? chance.oneIn(30)
        ? "0x00"
        : "0x"
      : encodeExecution({ batch: batch && ruled, calls: calls.map(({ call }) => call) }),
    payeePath: calls[0]?.proof.path ?? [],
    proofs: calls.map(({ proof }) => proof),
    approval: ruled ? randomApproval(setting, claim, amount) : null,
    ownerSignatureLength: ruled && installs ? (chance.oneIn(40) ? 65n : 64n) : 0n,
  };
  return chance.oneIn(7) ? bent(setting, operation) : operation;
}

/** One thing is not as it should be. */
function bent(setting: Setting, operation: LawOperation): LawOperation {
  const { chance, cast } = setting;
  const { callData, claim, proofs } = operation;
  const bends: readonly (() => LawOperation)[] = [
    () => ({ ...operation, callData: bentBytes(chance, callData) }),
    () => ({ ...operation, callData: bentBytes(chance, callData) }),
    () => ({ ...operation, callData: truncatedBatch(chance, callData) }),
    () => ({ ...operation, payeePath: bentPath(chance, operation.payeePath) }),
    () => ({
      ...operation,
      proofs: proofs.map(({ path, rule }) =>
        chance.oneIn(2) ? { path: bentPath(chance, path), rule } : { path, rule },
      ),
    }),
    () => ({
      ...operation,
      proofs: chance.oneIn(2) ? proofs.slice(1) : [...proofs, { path: [], rule: null }],
    }),
    // Every right length is odd.
    () => ({
      ...operation,
      bytes: { signatureLength: 66n + 2n * chance.between(0n, 85n), tail: "whole" as const },
    }),
    () => ({ ...operation, bytes: { signatureLength: 999n, tail: "broken" as const } }),
    () => ({
      ...operation,
      claim: { ...claim, validUntil: claim.validAfter + chance.pick([301n, 0xffffn]) },
    }),
    () => ({ ...operation, claim: { validAfter: 0n, validUntil: chance.pick([0n, 0n, 1n]) } }),
    () => ({ ...operation, named: coarser(operation.named) }),
    () => ({
      ...operation,
      approval: operation.approval && {
        ...operation.approval,
        path: bentPath(chance, operation.approval.path),
      },
    }),
    () => ({ ...operation, nonceKey: BigInt(chance.pick(cast.agents)) }),
    () => ({ ...operation, prefundWei: chance.pick([0n, (1n << 200n) - 1n]) }),
  ];
  const changed = chance.pick(bends)();
  // A length of the signature is for the kinds that have one; a tail that breaks, for the one that has a tail.
  if (!changed.bytes) return changed;
  const ruled = changed.kind === signatureKind.ruled;
  if (changed.bytes.tail === "broken") return ruled ? changed : operation;
  return ruled && changed.bytes.signatureLength >= 151n ? operation : changed;
}

/** The same amounts in larger units, where they are whole numbers of those. */
function coarser(named: LawOperation["named"]): LawOperation["named"] {
  const { grant, units } = named;
  const unit = unitOf(units) * 10n;
  if (
    [grant.perCall, grant.perWindow, grant.lifetime].every((amount) => amount % unit === 0n) &&
    units.exponent < 63
  )
    return { ...named, units: { ...units, exponent: units.exponent + 1 } };
  const gasUnit = gasUnitOf(units) * 10n;
  if ([grant.gasBudget, grant.feeCap].every((amount) => amount % gasUnit === 0n) && units.gasExponent < 63)
    return { ...named, units: { ...units, gasExponent: units.gasExponent + 1 } };
  return named;
}

function bentPath(chance: Chance, path: readonly Hex[]): readonly Hex[] {
  return path.length > 0 && chance.oneIn(2)
    ? path.slice(1)
    : [...path, keccak256(toHex(chance.below(1_000)))];
}

function bentBytes(chance: Chance, callData: Hex): Hex {
  const bytes = callData.length / 2 - 1;
  if (bytes === 0) return "0xe9ae5c53";
  const put = (at: number, hex: string): Hex =>
    `0x${callData.slice(2, 2 + at * 2)}${hex}${callData.slice(2 + at * 2 + hex.length)}`;
  const byte = () => chance.below(256).toString(16).padStart(2, "0");
  const bends: readonly (() => Hex)[] = [
    () => callData.slice(0, 2 + chance.below(bytes) * 2) as Hex,
    () => callData.slice(0, Math.max(2, callData.length - 64)) as Hex,
    () => `${callData}${byte()}`,
    () => `${callData}${"00".repeat(32)}`,
    () => put(chance.below(bytes), byte()),
    () => put(chance.below(bytes), byte()),
    () => put(Math.min(bytes - 1, 100 + chance.below(64)), byte()),
    () => put(bytes - 1, byte()),
    () => put(4 + chance.below(32), byte()),
    () => put(67, chance.pick(["3f", "41", "60"])),
    () => put(98, byte() + byte()),
    () => put(36, "ff".repeat(32)).slice(0, callData.length) as Hex,
    () => put(68, "ff".repeat(32)).slice(0, callData.length) as Hex,
    // Somewhere in a batch: an offset that points elsewhere.
    () => put(Math.min(bytes - 1, 100 + 32 * chance.below(12) + 31), byte()),
  ];
  return chance.pick(bends)();
}

/** A batch whose bytes end too early for its own numbers. */
function truncatedBatch(chance: Chance, callData: Hex): Hex {
  if (!callData.startsWith("0xe9ae5c5301")) return bentBytes(chance, callData);
  const content = chance.pick([
    "",
    "00".repeat(31),
    "ff".repeat(32),
    `${"00".repeat(31)}20${"00".repeat(31)}07`,
    `${"00".repeat(31)}20${"ff".repeat(32)}`,
  ]);
  const padded = content.padEnd(Math.ceil(content.length / 64) * 64, "0");
  return `${callData.slice(0, 2 + 68 * 2) as Hex}${(content.length / 2).toString(16).padStart(64, "0")}${padded}`;
}

/** Claims at the borders of buckets, of the expiry and of the heartbeat; most begin now, some long ago. */
function randomClaim({ chance, clock, known, world }: Setting): Claim {
  const { bucket, expiry, extras } = known.grant;
  const length = chance.oneIn(3) ? chance.pick([0n, 1n, 299n, 300n]) : chance.between(1n, 300n);
  const from = (validAfter: bigint): Claim => {
    const start = validAfter < 0n ? 0n : validAfter > 0xffffffffn ? 0xffffffffn : validAfter;
    return { validAfter: start, validUntil: start + length };
  };
  if (chance.oneIn(5)) return from(clock - chance.between(0n, 3n * bucket));
  if (chance.oneIn(3) && bucket > 0n)
    return from((clock / bucket) * bucket - chance.pick([0n, 1n, length, length + 1n]));
  if (chance.oneIn(8)) return from(expiry - length + BigInt(chance.below(3)) - 1n);
  if (chance.oneIn(4) && extras.heartbeat !== 0n)
    return from(world.heartbeat + extras.heartbeat - length + BigInt(chance.below(3)) - 1n);
  return from(clock);
}

/** Amounts at the edges of what is left of any cap. */
function randomAmount({ chance, known, world }: Setting, claim: Claim): bigint {
  const { perCall, perWindow, lifetime, bucket, asset, extras } = known.grant;
  const word = world.state.counters(known.policyId);
  const unit = unitOf(known.units);
  const edges = [
    perCall,
    perCall,
    1n,
    0n,
    extras.ceiling,
    perWindow,
    lifetime - field(word, 152n, 24n) * unit,
  ];
  if (bucket > 0n) edges.push(perWindow - windowAt(word, claim, bucket).spent * unit);
  const capWord = world.state.cap(asset.toLowerCase() as Address);
  const cap = decodeCap(capWord);
  if (cap) edges.push(cap.perWindow - windowAt(capWord, claim, cap.bucket).spent * cap.unit);
  const within = edges.filter((edge) => edge >= 0n && edge <= perCall);
  const amount = chance.oneIn(12)
    ? chance.pick(edges) + BigInt(chance.below(3)) - 1n
    : chance.oneIn(3)
      ? chance.pick(within.length > 0 ? within : [0n])
      : chance.between(0n, chance.oneIn(2) ? perCall : perCall / 8n);
  if (chance.oneIn(150)) return maxUint;
  // What an approver may lift the cap per call to: never over the window's.
  if (extras.ceiling > perCall && chance.oneIn(8))
    return least(chance.pick([extras.ceiling, perWindow]) + BigInt(chance.below(2)), maxUint);
  return amount < 0n ? 0n : amount > maxUint ? maxUint : amount;
}

function randomFee({ chance, known }: Setting, word: bigint): bigint {
  const { feeCap, gasBudget } = known.grant;
  const left = gasBudget - field(word, 176n, 24n) * gasUnitOf(known.units);
  const fee = chance.oneIn(10)
    ? chance.pick([feeCap, feeCap + 1n, left, left + 1n])
    : chance.between(0n, feeCap / (chance.oneIn(3) ? 1n : 20n));
  return fee < 0n ? 0n : fee;
}

type Proven = { readonly call: Call; readonly proof: CallProof };

/** One to three calls, seldom none or too many, that come to an amount together. */
function randomCalls(setting: Setting, amount: bigint): readonly Proven[] {
  const { chance } = setting;
  const count = chance.oneIn(60) ? chance.pick([0, 16, 17]) : chance.oneIn(4) ? 2 + chance.below(2) : 1;
  return Array.from({ length: count }, (_, index) => {
    const share =
      amount === maxUint
        ? amount
        : index === 0
          ? amount - (amount / BigInt(count)) * BigInt(count - 1)
          : amount / BigInt(count);
    if (chance.oneIn(setting.known.rules.length > 0 ? 3 : 30)) return ruledCall(setting, share);
    return chance.oneIn(3) ? tokenCall(setting, share) : payment(setting, share);
  });
}

const word = (value: bigint | Hex): string => BigInt(value).toString(16).padStart(64, "0");

function payment(setting: Setting, amount: bigint): Proven {
  const { chance, cast, known } = setting;
  const { asset } = known.grant;
  const to = chance.oneIn(30)
    ? chance.pick([...cast.payees, ...cast.ownParts, zeroAddress])
    : chance.pick(known.payees.payees);
  const proof = { path: proofOfPayee(known, to), rule: null };
  if (asset === zeroAddress) return { call: { to, valueWei: amount, data: "0x" }, proof };
  return {
    call: { to: asset, valueWei: chance.oneIn(80) ? 1n : 0n, data: `0xa9059cbb${word(to)}${word(amount)}` },
    proof,
  };
}

/** A function of the token beside `transfer`, whether the grant has its bit or not. */
function tokenCall(setting: Setting, amount: bigint): Proven {
  const { chance, cast, known, world } = setting;
  const { asset } = known.grant;
  if (asset === zeroAddress) return payment(setting, amount);
  const to = chance.pick(known.payees.payees);
  const owner = word(chance.oneIn(8) ? chance.pick(cast.payees) : world.account);
  const spender = chance.oneIn(25) ? `ff${word(to).slice(2)}` : word(to);
  const all: readonly string[] = [
    `23b872dd${owner}${spender}${word(amount)}`,
    `095ea7b3${spender}${word(amount)}`,
    `39509351${spender}${word(amount)}`,
    `d505accf${owner}${spender}${word(amount)}${"00".repeat(128)}`,
    chance.pick([
      "",
      "a9",
      "095ea7",
      "70a08231",
      `a9059cbb${spender}`,
      `23b872ddff${owner.slice(2)}${spender}${word(amount)}`,
    ]),
  ];
  const allowed = all.filter((_, index) => (known.grant.extras.functions >> BigInt(index)) & 1n);
  const data = chance.pick(allowed.length > 0 && !chance.oneIn(6) ? allowed : all);
  const cut = chance.oneIn(25) ? `${data}00` : data;
  return {
    call: { to: asset, valueWei: 0n, data: `0x${cut}` },
    proof: { path: proofOfPayee(known, to), rule: null },
  };
}

/** A call by a rule, its arguments mostly such that the conditions hold. */
function ruledCall(setting: Setting, amount: bigint): Proven {
  const { chance, cast, known, world } = setting;
  const rule = known.rules.length > 0 && !chance.oneIn(20) ? chance.pick(known.rules) : undefined;
  const words = Array.from({ length: 4 }, () => chance.between(0n, 2_000n));
  if (rule && rule.spends > 0n && rule.spends <= 4n) words[Number(rule.spends) - 1] = amount;
  if (rule && !chance.oneIn(6)) satisfy(rule, words, world.account);
  const selector =
    rule && !chance.oneIn(25)
      ? rule.selector
      : chance.pick([...ruledSelectors, "0x095ea7b3", "0x8fcbaf0c"] as const);
  const native = known.grant.asset === zeroAddress;
  let data: Hex = `${selector}${words.map(word).join("")}`;
  if (chance.oneIn(12)) data = data.slice(0, 2 + chance.below(data.length / 2) * 2) as Hex;
  return {
    call: {
      to: rule && !chance.oneIn(25) ? rule.target : chance.pick(cast.targets),
      valueWei: native && chance.oneIn(3) ? (amount === maxUint ? amount : amount / 2n) : 0n,
      data,
    },
    proof: {
      path: rule ? proofOfRule(known, rule) : [],
      rule: rule && !chance.oneIn(40) ? rule : (known.rules[0] ?? null),
    },
  };
}

function satisfy(rule: Rule, words: bigint[], account: Address): void {
  for (const { word: index, comparison: how, operands } of rule.conditions)
    if (index < 4n) words[Number(index)] = how === comparison.self ? BigInt(account) : (operands[0] ?? 0n);
}

function randomApproval(
  { chance, cast, known }: Setting,
  claim: Claim,
  amount: bigint,
): LawOperation["approval"] {
  const above = amount > known.grant.perCall;
  if (above ? chance.oneIn(4) : !chance.oneIn(5)) return null;
  const approver = chance.oneIn(8)
    ? chance.pick([randomAddress(chance), zeroAddress])
    : chance.oneIn(2)
      ? cast.approvers[0]!
      : chance.pick(known.approvers?.payees ?? cast.approvers);
  return {
    approver,
    path: (known.approvers && payeeProof(known.approvers, approver)) ?? [],
    nonce: BigInt(chance.below(3)),
    deadline: chance.oneIn(4) ? most(0n, claim.validUntil + BigInt(chance.below(3)) - 1n) : maxUint,
    signatureLength: chance.oneIn(40) ? chance.pick([1n, 65n]) : chance.oneIn(3) ? 0n : 64n,
  };
}

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);
