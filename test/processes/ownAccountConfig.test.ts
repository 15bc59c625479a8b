// A configuration of an account that is not there yet: what `bursar run`, `bursar doctor` and bundlers over RPC make of it.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { keccak256, parseGwei, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, expect, test } from "vitest";

import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import { isDeployed } from "../../src/chain/isDeployed.ts";
import { rpcBundler } from "../../src/chain/bundler/rpcBundler.ts";
import { sendTransaction } from "../../src/chain/deploy.ts";
import type { Config } from "../../src/runtime/config.ts";
import { examine } from "../../src/runtime/doctor/examine.ts";
import { openRuntime } from "../../src/runtime/openRuntime.ts";
import { localFaucet } from "../../src/testing/localChain.ts";
import { serveChain, type ServedChain } from "../../src/testing/serveChain.ts";
import { startHostileBundler } from "../doubles/hostileBundler.ts";
import { configure } from "../integration/configure.ts";
import { decideAll, openHouse } from "../integration/house.ts";
import { billMail, writeInbox } from "../integration/mails.ts";
import { makeUnmadeWorld, signedInstalls, type UnmadeWorld } from "../integration/unmadeWorld.ts";
import { keyOf, paidTo } from "../integration/world.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-own-config-"));
let served: ServedChain;
beforeAll(async () => {
  served = await serveChain();
});
afterAll(async () => {
  await served.close();
  rmSync(folder, { recursive: true, force: true });
});

async function configured(world: UnmadeWorld, change: Partial<Config> = {}) {
  const state = join(folder, world.name);
  writeInbox(state, {});
  const signatures = await signedInstalls(world);
  const installs = Object.entries(signatures).map(([policyId, signature]) => ({ policyId, signature }));
  writeFileSync(join(state, "signed.json"), JSON.stringify({ installs }));
  const config = { origin: world.origin, ownerSignatures: "signed.json", ...change };
  const options = await configure(world, served.url, state, { config });
  chmodSync(join(state, "password"), 0o600);
  await served.chain.request({ method: "evm_mine" });
  return { options, state };
}

test("the runtime opens on it, and says what is wrong about one that can't be made", async () => {
  const world = await makeUnmadeWorld(served.chain, "opens");
  const { options } = await configured(world);
  const runtime = await openRuntime(options);
  expect(runtime.house).toMatchObject({ account: world.account, origin: world.origin });
  await runtime.close();
  const { config } = options;
  const { origin: _, ...without } = config;
  await expect(openRuntime({ ...options, config: without })).rejects.toThrow(/There is no account at/);
  const origin = { ...world.origin, salt: keccak256(toHex("another")) };
  await expect(openRuntime({ ...options, config: { ...config, origin } })).rejects.toThrow(
    "The configuration's account is not the one that its owner and salt make.",
  );
});

test.each([
  ["no coin", 0n],
  ["too little coin", 1000n],
])(
  "an account that is not there and holds %s is refused at the start, with what its owner does about it",
  async (_, coinWei) => {
    const world = await makeUnmadeWorld(served.chain, `unpaid-${coinWei}`, { coinWei });
    const { options } = await configured(world);
    await expect(openRuntime(options)).rejects.toMatchObject({
      name: "AccountNotFundedError",
      remedy: expect.stringContaining(`sends native coin to ${world.account}`),
    });
  },
);

test("the doctor tells what is not there yet from what is wrong", async () => {
  const world = await makeUnmadeWorld(served.chain, "examined");
  const { state } = await configured(world);
  const saying = async (name: string) =>
    (await examine(join(state, "bursar.json"))).find((check) => check.name === name);
  expect(await saying("account")).toMatchObject({
    ok: true,
    detail: expect.stringContaining("is not there yet"),
  });
  expect(await saying("grant USDC")).toMatchObject({
    ok: true,
    detail: expect.stringContaining("Signed by the owner"),
  });
  expect(await saying("gas")).toMatchObject({ ok: true });
  writeFileSync(join(state, "signed.json"), JSON.stringify({ installs: [] }));
  expect(await saying("grant USDC")).toMatchObject({ ok: false, detail: "Not installed on the account." });
});

test("a bundler's refusal is held against our own node also before the account is there", async () => {
  const world = await makeUnmadeWorld(served.chain, "lied-to");
  const thief = privateKeyToAccount(keyOf("lied-to", "thief"));
  await sendTransaction(world.chain, localFaucet, { to: thief.address, valueWei: 10n ** 18n });
  const bundler = await startHostileBundler(world.chain, thief, {
    priceWei: parseGwei("2"),
    preVerificationGas: 60_000n,
    verificationGasLimit: 700_000n,
  });
  const state = join(folder, world.name);
  writeInbox(state, { "1.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1" }) });
  const house = {
    ...openHouse(world, {
      state,
      bundler: rpcBundler(world.chain, bundler.url),
      ownerSignatures: await signedInstalls(world),
    }),
    origin: world.origin,
  };
  bundler.refuses = { message: "AA23 reverted: NotGranted" };
  await expect(decideAll(house, state, { backOffMs: [] })).rejects.toThrow(
    /refuses to estimate what our own node would take/,
  );
  expect(await isDeployed(world.chain, world.account)).toBe(false);
  bundler.refuses = undefined;
  expect((await decideAll(house, state)).map(({ outcome }) => outcome)).toEqual(["paid"]);
  expect(await paidTo(world, "acme")).toBe(42_500_000n);
  const counters = await world.chain.client.readContract({
    address: world.account,
    abi: agentAccountAbi,
    functionName: "counters",
    args: [world.policy.limits[0]!.policyId],
  });
  expect(counters).not.toBe(0n);
  house.journal.close();
  await bundler.close();
});
