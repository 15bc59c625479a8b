// How an operator gets an account: `bursar account new`, on a chain that has nothing but the EntryPoint.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { keccak256, parseEther, toHex, type Address } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, expect, test } from "vitest";

import { connectChain } from "../../src/chain/connectChain.ts";
import { sendTransaction, spendGrantDeployment } from "../../src/chain/deploy.ts";
import { createKeystore } from "../../src/chain/keystore.ts";
import { readOwnership } from "../../src/chain/readOwnership.ts";
import { randomSecret } from "../../src/runtime/clock.ts";
import { localFaucet } from "../../src/testing/localChain.ts";
import { serveChain, type ServedChain } from "../../src/testing/serveChain.ts";
import { bursarIn } from "../integration/ownersDesk.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-account-"));
const owner = privateKeyToAccount(keccak256(toHex("owner of a new account"))).address;
let served: ServedChain;
beforeAll(async () => {
  served = await serveChain();
  writeFileSync(join(folder, "password"), "of this test only\n");
  const key = keccak256(toHex("payer of a new account"));
  await createKeystore(join(folder, "payer.json"), "of this test only", key, randomSecret, "light");
});
afterAll(async () => {
  await served.close();
  rmSync(folder, { recursive: true, force: true });
});

const given = { owner, chain: "31337", keystore: "payer.json", salt: "0" };
/** The command, with other words where a test wants them. */
function make(changed: Partial<Record<keyof typeof given, string>> = {}) {
  const options = Object.entries({ ...given, rpc: served.url, "password-file": "password", ...changed });
  const words = options.flatMap(([name, value]) => [`--${name}`, value]);
  return bursarIn(folder, "account", "new", "--json", ...words);
}

test("an account of the owner's, found again, another one by another salt; without coin nothing, in words", async () => {
  const poor = await make();
  expect([poor.status, poor.stdout]).toEqual([1, expect.stringMatching(/"error":\{.*(coin|gas)/)]);
  const chain = await connectChain({ rpc: served.chain, chainId: 31337, finality: { depth: 0 } });
  const payer = privateKeyToAccount(keccak256(toHex("payer of a new account"))).address;
  await sendTransaction(chain, localFaucet, { to: payer, valueWei: parseEther("1") });
  const made = await make();
  expect([made.status, made.stderr]).toEqual([0, expect.stringContaining("making the account")]);
  const { account } = JSON.parse(made.stdout) as { account: Address };
  const none = { policyIds: [], guardians: [], caps: [], allowances: [] };
  expect(await readOwnership(chain, account, none)).toMatchObject({ owner, frozen: false });
  expect(await chain.client.getCode({ address: spendGrantDeployment.address })).toMatch(/^0x60/);
  expect(JSON.parse((await make()).stdout)).toEqual({ account, owner, chainId: 31337 });
  const other = JSON.parse((await make({ salt: "1" })).stdout) as { account: Address };
  expect(other.account).not.toBe(account);
});

test("what is wrong is told before anything is done", async () => {
  for (const [wrong, told] of [
    [{ salt: "x" }, "is no salt"],
    [{ chain: "one" }, "is no chain's id"],
    [{ owner: "0x12" }, "--owner"],
    [{ keystore: "gone.json" }, "gone.json"],
  ] as const) {
    const { status, stdout } = await make(wrong);
    expect([status, stdout]).toEqual([1, expect.stringContaining(told)]);
  }
});
