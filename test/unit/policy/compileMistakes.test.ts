import { describe, expect, it } from "vitest";

import { compilePolicy } from "../../../src/policy/compile.ts";
import { PolicyCompileError } from "../../../src/policy/mistakes.ts";
import { parsePolicy, PolicyError } from "../../../src/policy/parse.ts";
import { agent, editedEverything, edited, treasury } from "./documents.ts";

type Edits = readonly (readonly [string, string])[];
const zero = `0x${"0".repeat(40)}`;

/** Each mistake with its place, its words and what to do. */
function mistakesIn(text: string): readonly string[] {
  try {
    parsePolicy(text);
  } catch (error) {
    if (error instanceof PolicyError) return error.mistakes.map(({ path, words }) => `${path}: ${words}`);
    throw error;
  }
  return [];
}
const limitOf = (amounts: string): string =>
  edited([
    treasury.slice(treasury.indexOf("  - perPayment"), treasury.indexOf("gas:")),
    `  - { window: 24h, ${amounts} }\n`,
  ]);

describe("a policy with all that the language has", () => {
  it.each<readonly [string, Edits, readonly string[]]>([
    ["no mistake", [], []],
    [
      "an escalation and no approver",
      [[`approvers:\n  alice: { address: "0x${"3".repeat(40)}" }\n`, ""]],
      [
        "limits.0.escalation: There is an escalation and nobody to approve. Add at least one entry under approvers.",
      ],
    ],
    ["a ceiling as high as the window", [["55 USDC", "60 USDC"]], []],
    [
      "a ceiling over the window",
      [["55 USDC", "60.01 USDC"]],
      [
        "limits.0.escalation.upTo: An approver could lift a payment to 60.01 USDC, and the window holds 60 USDC. Lower upTo to at most perWindow: an approval does not widen the window.",
      ],
    ],
    [
      "a ceiling that lifts nothing",
      [["55 USDC", "50 USDC"]],
      [
        "limits.0.escalation.upTo: An approver could lift a payment to 50 USDC, no more than 50 USDC without one. Raise upTo above perPayment, or remove the escalation.",
      ],
    ],
    [
      "an approver at the zero address",
      [["3".repeat(40), "0".repeat(40)]],
      [
        "approvers.alice.address: alice is the zero address, which can't sign. Write the address that it really has.",
      ],
    ],
    [
      "a payee at the zero address",
      [["5".repeat(40), "0".repeat(40)]],
      [
        "payees.purse.address: The payee purse is the zero address, which the chain refuses to pay. Write the address that it really has.",
      ],
    ],
    [
      "two guardians who are one",
      [["  bob:", `  ann: { address: "0x${"4".repeat(40)}" }\n  bob:`]],
      [
        `guardians.bob.address: Two guardians share the address 0x${"4".repeat(40)}. Keep one name per address.`,
      ],
    ],
    [
      "a token at the zero address",
      [["0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2", zero]],
      ["tokens.WETH.address: The token WETH is the zero address. Write the address of its contract."],
    ],
    [
      "a token with the coin's name",
      [["  WETH:", "  ETH:"]],
      ["tokens.ETH: ETH is the native coin. Give the token another symbol, e.g. WETH."],
    ],
    [
      "a purse that is a contract",
      [["purse: true", "purse: true, contract: true"]],
      ["payees.purse.contract: purse is a purse, a plain key, and can't be a contract. Keep one of the two."],
    ],
    [
      "a paymaster at the zero address",
      [["8".repeat(40), "0".repeat(40)]],
      ["paymaster: The paymaster is the zero address. Write its address, or remove the key."],
    ],
    [
      "functions of the coin",
      [["lifetime: 2 ETH }", "lifetime: 2 ETH, functions: [approve] }"]],
      [
        "limits.1.functions: The native coin has no functions. Remove the key: coin is paid by plain transfers.",
      ],
    ],
    [
      "a call that no limit counts",
      [["counts: ETH", "counts: WETH"]],
      [
        "calls.1.counts: The policy has no limit in WETH that could count the call. Name the symbol of one of the limits, or add one; its amounts may be zero.",
      ],
    ],
    [
      "two caps, of two tokens",
      [["window: 12h }\n", "window: 12h }\n  - { perWindow: 1 ETH, window: 12h }\n"]],
      [],
    ],
    [
      "a gas budget in a token, and an expiry that is none",
      [
        ["budget: 0.05 ETH", "budget: 0.05 USDC"],
        ["2030-03-17", "1960-03-17"],
      ],
      [
        'gas.budget: "0.05 USDC" is not in ETH. Write the amount in ETH.',
        "expires: A policy that expires at 1960-03-17T17:46:40Z can't be kept on chain. Use a moment between 1970 and February 2106.",
      ],
    ],
    [
      "gas of one operation in a token",
      [["perOperation: 0.002 ETH", "perOperation: 0.002 USDC"]],
      ['gas.perOperation: "0.002 USDC" is not in ETH. Write the amount in ETH.'],
    ],
    [
      "gas with more digits than the counters hold",
      [["perOperation: 0.002 ETH", "perOperation: 0.002000000000000001 ETH"]],
      [
        "gas: The amounts 0.05 ETH, 0.002000000000000001 ETH have too many digits for the chain's counters. Round them to whole multiples of 0.00000001 ETH.",
      ],
    ],
    [
      "limits in a token that it does not have",
      [
        ["perPayment: 50 USDC", "perPayment: 50 DAI"],
        ["60 USDC", "60 DAI"],
        ["1500 USDC", "1500 DAI"],
        ["55 USDC", "55 DAI"],
      ],
      [
        'limits.0.perWindow: "60 DAI" names the token DAI, which is not in the policy\'s tokens. Add DAI under tokens, or correct the symbol.',
        "calls.0.counts: The policy has no limit in USDC that could count the call. Name the symbol of one of the limits, or add one; its amounts may be zero.",
      ],
    ],
    [
      "a token left out, the limit and the call that it counts being there",
      [['  USDC: { address: "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", decimals: 6 }\n', ""]],
      [
        'limits.0.perWindow: "60 USDC" names the token USDC, which is not in the policy\'s tokens. Add USDC under tokens, or correct the symbol.',
        'calls.0.where.params.tokenIn: "USDC" is not a name of the policy. Write an address, or a name under tokens, payees or contracts.',
        'calls.0.where.params.amountIn: "1 USDC" names the token USDC, which is not in the policy\'s tokens. Add USDC under tokens, or correct the symbol.',
        'accountCaps.0: "200 USDC" names the token USDC, which is not in the policy\'s tokens. Add USDC under tokens, or correct the symbol.',
      ],
    ],
    [
      "a limit for calls alone, whose only call is not right yet",
      [
        ["perPayment: 50 USDC", "perPayment: 0 USDC"],
        ["{ equals: USDC }", "{ equals: DAI }"],
      ],
      [
        'calls.0.where.params.tokenIn: "DAI" is not a name of the policy. Write an address, or a name under tokens, payees or contracts.',
      ],
    ],
    [
      "two limits of one token",
      [["calls:", "  - { perPayment: 1 USDC, perWindow: 1 USDC, window: 24h, lifetime: 1 USDC }\ncalls:"]],
      [
        "limits.2: Two limits name the same token. Keep one limit per token: two would add up, and people would read only one.",
      ],
    ],
  ])("has with %s these mistakes", (_, edits, mistakes) => {
    expect(mistakesIn(editedEverything(...edits))).toEqual(mistakes);
  });

  it("counts each function once, in the order of the document", () => {
    const [usdc] = compilePolicy(
      parsePolicy(editedEverything(["[approve, permit]", "[permit, transferFrom, permit]"])),
      agent,
    ).limits;
    expect(usdc!.functions).toEqual(["permit", "transferFrom"]);
    expect(usdc!.grant.extras.functions).toBe(9n);
  });

  it("asks for nothing that it does not have", () => {
    const bare = editedEverything(
      ["heartbeat: 30d\n", ""],
      [`paymaster: "0x${"8".repeat(40)}"\n`, ""],
      ["    operations: { perWindow: 3, lifetime: 60 }\n", ""],
    );
    const [usdc] = compilePolicy(parsePolicy(bare), agent).limits;
    expect(usdc!.grant.extras).toMatchObject({
      paymaster: zero,
      heartbeat: 0n,
      operations: 0n,
      operationsPerWindow: 0n,
    });
    const [full] = compilePolicy(parsePolicy(editedEverything()), agent).limits;
    expect(full!.grant.extras).toMatchObject({
      paymaster: `0x${"8".repeat(40)}`,
      operations: 60n,
      operationsPerWindow: 3n,
    });
  });
});

describe("a limit", () => {
  it.each([
    ["of a payment of nothing", "perPayment: 0.00 USDC, perWindow: 1 USDC, lifetime: 1 USDC"],
    ["of a payment of zero", "perPayment: 0 USDC, perWindow: 1 USDC, lifetime: 1 USDC"],
  ])("%s is a slip without calls", (_, amounts) => {
    expect(mistakesIn(limitOf(amounts))).toEqual([
      "limits.0.perPayment: perPayment of USDC is zero. Remove the limit if nothing may be paid: without any, the agent only watches.",
    ]);
  });

  it.each(["0.01", "10", "100.00"])("of a payment of %s is none", (amount) => {
    expect(
      mistakesIn(limitOf(`perPayment: ${amount} USDC, perWindow: 100 USDC, lifetime: 100 USDC`)),
    ).toEqual([]);
  });

  it("may count calls alone: nothing for payments, and nobody to pay", () => {
    const text = editedEverything(
      ["perPayment: 50 USDC", "perPayment: 0 USDC"],
      ["perPayment: 0.1 ETH", "perPayment: 0 ETH"],
      [`  router: { address: "0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45", contract: true }\n`, ""],
      [`  purse: { address: "0x${"5".repeat(40)}", purse: true }\n`, ""],
      ["payees:\n", "payees: {}\n"],
      ["  vault:", `  router: { address: "0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45" }\n  vault:`],
    );
    const { limits, payeeTree, watchOnly } = compilePolicy(parsePolicy(text), agent);
    expect(limits.map(({ calls }) => calls.length)).toEqual([1, 1]);
    expect(payeeTree).toEqual({ root: `0x${"0".repeat(64)}`, payees: [] });
    expect(watchOnly).toBe(false);
  });

  it("says each amount that is not one, and goes on to the others", () => {
    expect(mistakesIn(limitOf("perPayment: 0.0000001 USDC, perWindow: 1 ETH, lifetime: 1 DAI"))).toEqual([
      'limits.0.perPayment: "0.0000001 USDC" is not in ETH. Write the amount in ETH.',
      'limits.0.lifetime: "1 DAI" is not in ETH. Write the amount in ETH.',
    ]);
  });

  it.each(["perPayment", "perWindow", "lifetime"])("says what is wrong with %s alone", (key) => {
    const amounts = { perPayment: "1", perWindow: "2", lifetime: "3", [key]: "2.0000001" };
    const written = Object.entries(amounts).map(([name, amount]) => `${name}: ${amount} USDC`);
    expect(mistakesIn(limitOf(written.join(", ")))).toEqual([
      `limits.0.${key}: "2.0000001" is not an amount: the token has only 6 decimals. Write digits with at most one point, for example "42.50".`,
    ]);
  });

  it("needs somebody to pay, or something to call", () => {
    const payees = treasury.slice(treasury.indexOf("payees:"), treasury.indexOf("limits:"));
    expect(mistakesIn(edited([payees, "payees: {}\n"]))).toEqual([
      "limits.0: The policy names no payee, so nobody could be paid. Add at least one payee.",
    ]);
  });

  it("in steps of 10^63 is the coarsest that the chain counts in", () => {
    const amounts = (digits: number) =>
      ["perPayment", "perWindow", "lifetime"]
        .map((key) => `${key}: 60000${"0".repeat(digits)} ETH`)
        .join(", ");
    const [limit] = compilePolicy(parsePolicy(limitOf(amounts(45))), agent).limits;
    expect(limit!.units.exponent).toBe(63);
    expect(mistakesIn(limitOf(amounts(46)))).toEqual([
      "limits.0: An amount of ETH is beyond what the chain's counters hold. Lower it.",
    ]);
  });
});

describe("no limit at all", () => {
  const none = edited([
    treasury.slice(treasury.indexOf("limits:"), treasury.indexOf("gas:")),
    "limits: []\n",
  ]);

  it("lets the agent log and pay gas, and nothing else", () => {
    const { limits, watchOnly } = compilePolicy(parsePolicy(none), agent);
    expect(watchOnly).toBe(true);
    expect(limits).toMatchObject([
      {
        token: { symbol: "ETH" },
        grant: { agent, perCall: 0n, perWindow: 0n, lifetime: 0n, bucket: 14_400n, salt: 7n },
        functions: [],
        calls: [],
      },
    ]);
    expect(limits[0]!.grant.gasBudget).toBe(50_000_000_000_000_000n);
  });
});

it("holds decimals against what the chain says, token by token", () => {
  const document = parsePolicy(editedEverything());
  const weth = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2";
  let met: unknown;
  try {
    compilePolicy(document, agent, { [weth]: 8 });
  } catch (error) {
    met = error;
  }
  expect(met).toBeInstanceOf(PolicyCompileError);
  expect((met as PolicyCompileError).mistakes).toEqual([
    {
      path: ["tokens", "WETH", "decimals"],
      words: "WETH has 8 decimals on chain, and the policy says 18.",
      remedy: "Check the address first; then write the decimals that the chain says.",
    },
  ]);
});
