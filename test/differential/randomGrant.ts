import { numberToHex, zeroAddress, zeroHash, type Address, type Hex } from "viem";

import { policyIdOf, unitsOf, type Extras, type Grant } from "../../src/policy/grant.ts";
import { payeeProof, payeeTree, type PayeeTree } from "../../src/policy/payeeTree.ts";
import type { NamedGrant } from "../../src/policy/request.ts";
import {
  comparison,
  ruleProof,
  ruleTree,
  type Condition,
  type Rule,
  type RuleTree,
} from "../../src/policy/rule.ts";
import type { Chance } from "./chance.ts";

/** A grant with everything that its roots stand for. */
export type RandomGrant = NamedGrant & {
  readonly payees: PayeeTree;
  readonly rules: readonly Rule[];
  readonly ruleTree: RuleTree | null;
  readonly approvers: PayeeTree | null;
};

/** Who and what a history is about. */
export type Cast = {
  readonly agents: readonly Address[];
  readonly assets: readonly Address[];
  readonly payees: readonly Address[];
  readonly targets: readonly Address[];
  readonly approvers: readonly Address[];
  readonly paymaster: Address;
  /** The account, the EntryPoint and the log. */
  readonly ownParts: readonly Address[];
  /** What the block says, unix seconds. */
  readonly time: bigint;
};

export const randomAddress = (chance: Chance): Address =>
  numberToHex(chance.between(1n << 152n, (1n << 160n) - 1n), { size: 20 });

/** Selectors of functions that rules allow. */
export const ruledSelectors: readonly Hex[] = ["0x12345678", "0xdeadbeef", "0x00000001"];

/** A grant that the terms can hold; its numbers are at the ends of what they may be now and then. */
export function randomGrant(chance: Chance, cast: Cast): RandomGrant {
  for (;;) {
    const [unit, gasUnit] = [exponent(chance), exponent(chance)].map((power) => 10n ** BigInt(power)) as [
      bigint,
      bigint,
    ];
    const perCall = mantissa(chance, 16);
    const perWindow = chance.oneIn(6)
      ? mantissa(chance, 16)
      : least(perCall * chance.between(1n, 5n), 0xffffn);
    const lifetime = chance.oneIn(6)
      ? mantissa(chance, 24)
      : least(perWindow * chance.between(1n, 5n), 0xffffffn);
    const feeCap = mantissa(chance, 16);
    const plain = chance.oneIn(3);
    const trees = randomTrees(chance, cast);
    const native = chance.oneIn(3);
    const grant: Grant = {
      agent: chance.oneIn(60) ? zeroAddress : chance.pick(cast.agents),
      asset: chance.oneIn(60) ? chance.pick(cast.ownParts) : native ? zeroAddress : chance.pick(cast.assets),
      payees: trees.payees.root,
      perCall: perCall * unit,
      perWindow: perWindow * unit,
      lifetime: lifetime * unit,
      bucket: chance.oneIn(40)
        ? chance.pick([0n, 299n])
        : chance.pick([300n, 300n, 301n, 600n, 3_600n, 14_400n, chance.between(300n, 0xffffffn), 0xffffffn]),
      gasBudget: least(feeCap * chance.between(1n, 20n), 0xffffffn) * gasUnit,
      feeCap: feeCap * gasUnit,
      expiry: chance.oneIn(8) ? cast.time + chance.between(0n, 20_000n) : 0xffffffffn,
      salt: chance.between(0n, 0xfffffn),
      extras: plain ? noExtras : randomExtras(chance, cast, trees, perCall * unit),
    };
    const units = unitsOf(grant);
    if (units) return { grant, units, policyId: policyIdOf(grant), ...trees };
  }
}

const noExtras: Extras = {
  rules: zeroHash,
  functions: 0n,
  approvers: zeroHash,
  ceiling: 0n,
  operations: 0n,
  operationsPerWindow: 0n,
  paymaster: zeroAddress,
  heartbeat: 0n,
};

/** The same grant but for some parts. */
export function changedGrant(known: RandomGrant, part: Partial<Grant>): RandomGrant | undefined {
  const grant = { ...known.grant, ...part };
  const units = unitsOf(grant);
  return units && { ...known, grant, units, policyId: policyIdOf(grant) };
}

export const proofOfPayee = ({ payees }: RandomGrant, payee: Address): readonly Hex[] =>
  payeeProof(payees, payee) ?? [];
export const proofOfRule = (known: RandomGrant, rule: Rule): readonly Hex[] =>
  (known.ruleTree && ruleProof(known.ruleTree, rule)) ?? [];

type Trees = Pick<RandomGrant, "payees" | "rules" | "ruleTree" | "approvers">;

function randomTrees(chance: Chance, cast: Cast): Trees {
  const payees = new Set<Address>();
  for (let count = 1 + chance.below(5); count > 0; count--) payees.add(chance.pick(cast.payees));
  if (chance.oneIn(8)) payees.add(chance.pick([...cast.ownParts, zeroAddress]));
  const rules = Array.from({ length: chance.below(5) }, () => randomRule(chance, cast));
  const approvers = Array.from({ length: 1 + chance.below(3) }, () => chance.pick(cast.approvers));
  return {
    payees: payeeTree([...payees]),
    rules,
    ruleTree: rules.length === 0 ? null : ruleTree(rules),
    approvers: payeeTree([...new Set([...approvers, cast.approvers[0]!])]),
  };
}

function randomExtras(chance: Chance, cast: Cast, trees: Trees, perCall: bigint): Extras {
  const rarely = chance.oneIn(30);
  return {
    rules: trees.ruleTree?.root ?? zeroHash,
    functions: rarely ? chance.pick([16n, 255n]) : chance.between(0n, 15n),
    approvers: chance.oneIn(4) ? zeroHash : trees.approvers!.root,
    ceiling: chance.oneIn(3)
      ? 0n
      : chance.pick([perCall * 2n, perCall + 1n, (1n << 256n) - 1n, perCall / 2n]),
    operations: chance.oneIn(2) ? 0n : chance.pick([1n, 2n, 5n, 0xffffffn, ...(rarely ? [1n << 24n] : [])]),
    operationsPerWindow: chance.oneIn(2)
      ? 0n
      : chance.pick([1n, 2n, 4n, 0xffffn, ...(rarely ? [1n << 16n] : [])]),
    paymaster: chance.oneIn(2) ? zeroAddress : cast.paymaster,
    heartbeat: chance.oneIn(2)
      ? 0n
      : chance.pick([1n, 3_000n, 86_400n, 864_000n, 0xffffffffn, ...(rarely ? [1n << 32n] : [])]),
  };
}

function randomRule(chance: Chance, cast: Cast): Rule {
  const conditions = Array.from({ length: chance.below(4) }, (): Condition => {
    const how = chance.pick(Object.values(comparison));
    const operand = () =>
      chance.pick([0n, 1n, 1_000n, (1n << 256n) - 1n, BigInt(cast.payees[0]!), chance.between(0n, 5_000n)]);
    const count = chance.oneIn(20)
      ? chance.below(4)
      : how === comparison.self
        ? 0
        : how === comparison.in
          ? 1 + chance.below(3)
          : 1;
    return {
      word: chance.oneIn(30) ? chance.pick([9n, (1n << 256n) - 1n]) : BigInt(chance.below(4)),
      comparison: how,
      operands: Array.from({ length: count }, operand),
    };
  });
  return {
    target: chance.oneIn(30) ? chance.pick([...cast.ownParts, ...cast.assets]) : chance.pick(cast.targets),
    selector: chance.oneIn(30) ? "0xa9059cbb" : chance.pick(ruledSelectors),
    spends: chance.oneIn(2)
      ? 0n
      : chance.oneIn(30)
        ? chance.pick([20n, (1n << 256n) - 1n])
        : BigInt(1 + chance.below(4)),
    conditions,
  };
}

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const exponent = (chance: Chance): number =>
  chance.oneIn(3) ? 0 : chance.oneIn(10) ? chance.pick([59, 63]) : chance.below(19);
function mantissa(chance: Chance, bits: number): bigint {
  const most = (1n << BigInt(bits)) - 1n;
  return chance.oneIn(8) ? chance.pick([0n, 1n, most, most - 1n]) : chance.between(1n, least(most, 9_999n));
}
