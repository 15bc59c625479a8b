import { encodeAbiParameters, keccak256, type Address, type Hex } from "viem";

import { setProof, setTree } from "./setTree.ts";

/** How a condition compares a word of the call's data with its operands, as the chain numbers it. Unsigned. */
export const comparison = { in: 0, atMost: 1, atLeast: 2, self: 3 } as const;
export type Comparison = (typeof comparison)[keyof typeof comparison];

/** What one 32-byte word of a call's data has to be. `word` n is the one at 4 + 32 n; `self` has no operand. */
export type Condition = {
  readonly word: bigint;
  readonly comparison: Comparison;
  readonly operands: readonly bigint[];
};

/**
 * A call that a grant allows beside the functions of its asset: twin of `Rule` in contracts/interfaces/ISpendPolicy.sol.
 * `spends` n > 0: word n - 1 is counted as spent of the grant's asset; 0: nothing is.
 */
export type Rule = {
  readonly target: Address;
  readonly selector: Hex;
  readonly spends: bigint;
  readonly conditions: readonly Condition[];
};

/** The one tuple a rule is encoded as: in the leaf, and in the signature that proves the rule. */
export const ruleParameter = {
  type: "tuple",
  components: [
    { name: "target", type: "address" },
    { name: "selector", type: "bytes4" },
    { name: "spends", type: "uint256" },
    {
      name: "conditions",
      type: "tuple[]",
      components: [
        { name: "word", type: "uint256" },
        { name: "comparison", type: "uint8" },
        { name: "operands", type: "uint256[]" },
      ],
    },
  ],
} as const;

/** Hashed twice, so that no inner node of a tree can pass for a rule. */
export const ruleLeaf = (rule: Rule): Hex =>
  keccak256(keccak256(encodeAbiParameters([ruleParameter], [rule])));

export type RuleTree = { readonly root: Hex; readonly leaves: readonly Hex[] };

export const ruleTree = (rules: readonly Rule[]): RuleTree => setTree(rules.map(ruleLeaf));

/** Sibling hashes from the rule to the root; undefined when the rule is not in the tree. */
export const ruleProof = (tree: RuleTree, rule: Rule): readonly Hex[] | undefined =>
  setProof(tree.leaves, ruleLeaf(rule));
