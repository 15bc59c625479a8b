import { decodeFunctionResult, encodeFunctionData } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import type { CompiledPolicy } from "../../src/policy/compile.ts";
import { judge, type JudgeInput } from "../../src/policy/judge.ts";
import {
  charge,
  decodeCounters,
  gasSpent,
  spentInLifetime,
  spentInWindow,
  type Claim,
  type Usage,
} from "../../src/policy/usage.ts";
import { chanceOf, type Chance } from "./chance.ts";
import { beginning, randomPolicy } from "./randomPolicy.ts";
import { openSubject, type Answer, type Subject } from "./subject.ts";

/** Another seed gives other histories: BURSAR_SEED=7 vitest run --project unit test/differential */
const seed = Number(process.env["BURSAR_SEED"] ?? 1);
const histories = 48;
const steps = 36;

/** The judge's reason and the account's error for the same thing. */
const errorOf: Readonly<Record<string, string>> = {
  frozen: "Frozen",
  "not-granted": "NotGranted",
  expired: "Expired",
  "over-fee-cap": "OverFeeCap",
  "over-gas-budget": "OverGasBudget",
  "over-per-payment": "OverPerCall",
  "over-lifetime": "OverLifetime",
  "window-too-old": "WindowTooOld",
  "over-window": "OverWindow",
};
/** What the account looks at before it looks at the size of the tree, which the judge can't see. */
const beforeSize = new Set(["Frozen", "NotGranted", "Expired", "OverFeeCap"]);

let subject: Subject;
const seen: Record<string, number> = {};

beforeAll(async () => {
  subject = await openSubject();
});
afterAll(async () => {
  await subject.close();
  process.stdout.write(`differential, seed ${seed}: ${JSON.stringify(seen)}\n`);
});

const own = (functionName: "freeze" | "unfreeze" | "revokeAll") =>
  subject.own(encodeFunctionData({ abi: agentAccountAbi, functionName }));
const grant = (policy: CompiledPolicy) =>
  subject.own(
    encodeFunctionData({ abi: agentAccountAbi, functionName: "grant", args: [policy.limits[0]!.grant] }),
  );
const revoke = (policy: CompiledPolicy) =>
  subject.own(
    encodeFunctionData({ abi: agentAccountAbi, functionName: "revoke", args: [policy.limits[0]!.policyId] }),
  );

const usageOf = async (policy: CompiledPolicy): Promise<Usage> => {
  const args = [policy.limits[0]!.policyId] as const;
  const [word, epoch, frozen] = await Promise.all([
    subject.read(encodeFunctionData({ abi: agentAccountAbi, functionName: "counters", args }), (data) =>
      decodeFunctionResult({ abi: agentAccountAbi, functionName: "counters", data }),
    ),
    subject.read(encodeFunctionData({ abi: agentAccountAbi, functionName: "epoch" }), (data) =>
      decodeFunctionResult({ abi: agentAccountAbi, functionName: "epoch", data }),
    ),
    subject.read(encodeFunctionData({ abi: agentAccountAbi, functionName: "frozen" }), (data) =>
      decodeFunctionResult({ abi: agentAccountAbi, functionName: "frozen", data }),
    ),
  ]);
  return { counters: decodeCounters(word), epoch: Number(epoch), frozen };
};

/** Amounts at the edges of what is left, and some between. */
function amountFor(chance: Chance, policy: CompiledPolicy, usage: Usage, claim: Claim): bigint {
  const limit = policy.limits[0]!;
  const { perCall, perWindow, lifetime } = limit.grant;
  const edges = [
    1n,
    perCall,
    perCall + 1n,
    perWindow - spentInWindow(limit, usage.counters, claim),
    perWindow - spentInWindow(limit, usage.counters, claim) + 1n,
    lifetime - spentInLifetime(limit, usage.counters),
    lifetime - spentInLifetime(limit, usage.counters) + 1n,
    chance.between(1n, perCall),
    chance.between(1n, perCall),
    chance.between(1n, perCall),
  ];
  const amount = chance.pick(chance.oneIn(10) ? edges : edges.filter((edge) => edge <= perCall));
  return amount > 0n ? amount : 1n;
}

function feeFor(chance: Chance, policy: CompiledPolicy, usage: Usage): bigint {
  const limit = policy.limits[0]!;
  const { feeCap, gasBudget } = limit.grant;
  const left = gasBudget - gasSpent(limit, usage.counters);
  return chance.oneIn(6)
    ? chance.pick([feeCap, feeCap + 1n, left, left + 1n])
    : chance.between(0n, feeCap / 3n);
}

/** Most claims begin now; some begin before, as late or hostile ones do. */
function claimAt(chance: Chance, clock: bigint, bucket: bigint): Claim {
  const late = chance.oneIn(5) ? chance.between(0n, 3n * bucket) : 0n;
  const validAfter = clock - late;
  return { validAfter, validUntil: validAfter + chance.between(1n, 300n) };
}

/** The numbers that the error of the account has to carry, by the judge's own arithmetic. */
function numbersOf(error: string, input: JudgeInput): readonly bigint[] | undefined {
  const { limit, amountUnits } = input.payment;
  const { counters } = input.usage;
  const { grant: caps, units } = limit;
  const gasUnit = 10n ** BigInt(units.gasExponent);
  const fee = ((input.expectedFeeWei + gasUnit - 1n) / gasUnit) * gasUnit;
  const paid = charge(limit, amountUnits);
  const all: Readonly<Record<string, readonly bigint[]>> = {
    Expired: [input.claim.validUntil, caps.expiry],
    OverFeeCap: [input.expectedFeeWei, caps.feeCap],
    OverGasBudget: [gasSpent(limit, counters) + fee, caps.gasBudget],
    OverPerCall: [amountUnits, caps.perCall],
    OverLifetime: [spentInLifetime(limit, counters) + paid, caps.lifetime],
    OverWindow: [spentInWindow(limit, counters, input.claim) + paid, caps.perWindow],
  };
  return all[error];
}

/** The counters after a payment, computed as a person would: a list of charges, each with its bucket. */
function afterwards(input: JudgeInput, treeSize: number): Usage["counters"] {
  const { limit, amountUnits } = input.payment;
  const before = input.usage.counters;
  const unit = 10n ** BigInt(limit.units.exponent);
  const gasUnit = 10n ** BigInt(limit.units.gasExponent);
  const units = Number((amountUnits + unit - 1n) / unit);
  const bucket = Number(input.claim.validUntil / limit.grant.bucket);
  const charges = new Map(before.ring.map((spent, lane) => [before.newestBucket - lane, spent]));
  charges.set(bucket, (charges.get(bucket) ?? 0) + units);
  const newestBucket = Math.max(bucket, before.newestBucket);
  return {
    ...before,
    ring: Array.from({ length: 8 }, (_, lane) => charges.get(newestBucket - lane) ?? 0),
    newestBucket,
    lifetime: before.lifetime + units,
    gas: before.gas + Number((input.expectedFeeWei + gasUnit - 1n) / gasUnit),
    treeSize,
  };
}

/** What the account should answer, by the judge. */
function expected(
  input: JudgeInput,
  sizeGrows: boolean,
): { readonly error: string | null; readonly codes: string } {
  const verdict = judge(input);
  const error = verdict.reasons[0] ? errorOf[verdict.reasons[0].code]! : null;
  const codes = verdict.reasons.map(({ code }) => code).join(" ");
  return { error: !sizeGrows && !(error !== null && beforeSize.has(error)) ? "StaleSize" : error, codes };
}

const readable = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? part.toString() : part), 1);

async function owner(chance: Chance, policy: CompiledPolicy, usage: Usage): Promise<void> {
  const live = usage.counters.status === "granted" && usage.counters.epoch === usage.epoch;
  if (usage.frozen) return own("unfreeze");
  if (!live && usage.counters.status !== "revoked" && chance.oneIn(2)) return grant(policy);
  if (chance.oneIn(25)) return own("freeze");
  if (chance.oneIn(30)) return own("revokeAll");
  if (chance.oneIn(60)) return revoke(policy);
}

/** Plays one history; returns how many operations judge and account agreed on. */
async function history(number: number): Promise<number> {
  const chance = chanceOf(seed * 10_000 + number);
  const policy = randomPolicy(chance, subject.agent.address, number);
  const limit = policy.limits[0]!;
  if (!chance.oneIn(12)) await grant(policy);
  let clock = beginning;
  for (let step = 0; step < steps; step++) {
    clock += chance.pick([
      0n,
      13n,
      chance.between(0n, limit.grant.bucket),
      chance.between(0n, 9n * limit.grant.bucket),
    ]);
    // What the owner did last is seen by this step's operation.
    const before = await usageOf(policy);
    if (!before.frozen || chance.oneIn(2)) await owner(chance, policy, before);
    const usage = await usageOf(policy);
    const claim = claimAt(chance, clock, limit.grant.bucket);
    const payee = chance.pick(policy.payees);
    const input: JudgeInput = {
      policy,
      payment: {
        payee,
        to: payee.address,
        limit,
        amountUnits: amountFor(chance, policy, usage, claim),
        reference: "",
      },
      usage,
      claim,
      balanceUnits: 1n << 255n,
      expectedFeeWei: feeFor(chance, policy, usage),
      gasFundsWei: 1n << 255n,
      circumstances: { sender: null, source: null, earlier: null },
    };
    const sizeGrows = !chance.oneIn(20);
    const size = sizeGrows ? usage.counters.treeSize + 1 + chance.below(3) : usage.counters.treeSize;
    const { payment, expectedFeeWei: feeWei } = input;
    const answer = await subject.validate({
      payment,
      payeeTree: policy.payeeTree,
      claim,
      feeWei,
      treeSize: size,
    });
    const foreseen = expected(input, sizeGrows);
    const about = `seed ${seed}, history ${number}, step ${step}: ${foreseen.codes || "allow"}\n${readable({ grant: limit.grant, units: limit.units, usage, claim, amount: payment.amountUnits, feeWei, size })}`;
    compare(answer, foreseen.error, input, about);
    const name = answer.kind === "passes" ? "passes" : answer.error;
    seen[name] = (seen[name] ?? 0) + 1;
    const counters = answer.kind === "passes" ? afterwards(input, size) : usage.counters;
    expect({ about, counters: (await usageOf(policy)).counters }).toEqual({ about, counters });
  }
  return steps;
}

function compare(answer: Answer, error: string | null, input: JudgeInput, about: string): void {
  const { validAfter, validUntil } = input.claim;
  const numbers = error === null ? undefined : numbersOf(error, input);
  const wanted: Answer =
    error === null
      ? { kind: "passes", validAfter, validUntil, signed: true }
      : { kind: "refuses", error, args: numbers ?? (answer.kind === "refuses" ? answer.args : []) };
  expect({ about, answer }).toEqual({ about, answer: wanted });
}

describe("the judge and the account", () => {
  const parts = 4;
  it.each(Array.from({ length: parts }, (_, part) => part))(
    "agree on every operation of random histories, to the unit (part %d)",
    async (part) => {
      let agreed = 0;
      for (let number = part; number < histories; number += parts) agreed += await history(number);
      expect(agreed).toBe((histories / parts) * steps);
    },
  );

  it("met every reason of the chain while they agreed", () => {
    expect(Object.keys(seen).sort()).toEqual(["StaleSize", "passes", ...Object.values(errorOf)].sort());
  });
});

describe("a random policy", () => {
  it("has the same id and the same terms in the contract as here", async () => {
    for (let number = 0; number < 40; number++) {
      const {
        grant: terms,
        policyId,
        terms: packed,
      } = randomPolicy(chanceOf(seed * 1_000 + number), subject.agent.address, number).limits[0]!;
      const [id, bytes] = await Promise.all([
        subject.read(
          encodeFunctionData({ abi: agentAccountAbi, functionName: "policyIdOf", args: [terms] }),
          (data) => data,
        ),
        subject.read(
          encodeFunctionData({ abi: agentAccountAbi, functionName: "termsOf", args: [terms] }),
          (data) => data,
        ),
      ]);
      expect({ terms, id, packed: bytes.slice(0, 50) }).toEqual({ terms, id: policyId, packed });
    }
  });
});
