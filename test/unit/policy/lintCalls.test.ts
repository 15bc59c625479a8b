import { describe, expect, it } from "vitest";

import { compilePolicy } from "../../../src/policy/compile.ts";
import { lintCalls } from "../../../src/policy/lintCalls.ts";
import { parsePolicy } from "../../../src/policy/parse.ts";
import { agent, editedEverything } from "./documents.ts";

type Edits = readonly (readonly [string, string])[];
const deposit =
  'deposit(uint256 assets, address receiver)", counts: ETH, spends: assets, where: { receiver: { self: true } }';
const found = (...edits: Edits) => lintCalls(compilePolicy(parsePolicy(editedEverything(...edits)), agent));
/** What is said of a call of the vault, which the limit in coin counts. */
const ofVault = (signature: string, where: string) =>
  found([deposit, `${signature}", counts: ETH, where: { ${where} }`]).filter(({ path }) => path[1] === 1);
const codes = (signature: string, where: string) => ofVault(signature, where).map(({ code }) => code);

describe("a call that sounds like an approval", () => {
  const uncapped = "no argument caps the amount";
  const unnamed = "anybody may be the spender";
  it.each<readonly [string, string, string | undefined]>([
    [
      "approve(address spender, uint256 amount, uint48 until)",
      "spender: { equals: router }, amount: { atMost: 9 }",
      undefined,
    ],
    [
      "approve(address spender, uint256 amount, uint48 until)",
      "spender: { equals: router }, amount: { equals: 9 }",
      undefined,
    ],
    [
      "approve(address spender, uint256 amount, uint48 until)",
      "spender: { self: true }, amount: { in: [1, 2] }",
      undefined,
    ],
    // The conditions of others are no cap, and one of an amount is no spender.
    [
      "approve(address spender, uint256 amount, uint48 until)",
      "spender: { equals: router }, until: { atMost: 9 }",
      uncapped,
    ],
    ["approve(address spender, uint256 amount, uint48 until)", "spender: { equals: router }", uncapped],
    ["approve(address spender, uint256 amount, uint48 until)", "amount: { atMost: 9 }", unnamed],
    [
      "approve(address spender, uint256 amount, uint48 until)",
      "amount: { atMost: 9 }, until: { atMost: 9 }",
      unnamed,
    ],
    [
      "approve(address spender, uint256 amount, uint48 until)",
      "spender: { equals: router }, amount: { atLeast: 1 }",
      uncapped,
    ],
    // The largest number of the type caps nothing; one less does.
    [
      "approve(address spender, uint8 amount, uint48 until)",
      "spender: { equals: router }, amount: { atMost: 255 }",
      uncapped,
    ],
    [
      "approve(address spender, uint8 amount, uint48 until)",
      "spender: { equals: router }, amount: { atMost: 254 }",
      undefined,
    ],
    [
      "approve(address spender, uint8 amount, uint48 until)",
      "spender: { equals: router }, amount: { atMost: 254, atLeast: 1 }",
      undefined,
    ],
    // Without a number that is named as an amount, any number counts.
    ["delegate(address who, uint256 x)", "who: { equals: router }, x: { atMost: 9 }", undefined],
    [
      "delegate(address who, bytes32 x)",
      'who: { equals: router }, x: { equals: "0x1111111111111111111111111111111111111111111111111111111111111111" }',
      uncapped,
    ],
    ["setOperator(address who, bool amount)", "who: { equals: router }, amount: { equals: true }", uncapped],
    [
      "setOperator((address who, uint256 amount) grant)",
      "grant.who: { equals: router }, grant.amount: { atMost: 1 }",
      undefined,
    ],
  ])("%s where %s", (signature, where, said) => {
    const [finding, ...rest] = ofVault(signature, where).filter(({ code }) => code === "approve-without-cap");
    expect(rest).toEqual([]);
    expect(finding?.words).toBe(
      said && `${signature.slice(0, signature.indexOf("("))} of vault sounds like an approval, and ${said}.`,
    );
    const remedies = {
      [uncapped]: "Add `atMost` on the amount, or do not allow it.",
      [unnamed]: "Add a condition on the spender.",
    };
    expect(finding?.remedy).toBe(said && remedies[said as keyof typeof remedies]);
  });
});

describe("a call", () => {
  it("without parameters needs no condition, and with some it does", () => {
    expect(codes("poke()", "")).toEqual([]);
    expect(codes("poke(uint256 id)", "")).toEqual(["call-without-condition"]);
    expect(codes("poke(uint256 id)", "id: { equals: 1 }")).toEqual([]);
  });

  it("has a recipient where an address is named like one, at whatever depth", () => {
    expect(codes("claim(uint256 id, address to)", "id: { equals: 1 }")).toEqual(["recipient-free"]);
    expect(codes("claim(uint256 id, uint256 to)", "id: { equals: 1 }")).toEqual([]);
    expect(codes("claim(uint256 id, address from)", "id: { equals: 1 }")).toEqual([]);
    expect(codes("claim(uint256 id, (uint8 a, (address to) b) c)", "id: { equals: 1 }")).toEqual([
      "recipient-free",
    ]);
    expect(codes("claim((address to) b, uint256 id)", "b.to: { self: true }")).toEqual([]);
  });

  it("says how a recipient can be bound, and where it can't", () => {
    expect(ofVault("claim(uint256 id, address to)", "id: { equals: 1 }")[0]!.remedy).toBe(
      "Add `to: { self: true }` under `where`.",
    );
    expect(ofVault("claim(uint256 id, (address to, bytes x) o)", "id: { equals: 1 }")[0]).toMatchObject({
      words: "claim of vault may send what it sets free to anybody: nothing says what o.to has to be.",
      remedy:
        "The chain can't check this parameter; allow a function that has it outside of arrays and bytes.",
    });
  });

  it("that counts nothing is told of where tokens are counted and no allowance is", () => {
    const plain = ["    functions: [approve, permit]\n", ""] as const;
    const uncounted = (...edits: Edits) =>
      found(...edits).flatMap(({ code, path }) => (code === "call-uncounted" ? [path.join(".")] : []));
    expect(uncounted()).toEqual([]);
    expect(uncounted(plain)).toEqual(["calls.0"]);
    expect(uncounted(plain, ["    counts: USDC", "    counts: USDC\n    spends: params.amountIn"])).toEqual(
      [],
    );
    // What coin a call takes is sent along, and counted there.
    expect(uncounted(["spends: assets, ", ""])).toEqual([]);
  });
});

describe("a call that is counted in two tokens", () => {
  const swap = (counts: string, where: string) =>
    `{ to: vault, function: "swap(address token, uint256 amount)", counts: ${counts}, spends: amount, where: { ${where} } }`;
  const either = (first: string, second: string) =>
    found([
      `  - { to: vault, function: "${deposit} }`,
      `  - ${swap("ETH", first)}\n  - ${swap("USDC", second)}`,
    ])
      .filter(({ code }) => code === "counted-as-either")
      .map(({ path, severity, words }) => [severity, path, words]);
  it("has to be told apart by its arguments", () => {
    expect(either("token: { equals: vault }", "token: { equals: router }")).toEqual([]);
    expect(either("token: { in: [vault, USDC] }", "token: { equals: router }")).toEqual([]);
    expect(either("amount: { atMost: 9 }", "amount: { atMost: 8 }")).toHaveLength(1);
    expect(either("token: { in: [vault, router] }", "token: { in: [router, USDC] }")).toHaveLength(1);
    expect(either("token: { equals: vault }", "amount: { equals: 3 }")).toHaveLength(1);
    expect(either("token: { self: true }", "token: { equals: vault }")).toEqual([
      [
        "error",
        ["calls", 1],
        "swap of vault may be counted in USDC or in ETH, as the agent likes: no condition tells the two apart.",
      ],
    ]);
  });
});
