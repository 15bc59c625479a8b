import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "../../..");
const main = join(root, "src/cli/main.ts");
const treasury = join(root, "policies/treasury.yaml");
const agent = "0x5fA59300b772D54451e6921c4a0db8FD3dDAD8cE";
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "bursar-policy-"));
  writeFileSync(join(folder, "broken.yaml"), "policy: broken\nversion: 1\nchain: 0\ngass: {}\n");
  writeFileSync(
    join(folder, "meant.json"),
    JSON.stringify({
      policy: "meant",
      version: 1,
      chain: 1,
      tokens: {},
      payees: { one: { address: agent } },
      limits: [{ perPayment: "1 DAI", perWindow: "1 DAI", window: "1h", lifetime: "1 DAI" }],
      gas: { budget: "0.1 ETH", perOperation: "0.1 ETH" },
      expires: "2020-01-01T00:00:00Z",
    }),
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

const policy = (...words: readonly string[]) => policyOf("", ...words);
function policyOf(input: string, ...words: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--conditions=source", main, "policy", ...words],
    { cwd: folder, encoding: "utf8", input },
  );
  return { status, stdout, stderr };
}
function json(...words: readonly string[]): { readonly status: number | null; readonly value: unknown } {
  const { status, stdout, stderr } = policy(...words, "--json");
  expect(stderr).toBe("");
  return { status, value: JSON.parse(stdout) };
}

describe("bursar policy", () => {
  it("shows its commands, and an example of each", () => {
    const { stdout } = policy("--help");
    for (const command of ["check", "explain", "worst-case", "diff", "lint", "simulate", "install", "revoke"])
      expect(stdout).toMatch(new RegExp(`${command} .*Example: bursar policy ${command}`));
  });

  it("check names line and column of each mistake, with status 1", () => {
    const { status, stdout, stderr } = policy("check", "broken.yaml");
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^ {2}broken\.yaml:3:8 {2}chain: has to be an EIP-155 chain id/m);
    expect(stderr).toMatch(/^ {2}broken\.yaml:4:1 {2}gass: is not a key of a policy; did you mean "gas"\?$/m);
    expect(json("check", "broken.yaml")).toMatchObject({
      status: 1,
      value: {
        ok: false,
        mistakes: expect.arrayContaining([expect.objectContaining({ line: 3, column: 8, path: "chain" })]),
      },
    });
    expect(json("check", "meant.json")).toMatchObject({
      status: 1,
      value: { ok: false, mistakes: [{ line: 1, path: "limits.0.perWindow" }] },
    });
  });

  it("check of a good file gives the ids for an agent", () => {
    const { status, stdout } = policy("check", treasury, "--agent", agent);
    expect(status).toBe(0);
    expect(stdout).toMatch(/no mistakes\. Document 0x[0-9a-f]{64}\n {2}USDC: policy id 0x[0-9a-f]{64}\n$/);
    expect(json("check", treasury, "--agent", agent)).toMatchObject({
      status: 0,
      value: { ok: true, mistakes: [], limits: [{ asset: "USDC", grant: { agent, perCall: "500000000" } }] },
    });
    expect(policy("check", treasury, "--agent", "me").stderr).toMatch(
      /^"me" is not an address\.\nWrite the agent's/,
    );
  });

  it("explain says sentences, with advisory ones marked", () => {
    expect(policy("explain", treasury, "--agent", agent).stdout).toMatch(
      /^Policy treasury on chain 31337:\n- The agent 0x5fA59300\S+ may pay at most 500\.00 USDC at a time/,
    );
    expect(policy("explain", treasury).stdout).toContain("- The agent may pay at most");
    expect(json("explain", treasury)).toMatchObject({
      status: 0,
      value: {
        policy: "treasury",
        sentences: expect.arrayContaining([expect.objectContaining({ enforcedBy: "advisory" })]),
      },
    });
  });

  it("worst-case gives base units to machines and units to people", () => {
    expect(json("worst-case", treasury)).toMatchObject({
      status: 0,
      value: {
        assets: [
          {
            asset: "USDC",
            perCall: "500000000",
            window: { length: 86_400, amount: "1500000000" },
            perDay: "1500000000",
            lifetime: "20000000000",
          },
        ],
        gas: { perOperation: "5000000000000000", lifetime: "200000000000000000" },
      },
    });
    expect(policy("worst-case", treasury).stdout).toMatch(
      /per call {2}500\.00 USDC\n {4}window {4}1500\.00 USDC in any 24 hours/,
    );
  });

  it("diff says what widens and narrows", () => {
    expect(policy("diff", treasury, treasury).stdout).toBe("Both mean the same.\n");
    const watchOnly = join(root, "policies/watch-only.yaml");
    expect(policy("diff", treasury, watchOnly).stdout).toMatch(
      /^narrows {2}limits\.USDC: USDC may no longer be paid\.$/m,
    );
    expect(json("diff", watchOnly, treasury)).toMatchObject({
      status: 0,
      value: {
        changes: expect.arrayContaining([
          expect.objectContaining({ clause: "limits.USDC", effect: "widens" }),
        ]),
      },
    });
  });

  it("lint warns with line and column, and fails on an error only", () => {
    const { status, stdout } = policy("lint", treasury);
    expect(status).toBe(0);
    expect(stdout).toMatch(/treasury\.yaml:\d+:\d+ {2}warning expires-late: .*\n {4}Let it expire sooner/);
    writeFileSync(
      join(folder, "expired.yaml"),
      'policy: old\nversion: 1\nchain: 1\ntokens: {}\npayees: {}\nlimits: []\ngas: { budget: 0.1 ETH, perOperation: 0.1 ETH }\nexpires: "2020-01-01T00:00:00Z"\n',
    );
    expect(json("lint", "expired.yaml")).toMatchObject({
      status: 1,
      value: { findings: [{ code: "expired", severity: "error", line: 8, column: 1, path: "expires" }] },
    });
  });

  it("reads the standard input where the file is -", () => {
    expect(policyOf(readFileSync(treasury, "utf8"), "check", "-").stdout).toMatch(/^-: no mistakes/);
    expect(policyOf("policy: x\n", "check", "-").stderr).toMatch(/^The policy standard input has 7 mistakes/);
  });

  it("says which argument is no URL, and which amount no number", () => {
    const id = `0x${"a".repeat(64)}`;
    expect(policy("revoke", id, "--account", agent, "--chain", "1", "--rpc", "nonsense").stderr).toContain(
      '"nonsense" of --rpc is not a URL.',
    );
    for (const amount of ["-5", "1e3"]) {
      writeFileSync(
        join(folder, "actions.json"),
        JSON.stringify([{ at: 1, to: "acme-hosting", token: "USDC", amount }]),
      );
      const { status, stderr } = policy("simulate", treasury, "--actions", "actions.json");
      expect([status, stderr]).toEqual([
        1,
        expect.stringContaining(`The amount "${amount}" of action 1 is not a plain number.`),
      ]);
    }
  });

  it("says which file is missing", () => {
    expect(policy("explain", "nowhere.yaml").stderr).toMatch(
      /^The policy nowhere\.yaml can't be read\.\nCheck the path\./,
    );
    expect(json("explain", "nowhere.yaml")).toMatchObject({
      status: 1,
      value: { error: { name: "BaseError" } },
    });
  });
});
