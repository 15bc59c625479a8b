import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { parsePolicy, PolicyError } from "../../../src/policy/parse.ts";
import { salvage } from "../../../src/policy/salvage.ts";
import { policySchema, type PolicyDocument } from "../../../src/policy/schema.ts";
import { everything } from "./documents.ts";

/** Each mistake of a document as `path: words`. */
function mistakesOf(document: unknown): readonly string[] {
  try {
    parsePolicy(JSON.stringify(document));
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    return error.mistakes.map(({ path, words }) => `${path}: ${words}`);
  }
  return [];
}
const pathOf = (mistake: string) => mistake.split(": ")[0]!;

type Path = readonly (string | number)[];
/** A value at a place; `undefined` takes the key away. */
type Edit = readonly [path: Path, value: unknown];

function withEdits(document: unknown, edits: readonly Edit[]): unknown {
  const edited: unknown = structuredClone(document);
  for (const [path, value] of edits) {
    const parent = path
      .slice(0, -1)
      .reduce((node, part) => (node as Record<string, unknown>)[part], edited) as Record<string, unknown>;
    if (value === undefined) delete parent[path.at(-1)!];
    else parent[path.at(-1)!] = value;
  }
  return edited;
}
const address = (digit: string) => `0x${digit.repeat(40)}`;
const zero = address("0");

/** A right document: all that the language has, a limit for calls alone, and a token of many decimals. */
const right = withEdits(parsePolicy(everything), [
  [["tokens", "RAY"], { address: address("a"), decimals: 27 }],
  [["limits", 1, "perPayment"], "0 ETH"],
  [
    ["limits", 2],
    {
      perPayment: "0.000000000000000000000000001 RAY",
      perWindow: "0.00000000000000000000003 RAY",
      window: "12h",
      lifetime: "0.0000000000000000000008 RAY",
    },
  ],
  [["calls", 2], { to: "vault", function: "sweep()", counts: "RAY" }],
  [["accountCaps", 1], { perWindow: "1 ETH", window: "12h" }],
]);

/** The same with a mistake of meaning wherever there may be one. */
const wrong = withEdits(right, [
  [["tokens", "ETH"], { address: address("9"), decimals: 18 }],
  [["payees", "purse", "contract"], true],
  [["contracts", "router"], { address: address("6") }],
  [["limits", 0, "perPayment"], "70 USDC"],
  [["limits", 0, "escalation", "upTo"], "70 USDC"],
  [["limits", 1, "window"], "7m"],
  [["limits", 2, "functions"], ["approve"]],
  [["limits", 2, "lifetime"], "1 DAI"],
  [["calls", 0, "where", "params.tokenIn"], { equals: "DAI" }],
  [["calls", 1, "spends"], "shares"],
  [["calls", 2, "counts"], "WETH"],
  [["approvers", "alice", "address"], zero],
  [["guardians", "bob", "address"], zero],
  [["heartbeat"], "60000d"],
  [["paymaster"], zero],
  [["accountCaps", 0, "window"], "7m"],
  [["accountCaps", 1, "perWindow"], "1.23456 ETH"],
  [["gas", "budget"], "0.05 USDC"],
  [["expires"], "1960-01-01T00:00:00Z"],
]);
const meant = mistakesOf(wrong);

it("has a mistake of meaning in each clause, and none in the other document", () => {
  expect(mistakesOf(right)).toEqual([]);
  expect(meant.map(pathOf)).toEqual([
    "tokens.ETH",
    "payees.purse.contract",
    "contracts.router",
    "limits.0",
    "limits.0.escalation.upTo",
    "limits.1.window",
    "limits.2.lifetime",
    "calls.0.where.params.tokenIn",
    "calls.1.spends",
    "calls.2.counts",
    "approvers.alice.address",
    "guardians.bob.address",
    "heartbeat",
    "paymaster",
    "accountCaps.0",
    "accountCaps.1",
    "gas.budget",
    "expires",
  ]);
});

/** What is done to the form, where that is told, and what is not told beside it because it is gone or may come of it. */
const isIn = (place: string, path: string) =>
  place.endsWith("*") ? `${path}.`.startsWith(place.slice(0, -1)) : path === place;

const rows: readonly (readonly [
  what: string,
  edits: readonly Edit[],
  told: readonly string[],
  untold: readonly string[],
])[] = [
  ["the name", [[["policy"], "No Name"]], ["policy"], []],
  ["no name", [[["policy"], undefined]], ["policy"], []],
  ["the version", [[["version"], 2]], ["version"], []],
  ["the chain", [[["chain"], "mainnet"]], ["chain"], []],
  ["the salt", [[["salt"], -1]], ["salt"], []],
  ["mail", [[["mail"], "ask"]], ["mail"], []],
  [
    "mail, twice",
    [[["mail"], { unauthenticated: "shout", colour: 1 }]],
    ["mail.unauthenticated", "mail.colour"],
    [],
  ],
  ["a key nobody knows", [[["colour"], "red"]], ["colour"], []],
  ["a key of a limit", [[["limits", 0, "colour"], "red"]], ["limits.0.colour"], []],
  [
    "a key of a condition",
    [[["calls", 0, "where", "params.fee"], { equal: 500 }]],
    ["calls.0.where.params.fee.equal", "calls.0.where.params.fee"],
    ["calls.0.*", "limits.0"],
  ],
  ["a key far inside", [[["limits", 0, "escalation", "by"], "alice"]], ["limits.0.escalation.by"], []],
  ["the expiry", [[["expires"], "some day"]], ["expires"], ["expires"]],
  ["no expiry", [[["expires"], undefined]], ["expires"], ["expires"]],
  ["the heartbeat", [[["heartbeat"], "often"]], ["heartbeat"], ["heartbeat"]],
  ["the paymaster", [[["paymaster"], "0x"]], ["paymaster"], ["paymaster"]],
  ["gas", [[["gas"], "little"]], ["gas"], ["gas.*"]],
  ["gas of one operation", [[["gas", "perOperation"], 1]], ["gas.perOperation"], ["gas.*"]],

  [
    "tokens",
    [[["tokens"], 7]],
    ["tokens"],
    ["tokens.*", "limits.*", "calls.0.*", "calls.1.*", "accountCaps.*"],
  ],
  [
    "no tokens",
    [[["tokens"], undefined]],
    ["tokens"],
    ["tokens.*", "limits.*", "calls.0.*", "calls.1.*", "accountCaps.*"],
  ],
  [
    "payees, a list",
    [[["payees"], ["router"]]],
    ["payees"],
    ["payees.*", "contracts.*", "limits.*", "calls.0.*", "calls.1.*"],
  ],
  ["contracts", [[["contracts"], 7]], ["contracts"], ["contracts.*", "calls.0.*", "calls.1.*"]],
  ["approvers", [[["approvers"], 7]], ["approvers"], ["approvers.*", "limits.*"]],
  ["guardians", [[["guardians"], 7]], ["guardians"], ["guardians.*"]],
  ["limits", [[["limits"], 7]], ["limits"], ["limits.*", "calls.2.counts"]],
  ["limits, no list", [[["limits"], { USDC: 1 }]], ["limits"], ["limits.*", "calls.2.counts"]],
  ["calls", [[["calls"], 7]], ["calls"], ["calls.*", "limits.0"]],
  ["no call", [[["calls"], []]], ["calls"], ["calls.*", "limits.0"]],
  ["caps", [[["accountCaps"], {}]], ["accountCaps"], ["accountCaps.*"]],

  ["a token", [[["tokens", "USDC"], 7]], ["tokens.USDC"], []],
  ["a token of many decimals", [[["tokens", "RAY", "address"], "0x"]], ["tokens.RAY.address"], []],
  [
    "two tokens",
    [
      [["tokens", "USDC"], 7],
      [["tokens", "RAY"], 7],
    ],
    ["tokens.USDC", "tokens.RAY"],
    [],
  ],
  [
    "a token and a contract",
    [
      [["tokens", "USDC"], 7],
      [["payees", "router"], 7],
      [["contracts", "vault"], 7],
    ],
    ["tokens.USDC", "payees.router", "contracts.vault"],
    [],
  ],
  ["a payee", [[["payees", "purse", "address"], "0x"]], ["payees.purse.address"], ["payees.purse.*"]],
  ["an approver", [[["approvers", "alice"], 7]], ["approvers.alice"], ["approvers.*"]],
  ["a guardian", [[["guardians", "bob"], 7]], ["guardians.bob"], ["guardians.*"]],
  ["a token's symbol", [[["tokens", "dai"], { address: address("b"), decimals: 18 }]], ["tokens.dai"], []],
  ["a payee's name", [[["payees", "Dave"], { address: address("b") }]], ["payees.Dave"], []],
  ["a contract's name", [[["contracts", "Dave"], { address: address("b") }]], ["contracts.Dave"], []],
  ["a guardian's name", [[["guardians", "Dave"], { address: address("b") }]], ["guardians.Dave"], []],
  [
    "the only approver's name",
    [[["approvers"], { Alice: { address: address("3") } }]],
    ["approvers.Alice"],
    ["approvers.*"],
  ],

  ["a limit", [[["limits", 0], 7]], ["limits.0"], ["limits.0.*", "calls.2.counts"]],
  [
    "two limits",
    [
      [["limits", 0, "window"], "a day"],
      [["limits", 1], 7],
    ],
    ["limits.0.window", "limits.1"],
    ["limits.0.*", "limits.1.*", "calls.2.counts"],
  ],
  [
    "all limits",
    [
      [["limits", 0], 7],
      [["limits", 1], 7],
      [["limits", 2], 7],
    ],
    ["limits.0", "limits.1", "limits.2"],
    ["limits.*", "calls.2.counts"],
  ],
  ["a call", [[["calls", 1], 7]], ["calls.1"], ["calls.1.*", "limits.0"]],
  [
    "all calls but the last, one of them twice",
    [
      [["calls", 0, "to"], "No Name"],
      [["calls", 0, "counts"], "usdc"],
      [["calls", 1], 7],
    ],
    ["calls.0.to", "calls.0.counts", "calls.1"],
    ["calls.0.*", "calls.1.*", "limits.0"],
  ],
  [
    "all calls",
    [
      [["calls", 0], 7],
      [["calls", 1], 7],
      [["calls", 2], 7],
    ],
    ["calls.0", "calls.1", "calls.2"],
    ["calls.*", "limits.0"],
  ],
  ["a cap", [[["accountCaps", 0], 7]], ["accountCaps.0"], ["accountCaps.0.*"]],
  [
    "all caps",
    [
      [["accountCaps", 0], 7],
      [["accountCaps", 1], 7],
    ],
    ["accountCaps.0", "accountCaps.1"],
    ["accountCaps.*"],
  ],
];

describe("a mistake of form", () => {
  it.each(rows)("(%s) leads to no other where there is none", (_, edits, told) => {
    expect(mistakesOf(withEdits(right, edits)).map(pathOf).toSorted()).toEqual(told.toSorted());
  });

  it.each(rows)("(%s) hides no mistake of meaning that is not its own", (_, edits, told, untold) => {
    const ofForm = (mistake: string) => !meant.includes(mistake);
    const found = mistakesOf(withEdits(wrong, edits));
    expect(found.filter(ofForm).map(pathOf).toSorted()).toEqual(told.toSorted());
    expect(found.filter((one) => !ofForm(one))).toEqual(
      meant.filter((one) => !untold.some((place) => isIn(place, pathOf(one)))),
    );
  });

  it("in an entry hides no mistake of its name", () => {
    expect(mistakesOf(withEdits(right, [[["tokens", "ETH"], 7]]))).toEqual([
      "tokens.ETH: invalid input: expected object, received number",
      "tokens.ETH: ETH is the native coin. Give the token another symbol, e.g. WETH.",
    ]);
  });

  it("in the only call does not make a limit one by which nobody could be paid", () => {
    const callsAlone = withEdits(right, [
      [["payees"], {}],
      [["limits"], [(right as PolicyDocument).limits[1]]],
      [["calls"], [(right as PolicyDocument).calls![1]]],
    ]);
    expect(mistakesOf(callsAlone)).toEqual([]);
    expect(mistakesOf(withEdits(callsAlone, [[["calls", 0, "to"], "No Name"]])).map(pathOf)).toEqual([
      "calls.0.to",
    ]);
  });

  it("can always be repaired, wherever and whatever it is", () => {
    const places: Path[] = [];
    const visit = (node: unknown, path: Path): void => {
      if (path.length > 0) places.push(path);
      if (typeof node !== "object" || node === null) return;
      const keys = Array.isArray(node) ? [...node.keys()] : Object.keys(node);
      for (const key of keys) visit((node as Record<string, unknown>)[key], [...path, key]);
    };
    visit(right, []);
    const values = [null, 0, -1, "", "A b", "0x", [], [null], {}, { a: 1 }, { address: 1 }, { equal: 1 }];
    const edit = fc.tuple(fc.constantFrom(...places), fc.constantFrom(undefined, ...values));
    // Different clauses, so that no edit is in what another took away.
    const edits = fc.uniqueArray(edit, {
      minLength: 1,
      maxLength: 5,
      selector: ([path]) => path.slice(0, 2).join("."),
    });
    fc.assert(
      fc.property(edits, (made) => {
        const sections = made.filter(([path]) => path.length === 1).map(([[section]]) => section);
        const apart = made.filter(([path]) => path.length === 1 || !sections.includes(path[0]));
        const document = withEdits(right, apart);
        const parsed = policySchema.safeParse(document, { reportInput: true });
        fc.pre(!parsed.success);
        expect(salvage(document as object, parsed.error.issues)).toBeDefined();
        expect(mistakesOf(document)).not.toEqual([]);
      }),
      { numRuns: 100 },
    );
  });
});
