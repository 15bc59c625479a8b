import { concatHex, keccak256, numberToHex, pad, zeroAddress, zeroHash, type Hex } from "viem";
import { hashTypedData } from "viem";
import { describe, expect, it } from "vitest";

import {
  accountDomain,
  approvalTypes,
  functionBits,
  grantTypes,
  isPlain,
  plainExtras,
  policyIdOf,
  validatorDomain,
  type Extras,
} from "../../../src/policy/grant.ts";
import { comparison, ruleLeaf, ruleProof, ruleTree, type Rule } from "../../../src/policy/rule.ts";
import { agent, compiled } from "./documents.ts";

const router = "0x00000000000000000000000000000000000707e5";
const rule: Rule = {
  target: router,
  selector: "0x04e45aaf",
  spends: 5n,
  conditions: [
    { word: 0n, comparison: comparison.in, operands: [7n, 9n] },
    { word: 3n, comparison: comparison.self, operands: [] },
  ],
};
const word = (value: bigint | number): Hex => numberToHex(value, { size: 32 });
const keccakText = (text: string): Hex => keccak256(new TextEncoder().encode(text));
const twice = (bytes: Hex): Hex => keccak256(keccak256(bytes));

describe("a rule's leaf", () => {
  it("is the double hash of abi.encode over the one tuple, word for word", () => {
    expect(ruleLeaf({ target: router, selector: "0x12345678", spends: 0n, conditions: [] })).toBe(
      twice(
        concatHex([
          word(0x20),
          pad(router),
          pad("0x12345678", { dir: "right", size: 32 }),
          word(0),
          word(0x80),
          word(0),
        ]),
      ),
    );
    expect(ruleLeaf(rule)).toBe(
      twice(
        concatHex([
          word(0x20),
          pad(router),
          pad("0x04e45aaf", { dir: "right", size: 32 }),
          word(5),
          word(0x80),
          // conditions: how many, and where each begins
          word(2),
          word(0x40),
          word(0x100),
          word(0),
          word(0),
          word(0x60),
          word(2),
          word(7),
          word(9),
          word(3),
          word(3),
          word(0x60),
          word(0),
        ]),
      ),
    );
  });

  it("differs when anything in the rule does", () => {
    const others: Rule[] = [
      rule,
      { ...rule, target: agent },
      { ...rule, selector: "0x04e45aae" },
      { ...rule, spends: 0n },
      { ...rule, conditions: rule.conditions.toReversed() },
      { ...rule, conditions: [] },
    ];
    expect(new Set(others.map(ruleLeaf)).size).toBe(others.length);
  });
});

describe("the tree of rules", () => {
  const rules = [0n, 1n, 2n].map((spends): Rule => ({ ...rule, spends }));
  it("of one rule is its leaf; of three it is ordered by leaves and the odd one moves up", () => {
    expect(ruleTree([rule]).root).toBe(ruleLeaf(rule));
    expect(ruleProof(ruleTree([rule]), rule)).toEqual([]);
    const [a, b, c] = rules.map(ruleLeaf).toSorted() as [Hex, Hex, Hex];
    const pair = keccak256(concatHex([a, b]));
    const root = keccak256(concatHex(pair < c ? [pair, c] : [c, pair]));
    const tree = ruleTree(rules.toReversed());
    expect(tree).toEqual({ root, leaves: [a, b, c] });
    expect(
      ruleProof(
        tree,
        rules.find((one) => ruleLeaf(one) === c)!,
      ),
    ).toEqual([pair]);
    expect(
      ruleProof(
        tree,
        rules.find((one) => ruleLeaf(one) === a)!,
      ),
    ).toEqual([b, c]);
    expect(ruleProof(tree, { ...rule, spends: 9n })).toBeUndefined();
    expect(() => ruleTree([])).toThrow("A tree needs at least one leaf.");
  });
});

describe("a grant's extras", () => {
  const { grant } = compiled().limits[0]!;
  it("are all zero in a plain grant, and each of them makes it one that is not", () => {
    expect(isPlain(grant)).toBe(true);
    const changes: Partial<Extras>[] = [
      { rules: ruleLeaf(rule) },
      { functions: functionBits.permit },
      { approvers: pad(agent) },
      { ceiling: 1n },
      { operations: 1n },
      { operationsPerWindow: 1n },
      { paymaster: agent },
      { heartbeat: 1n },
    ];
    const grants = changes.map((change) => ({ ...grant, extras: { ...plainExtras, ...change } }));
    expect(grants.some(isPlain)).toBe(false);
    expect(new Set([grant, ...grants].map(policyIdOf)).size).toBe(9);
  });

  it("are in the id as EIP-712 has it", () => {
    const types = grantTypes;
    const text = (name: keyof typeof types) =>
      `${name}(${types[name].map((field) => `${field.type} ${field.name}`).join(",")})`;
    expect(text("Grant") + text("Extras")).toBe(
      "Grant(address agent,address asset,bytes32 payees,uint256 perCall,uint256 perWindow,uint256 lifetime,uint256 bucket,uint256 gasBudget,uint256 feeCap,uint256 expiry,uint256 salt,Extras extras)Extras(bytes32 rules,uint256 functions,bytes32 approvers,uint256 ceiling,uint256 operations,uint256 operationsPerWindow,address paymaster,uint256 heartbeat)",
    );
    const noExtras = keccak256(
      concatHex([
        keccakText(text("Extras")),
        zeroHash,
        word(0),
        zeroHash,
        ...Array<Hex>(3).fill(word(0)),
        pad(zeroAddress),
        word(0),
      ]),
    );
    expect(policyIdOf(grant)).toBe(
      keccak256(
        concatHex([
          keccakText(text("Grant") + text("Extras")),
          pad(grant.agent),
          pad(grant.asset),
          grant.payees,
          ...[grant.perCall, grant.perWindow, grant.lifetime, grant.bucket].map(word),
          ...[grant.gasBudget, grant.feeCap, grant.expiry, grant.salt].map(word),
          noExtras,
        ]),
      ),
    );
  });
});

describe("an approval", () => {
  const message = { approver: agent, policyId: word(1), callHash: word(2), nonce: 3n, deadline: 4n };
  const digest = (domain: ReturnType<typeof accountDomain> | ReturnType<typeof validatorDomain>) =>
    hashTypedData({ domain, types: approvalTypes, primaryType: "Approval", message });
  const struct = keccak256(
    concatHex([
      keccakText(
        "Approval(address approver,bytes32 policyId,bytes32 callHash,uint256 nonce,uint256 deadline)",
      ),
      pad(agent),
      word(1),
      word(2),
      word(3),
      word(4),
    ]),
  );
  const underDomain = (fields: string, values: readonly Hex[]) =>
    keccak256(
      concatHex([
        "0x1901",
        keccak256(
          concatHex([
            keccakText(`EIP712Domain(string name,string version,uint256 chainId,${fields})`),
            keccakText("Bursar"),
            keccakText("1"),
            word(31337),
            ...values,
          ]),
        ),
        struct,
      ]),
    );

  it("is signed in the domain of the account, or of the module with the account as salt", () => {
    expect(digest(accountDomain(31337, router))).toBe(
      underDomain("address verifyingContract", [pad(router)]),
    );
    expect(digest(validatorDomain(31337, router, agent))).toBe(
      underDomain("address verifyingContract,bytes32 salt", [pad(router), pad(agent)]),
    );
  });
});
