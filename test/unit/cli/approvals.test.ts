import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { encodeFunctionData, erc20Abi, getAddress, keccak256, type Address, type Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, expect, it } from "vitest";

import { createKeystore } from "../../../src/chain/keystore.ts";
import { encodeCalls } from "../../../src/chain/signOperation.ts";
import type { Ask } from "../../../src/core/approval.ts";
import { putAsk } from "../../../src/journal/asks.ts";
import { openJournal } from "../../../src/journal/openJournal.ts";
import { randomSecret } from "../../../src/runtime/clock.ts";

// What a stranger wrote in his bill, before the eyes of the one who is about to sign.

const main = join(import.meta.dirname, "../../../src/cli/main.ts");
const key: Hex = `0x${"a1".repeat(32)}`;
const payee: Address = getAddress(`0x${"ee".repeat(20)}`);
const token: Address = getAddress(`0x${"ac".repeat(20)}`);
const paying = (units: bigint) => ({
  to: token,
  valueWei: "0",
  data: encodeFunctionData({ abi: erc20Abi, functionName: "transfer", args: [payee, units] }),
});
const calls = [paying(900_000_000n)] as const;
const ask: Ask = {
  leaf: `0x${"1e".repeat(32)}`,
  decision: `0x${"de".repeat(32)}`,
  agent: "treasurer",
  chainId: 31337,
  account: `0x${"0a".repeat(20)}`,
  policyId: `0x${"01".repeat(32)}`,
  calls: [...calls],
  callHash: keccak256(encodeCalls([{ ...calls[0], valueWei: 0n }])),
  nonce: `0x${"de".repeat(32)}`,
  deadline: 4_000_000_000,
  approvers: [{ name: "owner", address: privateKeyToAccount(key).address.toLowerCase() as Hex }],
  reasons: [
    { code: "bill-looks-paid", words: "It was paid as A\u001b[2K\n  call  none", enforcedBy: "advisory" },
  ],
  // The line is written anew by a terminal that obeys; and another one stands below it.
  words:
    "900.00 USDC to acme, reference \r\u001b[2Ktreasurer asks for 9.00 USDC to acme\u202e\n  state  approved",
  label: "1\n  why  nothing.eml",
};

/** What somebody with the agent's machine writes: a small call to be read, and the hash of a large one to be signed. */
const forged: Ask = {
  ...ask,
  leaf: `0x${"2f".repeat(32)}`,
  decision: `0x${"df".repeat(32)}`,
  calls: [paying(9_000_000n)],
};

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "bursar-cli-"));
  const journal = openJournal(join(folder, "journal.db"));
  putAsk(journal, ask);
  putAsk(journal, forged);
  journal.close();
  await createKeystore(join(folder, "owner.json"), "of this test only", key, randomSecret, "light");
  writeFileSync(join(folder, "password"), "of this test only\n");
});
afterAll(() => rmSync(folder, { recursive: true }));

const bursar = (...words: readonly string[]) =>
  spawnSync(process.execPath, ["--conditions=source", main, "approvals", ...words, "--state", folder], {
    cwd: folder,
    encoding: "utf8",
    input: "",
  });

it.each([
  ["show", "0x1e1e"],
  ["list"],
  ["approve", "0x1e1e", "--keystore", "owner.json", "--password-file", "password"],
])("a bill's own words can't rewrite what is shown: %s", (...words) => {
  const { stderr, stdout } = bursar(...words);
  const shown = words[0] === "approve" ? stderr : stdout;
  expect(shown).toContain("900.00 USDC to acme, reference");
  expect(shown).not.toMatch(/(?!\n)\p{C}/u);
  // Each line is one that the program wrote.
  for (const line of shown.split("\n"))
    expect(line).not.toMatch(
      /^(treasurer asks for 9\.00| {2}call {2}none| {2}state {2}approved| {2}why {2}nothing)/,
    );
});

it.each([
  ["show", "0x1e1e"],
  ["approve", "0x1e1e", "--keystore", "owner.json", "--password-file", "password"],
])("what would be paid is read out of the very bytes that are signed: %s", (...words) => {
  const { stderr, stdout } = bursar(...words);
  expect(words[0] === "approve" ? stderr : stdout).toContain(
    `\n  pays         900000000 base units of the token ${token} to ${payee}\n`,
  );
});

it.each([
  ["show", "0x2f2f"],
  ["show", "0x2f2f", "--json"],
  ["approve", "0x2f2f", "--keystore", "owner.json", "--password-file", "password", "--yes"],
])("nothing is given to sign that is not what is shown: %s %s %s", (...words) => {
  const { status, stderr, stdout } = bursar(...words);
  expect(status).toBe(1);
  expect(stderr + stdout).toContain("names other calls than it wants a signature for");
  expect(stdout).not.toContain("digest");
});
