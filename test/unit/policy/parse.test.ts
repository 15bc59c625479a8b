import { describe, expect, it } from "vitest";

import { parsePolicy, PolicyError } from "../../../src/policy/parse.ts";
import { edited, editedEverything, treasury } from "./documents.ts";

/** The mistakes of a document, one a line, as people see them. */
function mistakes(text: string): readonly string[] {
  try {
    parsePolicy(text);
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    return error.mistakes.map((m) => `${m.line}:${m.column} ${m.path}: ${m.words}`);
  }
  return [];
}

describe("parsePolicy", () => {
  it("reads a document, fills in what may be left out, and freezes all of it", () => {
    const document = parsePolicy(treasury);
    expect(document.mail).toEqual({ unauthenticated: "ask" });
    expect(parsePolicy(edited(["salt: 7\n", ""])).salt).toBe(0);
    expect(
      [document, document.payees, document.payees["acme"], document.limits[0]].every(Object.isFrozen),
    ).toBe(true);
  });

  it("reads the same document as JSON", () => {
    expect(parsePolicy(JSON.stringify(parsePolicy(treasury), null, 2))).toEqual(parsePolicy(treasury));
  });

  it("reads a policy without limits, by which an agent only watches", () => {
    const text = edited([
      treasury.slice(treasury.indexOf("limits:"), treasury.indexOf("gas:")),
      "limits: []\n",
    ]);
    expect(parsePolicy(text).limits).toEqual([]);
  });

  it("leaves out what is only for editors", () => {
    expect(parsePolicy(`$schema: ./policy.schema.json\n${treasury}`)).toEqual(parsePolicy(treasury));
  });

  it("brings an address without capitals into its checksummed form", () => {
    const lower = "0x06c86c00982b50789830b3b6bfa5a985729f55d8";
    const document = parsePolicy(edited(["0x06C86c00982B50789830b3b6bfA5A985729f55D8", lower]));
    expect(document.payees["acme"]?.address).toBe("0x06C86c00982B50789830b3b6bfA5A985729f55D8");
  });

  it.each<readonly [string, readonly (readonly [string, string])[], readonly string[]]>([
    [
      "a typo in a key of the document",
      [["gas:", "gass:"]],
      ["1:1 gas: is missing: add it", '17:1 gass: is not a key of a policy; did you mean "gas"?'],
    ],
    [
      "a typo in a key of a limit",
      [["perPayment:", "perpayment:"]],
      [
        '13:5 limits.0.perPayment: is missing: add an amount with its unit, e.g. "500.00 USDC"',
        '13:5 limits.0.perpayment: is not a key of a policy; did you mean "perPayment"?',
      ],
    ],
    [
      "a key that is near to none",
      [["version: 1", "version: 1\ncolour: red"]],
      ["3:1 colour: is not a key of a policy; remove it"],
    ],
    [
      "a duplicate key",
      [["salt: 7", "salt: 7\nchain: 1"]],
      ["22:1 : this key stands here twice: keep one of the two"],
    ],
    [
      "a payee written twice",
      [["  northwind:", "  acme:"]],
      ["10:3 : this key stands here twice: keep one of the two"],
    ],
    [
      "a wrong checksum",
      [["0x06C86c", "0x06c86C"]],
      [
        "8:14 payees.acme.address: has to be an address in quotes: 0x and 40 hex digits, with a right checksum if it has capitals",
      ],
    ],
    [
      "an address that is too short",
      [['f55D8"', 'f55D"']],
      [
        "8:14 payees.acme.address: has to be an address in quotes: 0x and 40 hex digits, with a right checksum if it has capitals",
      ],
    ],
    [
      "a missing section",
      [
        [
          "  - perPayment: 42.50 USDC\n    perWindow: 250.00 USDC\n    window: 24h\n    lifetime: 5000 USDC\n",
          "",
        ],
        ["limits:\n", ""],
      ],
      ["1:1 limits: is missing: add it"],
    ],
    [
      "a missing key in a limit",
      [["    lifetime: 5000 USDC\n", ""]],
      ['13:5 limits.0.lifetime: is missing: add an amount with its unit, e.g. "500.00 USDC"'],
    ],
    [
      "a tab",
      [["  acme:", "\tacme:"]],
      [
        "7:1 : tabs are not allowed as indentation: use spaces",
        "10:1 : All mapping items must start at the same column",
      ],
    ],
    [
      "an alias",
      [
        ['address: "0x130286312BA5E7d805330ADFe0059451484a17B5"', "address: *one"],
        [
          'address: "0x06C86c00982B50789830b3b6bfA5A985729f55D8"',
          'address: &one "0x06C86c00982B50789830b3b6bfA5A985729f55D8"',
        ],
      ],
      ["8:19 : anchors, aliases and tags are not allowed: write the value out"],
    ],
    [
      "an anchor that nobody uses",
      [["policy: treasury", "policy: &name treasury"]],
      ["1:15 : anchors, aliases and tags are not allowed: write the value out"],
    ],
    [
      "a tag",
      [["policy: treasury", "policy: !!str treasury"]],
      ["1:15 : anchors, aliases and tags are not allowed: write the value out"],
    ],
    [
      "another version of YAML",
      [["policy: treasury", "%YAML 1.1\n---\npolicy: treasury"]],
      ["1:1 : directives are not allowed: the language is YAML 1.2"],
    ],
    [
      "a name that is more than a word",
      [["    senders: [acme.example]", '    names: ["Acme\\nnarrows limits"]']],
      ["9:13 payees.acme.names.0: has to be 3 to 64 characters that can be seen, on one line"],
    ],
    [
      "two caps for one token",
      [
        [
          "salt: 7",
          "accountCaps: [{ perWindow: 600 USDC, window: 24h }, { perWindow: 3000 USDC, window: 30d }]",
        ],
      ],
      [
        "21:53 accountCaps.1: An account has one cap for each token, and USDC has one already. Keep one of the two.",
      ],
    ],
    [
      "a cap with more digits than the chain keeps",
      [["salt: 7", "accountCaps: [{ perWindow: 123456.00 USDC, window: 24h }]"]],
      [
        "21:15 accountCaps.0: A cap of 123456.00 USDC has more digits than the chain keeps. Round it to four digits, e.g. 123400.00.",
      ],
    ],
    [
      "a merge key",
      [["  northwind:\n", "  northwind:\n    <<: { senders: [a.example] }\n"]],
      ["11:5 payees.northwind.<<: is not a key of a policy; remove it"],
    ],
    ["a tag of its own", [["policy: treasury", "policy: !env treasury"]], ["1:9 : Unresolved tag: !env"]],
    [
      "a number for a text",
      [["perPayment: 42.50 USDC", "perPayment: 42.50"]],
      ['13:17 limits.0.perPayment: has to be an amount with its unit, e.g. "500.00 USDC"'],
    ],
    [
      "a separator in an amount",
      [["250.00 USDC", '"1,250.00 USDC"']],
      ['14:16 limits.0.perWindow: has to be an amount with its unit, e.g. "500.00 USDC"'],
    ],
    [
      "a window in words",
      [["window: 24h", "window: a day"]],
      ['15:13 limits.0.window: has to be a duration, e.g. "30m", "24h" or "7d"'],
    ],
    [
      "a date without its zone",
      [["2030-03-17T17:46:40Z", "2030-03-17T17:46:40"]],
      ['20:10 expires: has to be a moment with its zone, e.g. "2027-06-30T00:00:00Z"'],
    ],
    [
      "a chain that is text",
      [["chain: 31337", 'chain: "31337"']],
      ["3:8 chain: has to be an EIP-155 chain id, e.g. 1"],
    ],
    [
      "a version from the future",
      [["version: 1", "version: 2"]],
      ["2:10 version: has to be 1, the version of the language"],
    ],
    [
      "a payee in capitals",
      [["  northwind:", "  Northwind:"]],
      ['10:3 payees.Northwind: has to be lower case letters, digits and dashes, e.g. "acme-hosting"'],
    ],
    [
      "a domain with a scheme",
      [["[acme.example]", '["https://acme.example"]']],
      ['9:15 payees.acme.senders.0: has to be a domain in lower case, e.g. "acme.example"'],
    ],
    [
      "several mistakes at once",
      [
        ["chain: 31337", "chain: 0"],
        ["window: 24h", "window: 24"],
        ["perOperation:", "perOperaton:"],
        ["salt: 7", "salt: -1"],
      ],
      [
        "3:8 chain: has to be an EIP-155 chain id, e.g. 1",
        '15:13 limits.0.window: has to be a duration, e.g. "30m", "24h" or "7d"',
        '18:3 gas.perOperation: is missing: add an amount with its unit, e.g. "500.00 USDC"',
        '19:3 gas.perOperaton: is not a key of a policy; did you mean "perOperation"?',
        "21:7 salt: has to be a whole number from 0 to 1048575",
      ],
    ],
    [
      "an amount with more digits than its token has, and a payment over the window, at once",
      [
        ["5000 USDC", "5000.0000001 USDC"],
        ["gas:", "  - { perPayment: 2 ETH, perWindow: 1 ETH, window: 1h, lifetime: 3 ETH }\ngas:"],
      ],
      [
        '16:15 limits.0.lifetime: "5000.0000001" is not an amount: the token has only 6 decimals. Write digits with at most one point, for example "42.50".',
        "17:5 limits.1: For ETH, a payment (2 ETH) may not exceed the window (1 ETH), nor the window the lifetime (3 ETH). Put the three in ascending order.",
      ],
    ],
    [
      "a number out of its range, in the words of the schema's library",
      [["decimals: 6", "decimals: 37"]],
      ["5:76 tokens.USDC.decimals: too big: expected number to be <=36"],
    ],
    [
      "the form of the only cap, and a limit out of order, at once",
      [
        ["salt: 7", "accountCaps: [{ perWindow: 600 USDC, window: a day }]"],
        ["5000 USDC", "1 USDC"],
      ],
      [
        "13:5 limits.0: For USDC, a payment (42.50 USDC) may not exceed the window (250.00 USDC), nor the window the lifetime (1 USDC). Put the three in ascending order.",
        '21:46 accountCaps.0.window: has to be a duration, e.g. "30m", "24h" or "7d"',
      ],
    ],
    [
      "a second document",
      [["salt: 7", "salt: 7\n---\npolicy: other"]],
      ["22:1 : a file holds one policy: remove all from this line on"],
    ],
  ])("says where %s is", (_, edits, expected) => {
    expect(mistakes(edited(...edits))).toEqual(expected);
  });

  it.each(["", "# nothing\n", "null", "[]", "treasury", "42"])("refuses %j, which is no document", (text) => {
    expect(mistakes(text)).not.toEqual([]);
  });

  it("tells mistakes of meaning beside those of form, and none that only come of the latter", () => {
    const text = editedEverything(
      ["policy: everything", "policy: everything\ncolour: red"], // 2: unknown key
      ['6 }\n  WETH: { address: "0xC0', '6 }\n  WETH: { address: "0xc0'], // 7: checksum; still a token
      ["  purse:", "  Purse:"], // 10: no name
      ["    window: 24h", "    window: a day"], // 16: the whole limit is left out, and what refers to it
      ["0.1 ETH, perWindow: 0.2 ETH, window: 6h", "0.3 ETH, perWindow: 0.2 ETH, window: 7m"], // 21: twice wrong
      ["{ equals: USDC }", "{ equals: DAI }"], // 27: no such name
      ["spends: assets", "spends: shares"], // 31: no such parameter
      ["0.05 ETH", "0.05 USDC"], // 40
    );
    expect(mistakes(text).map((one) => one.split(": ")[0])).toEqual([
      "2:1 colour",
      "7:20 tokens.WETH.address",
      "10:3 payees.Purse",
      "16:13 limits.0.window",
      "21:5 limits.1",
      "21:56 limits.1.window",
      "27:23 calls.0.where.params.tokenIn",
      "31:94 calls.1.spends",
      "40:16 gas.budget",
    ]);
  });

  it.each([
    "",
    "limits: 7",
    "payees: []",
    "tokens: {}\ntokens2: 1",
    "calls: [{}]\nlimits: [{}]\npayees: { a: 1 }",
  ])("survives %j", (text) => expect(mistakes(text).length).toBeGreaterThan(0));

  it("tells all mistakes in one message, with the name of the file", () => {
    expect(() => parsePolicy(edited(["chain: 31337", "chain: 0"], ["gas:", "gass:"]), "treasury.yaml"))
      .toThrowErrorMatchingInlineSnapshot(`
      [PolicyError: The policy treasury.yaml has 3 mistakes; nothing of it is applied.
        treasury.yaml:1:1  gas: is missing: add it
        treasury.yaml:3:8  chain: has to be an EIP-155 chain id, e.g. 1
        treasury.yaml:17:1  gass: is not a key of a policy; did you mean "gas"?
      Mend the lines above and run the command again.]
    `);
  });

  it("tells the mistakes of a text that is no YAML up to the twentieth, without a clause's name", () => {
    const told = mistakes("\t[\n".repeat(30));
    expect(told).toHaveLength(20);
    expect(() => parsePolicy("%YAML 1.1\n---\npolicy: a", "a.yaml")).toThrow(
      "a.yaml:1:1  directives are not allowed: the language is YAML 1.2\n",
    );
  });

  it("says where a mistake is in JSON, too", () => {
    const text = JSON.stringify(parsePolicy(treasury), null, 2).replace('"window"', '"windows"');
    expect(mistakes(text)).toMatchInlineSnapshot(`
      [
        "23:5 limits.0.window: is missing: add a duration, e.g. "30m", "24h" or "7d"",
        "26:7 limits.0.windows: is not a key of a policy; did you mean "window"?",
      ]
    `);
  });

  it.each(["null", "[]", "treasury", "42"])("says of %j that it holds no policy", (text) => {
    expect(mistakes(text)).toEqual([
      "1:1 : it holds no policy: begin with `policy: a-name`, see docs/policies.md",
    ]);
  });

  it("finds anchors and aliases in lists, behind what is none", () => {
    expect(mistakes(edited(["[acme.example]", "[b.example, &a acme.example]"]))).toEqual([
      "9:29 : anchors, aliases and tags are not allowed: write the value out",
    ]);
    expect(
      mistakes(edited(["policy: treasury", "policy: &a treasury"], ["[acme.example]", "[b.example, *a]"])),
    ).toEqual(["1:12 : anchors, aliases and tags are not allowed: write the value out"]);
  });
});
