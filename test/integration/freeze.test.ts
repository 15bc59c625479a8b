import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { encodeFunctionData, parseEther } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, expect, test } from "vitest";

import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import { sendTransaction } from "../../src/chain/deploy.ts";
import { createKeystore } from "../../src/chain/keystore.ts";
import { randomSecret } from "../../src/runtime/clock.ts";
import { localFaucet } from "../../src/testing/localChain.ts";
import { serveChain, type ServedChain } from "../../src/testing/serveChain.ts";
import { bursarIn } from "./ownersDesk.ts";
import { keyOf, makeWorld, type World } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-freeze-"));
const password = "of this test only";
let served: ServedChain;
let world: World;
beforeAll(async () => {
  served = await serveChain();
  world = await makeWorld(served.chain, "frosty");
  writeFileSync(join(folder, "password"), `${password}\n`);
  for (const who of ["guardian", "stranger", "pauper"]) {
    const key = keyOf(world.name, who);
    await createKeystore(join(folder, `${who}.json`), password, key, randomSecret, "light");
    if (who === "pauper") continue;
    await sendTransaction(world.chain, localFaucet, {
      to: privateKeyToAccount(key).address,
      valueWei: parseEther("1"),
    });
  }
  for (const who of ["guardian", "pauper"])
    await sendTransaction(world.chain, world.owner, {
      to: world.account,
      data: encodeFunctionData({
        abi: agentAccountAbi,
        functionName: "setGuardian",
        args: [privateKeyToAccount(keyOf(world.name, who)).address, true],
      }),
    });
  // Nothing but the place is right in here: no model, no journal, no policy.
  writeFileSync(
    join(folder, "bursar.json"),
    JSON.stringify({
      chain: { rpc: served.url, chainId: 31337 },
      account: world.account,
      model: { name: "gone" },
    }),
  );
});
afterAll(async () => {
  await served.close();
  rmSync(folder, { recursive: true, force: true });
});

const freeze = (...words: readonly string[]) =>
  bursarIn(folder, "freeze", "--config", "bursar.json", ...words);
const by = (who: string) => ["--keystore", `${who}.json`, "--password-file", "password"];
const frozen = () =>
  world.chain.client.readContract({ address: world.account, abi: agentAccountAbi, functionName: "frozen" });

test("a key that can't pay for gas is told so, and of the way without it", async () => {
  const { status, stderr } = await freeze(...by("pauper"));
  expect([status, stderr.split("\n").slice(-3)]).toEqual([
    1,
    [
      `The key ${privateKeyToAccount(keyOf(world.name, "pauper")).address} has too little coin for this transaction and its gas.`,
      expect.stringContaining("--calldata"),
      "",
    ],
  ]);
  expect(await frozen()).toBe(false);
});

test("a stranger's key is told so before anything is sent", async () => {
  const { status, stderr } = await freeze(...by("stranger"));
  expect([status, stderr]).toEqual([
    1,
    expect.stringContaining("neither the account's owner nor one of its guardians"),
  ]);
  expect(await frozen()).toBe(false);
});

test("prints the call for any wallet, without an RPC or a key", async () => {
  const { stdout } = await bursarIn(folder, "freeze", "--account", world.account, "--calldata");
  expect(JSON.parse(stdout)).toEqual([{ to: world.account, data: "0x62a5af3b", value: "0" }]);
});

test("a guardian freezes, once, whatever else is broken", async () => {
  const { stdout } = await freeze(...by("guardian"), "--json");
  expect(JSON.parse(stdout)).toEqual({
    account: world.account,
    frozen: true,
    transaction: expect.stringMatching(/^0x[0-9a-f]{64}$/),
  });
  expect(await frozen()).toBe(true);
  expect((await freeze(...by("guardian"))).stdout).toBe("The account was frozen already.\n");
});

test("says what is missing", async () => {
  for (const words of [[], ["--account", world.account], ["--account", world.account, "--rpc", served.url]])
    expect((await bursarIn(folder, "freeze", ...words)).stderr).toMatch(/It is not said[^]*Say --/);
});
