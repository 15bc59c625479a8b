import { decodeAbiParameters, encodeAbiParameters, hashTypedData, type Address, type Hex } from "viem";
import { describe, expect, it } from "vitest";

import { canonicalize } from "../../../src/core/canonical.ts";
import { sha256Hex } from "../../../src/core/hash.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { compilePolicy, limitFor } from "../../../src/policy/compile.ts";
import { nativeToken } from "../../../src/policy/registry.ts";
import {
  accountDomain,
  approvalTypes,
  installTypes,
  operationTypes,
  packTerms,
  policyIdOf,
  type Grant,
} from "../../../src/policy/grant.ts";
import { parsePolicy } from "../../../src/policy/parse.ts";
import { payeeProof, payeeTree } from "../../../src/policy/payeeTree.ts";
import { ruleLeaf, ruleParameter, type Rule } from "../../../src/policy/rule.ts";
import vectors from "../../vectors/grant.json" with { type: "json" };
import { agent, compiled, edited, treasury } from "./documents.ts";

const grantOf = (vector: (typeof vectors.grants)[number]["grant"]): Grant => ({
  agent: vector.agent as Address,
  asset: vector.asset as Address,
  payees: vector.payees as Hex,
  perCall: BigInt(vector.perCall),
  perWindow: BigInt(vector.perWindow),
  lifetime: BigInt(vector.lifetime),
  bucket: BigInt(vector.bucket),
  gasBudget: BigInt(vector.gasBudget),
  feeCap: BigInt(vector.feeCap),
  expiry: BigInt(vector.expiry),
  salt: BigInt(vector.salt),
  extras: {
    ...vector.extras,
    rules: vector.extras.rules as Hex,
    approvers: vector.extras.approvers as Hex,
    paymaster: vector.extras.paymaster as Address,
    functions: BigInt(vector.extras.functions),
    ceiling: BigInt(vector.extras.ceiling),
    operations: BigInt(vector.extras.operations),
    operationsPerWindow: BigInt(vector.extras.operationsPerWindow),
    heartbeat: BigInt(vector.extras.heartbeat),
  },
});

describe("the shared vectors", () => {
  it.each(vectors.grants)("have the same id and terms here as in Solidity ($terms)", (vector) => {
    const grant = grantOf(vector.grant);
    expect(policyIdOf(grant)).toBe(vector.policyId);
    expect(packTerms(grant, vector)).toBe(vector.terms);
  });

  it.each(vectors.grants)("have the same digests to sign here as in Solidity ($terms)", (vector) => {
    const domain = accountDomain(vectors.domain.chainId, vectors.domain.verifyingContract as Address);
    const { install, operation } = vector;
    expect(
      hashTypedData({
        domain,
        types: installTypes,
        primaryType: "Install",
        message: { grant: grantOf(vector.grant), epoch: BigInt(install.epoch) },
      }),
    ).toBe(install.digest);
    expect(
      hashTypedData({
        domain,
        types: operationTypes,
        primaryType: "Operation",
        message: {
          userOpHash: operation.userOpHash as Hex,
          policyId: operation.policyId as Hex,
          validAfter: BigInt(operation.validAfter),
          validUntil: BigInt(operation.validUntil),
          size: BigInt(operation.size),
          root: operation.root as Hex,
        },
      }),
    ).toBe(operation.digest);
  });

  it("have the same approval to sign, and the same rule, here as in Solidity", () => {
    const domain = accountDomain(vectors.domain.chainId, vectors.domain.verifyingContract as Address);
    const { approval } = vectors.grants[2]!;
    expect(
      hashTypedData({
        domain,
        types: approvalTypes,
        primaryType: "Approval",
        message: {
          approver: approval!.approver as Address,
          policyId: approval!.policyId as Hex,
          callHash: approval!.callHash as Hex,
          nonce: BigInt(approval!.nonce),
          deadline: BigInt(approval!.deadline),
        },
      }),
    ).toBe(approval!.digest);
    const [decoded] = decodeAbiParameters([ruleParameter], vectors.rule.encoded as Hex);
    const rule = decoded as Rule;
    expect(ruleLeaf(rule)).toBe(vectors.rule.leaf);
    expect(rule).toMatchObject({ target: vectors.rule.target, selector: vectors.rule.selector });
    expect(encodeAbiParameters([ruleParameter], [rule])).toBe(vectors.rule.encoded);
  });

  it.each(vectors.payees)("have the same tree of payees ($root)", ({ payees, root, proofOfLast }) => {
    const tree = payeeTree(payees.toReversed() as Address[]);
    expect(tree.root).toBe(root);
    expect(payeeProof(tree, payees.at(-1) as Address)).toEqual(proofOfLast);
  });

  it("are what the document of eight payees compiles to", () => {
    const [vector] = vectors.grants;
    const eight = vectors.payees[3]!.payees;
    const document = edited([
      treasury.slice(treasury.indexOf("  acme:"), treasury.indexOf("limits:")),
      eight.map((address, index) => `  payee-${index}: { address: "${address}" }\n`).join(""),
    ]);
    const [limit] = compilePolicy(parsePolicy(document), agent).limits;
    expect(limit).toMatchObject({
      grant: grantOf(vector!.grant),
      units: { exponent: vector!.exponent, gasExponent: vector!.gasExponent },
      policyId: vector!.policyId,
      terms: vector!.terms,
    });
  });

  it("are what a document in the native coin compiles to, at the edges of every field", () => {
    const vector = vectors.grants[1]!;
    const text = `{ policy: edge, version: 1, chain: 31337, tokens: {}, salt: 1048575,
      payees: { one: { address: "${vectors.payees[0]!.payees[0]}" } },
      limits: [{ perPayment: 0.000000000000000003 ETH, perWindow: 0.000000000000065535 ETH, window: 30m, lifetime: 0.000000000016777215 ETH }],
      gas: { budget: 0.000000000016777215 ETH, perOperation: 0 ETH }, expires: "2106-02-07T06:28:15Z" }`;
    const [limit] = compilePolicy(parsePolicy(text), agent).limits;
    expect(limit).toMatchObject({
      grant: grantOf(vector.grant),
      policyId: vector.policyId,
      terms: vector.terms,
    });
    expect(limit!.token).toBe(nativeToken);
  });
});

describe("payeeTree", () => {
  it("has one root for one set, whatever its order and capitals", () => {
    const payees = vectors.payees[3]!.payees as Address[];
    const lower = payees.map((payee) => payee.toLowerCase() as Address);
    expect(payeeTree([...lower.toReversed(), payees[0]!])).toEqual(payeeTree(payees));
  });

  it("has no proof for an address that is not in it, and does not exist without payees", () => {
    expect(payeeProof(payeeTree([agent]), `0x${"1".repeat(40)}`)).toBeUndefined();
    expect(() => payeeTree([])).toThrow("A payee tree needs at least one payee.");
  });
});

describe("compilePolicy", () => {
  it("names the document that a person read by its hash, without its comments and layout", () => {
    const document = parsePolicy(treasury);
    const hash = sha256Hex(canonicalize(document as unknown as JsonObject));
    expect(compiled().documentHash).toBe(hash);
    expect(compilePolicy(parsePolicy(JSON.stringify(document)), agent).documentHash).toBe(hash);
    expect(compiled(["window: 24h", "window: 1d"]).documentHash).not.toBe(hash);
  });

  it("gives other ids to another agent, salt, payee, amount, window or expiry", () => {
    const ids = [
      compiled(),
      compilePolicy(parsePolicy(treasury), `0x${"1".repeat(40)}`),
      compiled(["salt: 7", "salt: 8"]),
      compiled(["0x130286312BA5E7d805330ADFe0059451484a17B5", "0x131E86f40295960Cff3F4BC00419EDe7b17C001a"]),
      compiled(["42.50", "42.51"]),
      compiled(["window: 24h", "window: 23h"]),
      compiled(["17:46:40Z", "17:46:41Z"]),
    ].map(({ limits }) => limits[0]!.policyId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("gives the same ids when only names, senders and the mail section change", () => {
    const other = compiled(
      ["  acme:", "  acme-hosting:"],
      ["[acme.example]", "[other.example]"],
      ["salt: 7", "salt: 7\nmail: { unauthenticated: deny }"],
    );
    expect(other.limits[0]!.policyId).toBe(compiled().limits[0]!.policyId);
    expect(other.documentHash).not.toBe(compiled().documentHash);
  });

  it.each([
    ["1.00", "2.00", "3.00", 2],
    ["0.000001", "0.000002", "0.000003", 0],
    ["0.065535", "0.065535", "16.777215", 0],
    ["0.065540", "0.065540", "16.777210", 1],
    ["500", "1500", "20000", 5],
    ["0.01", "655.35", "655.35", 4],
  ] as const)(
    "counts %s, %s and %s in the finest step that fits",
    (perPayment, perWindow, lifetime, exponent) => {
      const compile = () =>
        compiled(
          ["42.50 USDC", `${perPayment} USDC`],
          ["250.00 USDC", `${perWindow} USDC`],
          ["5000 USDC", `${lifetime} USDC`],
        ).limits[0]!.units.exponent;
      expect(compile()).toBe(exponent);
    },
  );

  it.each([
    ["30m", 300n],
    ["90m", 900n],
    ["24h", 14400n],
    ["1d", 14400n],
    ["7d", 100800n],
    ["1000d", 14400000n],
  ] as const)("keeps a window of %s in six buckets of %d seconds", (window, bucket) => {
    expect(compiled(["24h", window]).limits[0]!.grant.bucket).toBe(bucket);
  });

  it.each(["0m", "29m", "1200d", "999999999d"])("refuses a window of %s", (window) => {
    expect(() => compiled(["24h", window])).toThrow(`A window of ${window} can't be kept on chain.`);
  });

  it.each<readonly [string, readonly (readonly [string, string])[], string]>([
    ["a payment over the window", [["42.50 USDC", "250.01 USDC"]], "may not exceed the window"],
    ["a window over the lifetime", [["5000 USDC", "249.99 USDC"]], "may not exceed the window"],
    ["a payment of nothing", [["42.50 USDC", "0 USDC"]], "perPayment of USDC is zero"],
    ["a token it does not know", [["250.00 USDC", "250.00 DAI"]], "names the token DAI"],
    ["two tokens in one limit", [["5000 USDC", "5000 ETH"]], '"5000 ETH" is not in USDC'],
    ["gas in a token", [["0.05 ETH", "0.05 USDC"]], '"0.05 USDC" is not in ETH'],
    ["more digits than the token has", [["42.50 USDC", "42.5000001 USDC"]], "the token has only 6 decimals"],
    [
      "more digits than the counters hold",
      [
        ["42.50 USDC", "42.501 USDC"],
        ["250.00", "2500.00"],
      ],
      "too many digits",
    ],
    [
      "more digits of gas than the counters hold",
      [["0.002 ETH", "0.002000000000000001 ETH"]],
      "too many digits",
    ],
    ["amounts beyond all counters", [["5000 USDC", `${"9".repeat(60)} USDC`]], "too many digits"],
    [
      "two payees with one address",
      [["0x130286312BA5E7d805330ADFe0059451484a17B5", "0x06c86c00982b50789830b3b6bfa5a985729f55d8"]],
      "Two payees share the address",
    ],
    [
      "two limits of one token",
      [["gas:", "  - { perPayment: 1 USDC, perWindow: 1 USDC, window: 1h, lifetime: 1 USDC }\ngas:"]],
      "Two limits name the same token",
    ],
    [
      "an expiry beyond 32 bits",
      [["2030-03-17T17:46:40Z", "2106-02-07T06:28:16Z"]],
      "can't be kept on chain",
    ],
    [
      "an expiry before the clocks began",
      [["2030-03-17T17:46:40Z", "1969-12-31T23:59:59Z"]],
      "can't be kept on chain",
    ],
    [
      "no payee",
      [[treasury.slice(treasury.indexOf("payees:"), treasury.indexOf("limits:")), "payees: {}\n"]],
      "names no payee",
    ],
    [
      "a payee at the zero address",
      [["0x130286312BA5E7d805330ADFe0059451484a17B5", `0x${"0".repeat(40)}`]],
      "the zero address",
    ],
  ])("refuses %s", (_, edits, words) => {
    expect(() => compiled(...edits)).toThrow(words);
  });

  it("says what to write instead of an amount with too many digits", () => {
    expect(() => compiled(["42.50 USDC", "42.501 USDC"], ["250.00", "2500.00"]))
      .toThrowErrorMatchingInlineSnapshot(`
      [PolicyError: The policy policy has a mistake; nothing of it is applied.
        policy:13:5  limits.0: The amounts 42.501 USDC, 2500 USDC, 5000 USDC have too many digits for the chain's counters. Round them to whole multiples of 0.1 USDC.
      Mend the lines above and run the command again.]
    `);
  });

  it("keeps the limits in the order of the document, and finds each by its token", () => {
    const policy = compiled([
      "gas:",
      "  - { perPayment: 1 ETH, perWindow: 2 ETH, window: 1h, lifetime: 3 ETH }\ngas:",
    ]);
    expect(policy.limits.map(({ token }) => token.symbol)).toEqual(["USDC", "ETH"]);
    expect(limitFor(policy, "ETH")).toBe(policy.limits[1]);
    expect(limitFor(policy, "DAI")).toBeUndefined();
  });
});

describe("packTerms", () => {
  const grant = compiled().limits[0]!.grant;
  const units = { exponent: 4, gasExponent: 10 };
  it("refuses what its unit does not divide, and what does not fit its bits", () => {
    expect(() => packTerms({ ...grant, perCall: grant.perCall + 1n }, units)).toThrow(/not a whole multiple/);
    expect(() => packTerms({ ...grant, bucket: 1n << 24n }, units)).toThrow(/does not fit in 24 bits/);
    expect(() => packTerms({ ...grant, salt: 1n << 20n }, units)).toThrow(/does not fit in 20 bits/);
    expect(() => packTerms({ ...grant, salt: -1n }, units)).toThrow(/does not fit in 20 bits/);
  });
});
