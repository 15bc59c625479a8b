import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { encodeErrorResult, encodeFunctionData, parseEther, parseGwei, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, expect, test } from "vitest";

import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import { rpcBundler } from "../../src/chain/bundler/rpcBundler.ts";
import { entryPointAbi } from "../../src/chain/abi/entryPoint.ts";
import { connectChain, type Chain } from "../../src/chain/connectChain.ts";
import { sendTransaction } from "../../src/chain/deploy.ts";
import { entryPointAddress, type PlainUserOp } from "../../src/chain/entryPoint.ts";
import { serveChain, type ServedChain } from "../../src/testing/serveChain.ts";
import { startHostileBundler, type HostileBundler } from "../doubles/hostileBundler.ts";
import { decideAll, openHouse } from "./house.ts";
import { billMail, writeInbox } from "./mails.ts";
import { bursarIn, deskIn } from "./ownersDesk.ts";
import { keyOf, makeWorld, type World } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-hostile-"));
const thief = privateKeyToAccount(keyOf("hostile", "thief"));
const wild = { priceWei: parseGwei("1000"), preVerificationGas: 9_900_000n };
let served: ServedChain;
let chain: Chain;
let bundler: HostileBundler;
beforeAll(async () => {
  served = await serveChain();
  chain = await connectChain({ rpc: served.url, chainId: 31337, finality: { depth: 0 } });
  await fund(thief.address, "1");
  bundler = await startHostileBundler(chain, thief, wild);
});
afterAll(async () => {
  await bundler.close();
  await served.close();
  rmSync(folder, { recursive: true, force: true });
});

const fund = (address: string, ether: string) =>
  served.chain.request({ method: "hardhat_setBalance", params: [address, toHex(parseEther(ether))] });

/** The command with the owner's key and the hostile bundler. */
function bursar(world: World, ...words: readonly string[]) {
  const key = ["--owner-keystore", `${world.name}.json`, "--owner-password-file", "password"];
  const where = ["--account", world.account, "--rpc", served.url, "--bundler", bundler.url];
  return bursarIn(folder, "policy", ...words, ...where, ...key);
}

async function makeOwner(name: string): Promise<World> {
  const world = await makeWorld(served.chain, name, { grant: false });
  await fund(world.account, "20");
  await deskIn(folder, served.url, world);
  writeFileSync(join(folder, `${name}.yaml`), world.policyText);
  return world;
}

/** Everything that can pay gas: the account's coin and its deposit. */
async function fundsOf({ account, chain: { client } }: World): Promise<bigint> {
  const deposit = await client.readContract({
    address: entryPointAddress,
    abi: entryPointAbi,
    functionName: "balanceOf",
    args: [account],
  });
  return deposit + (await client.getBalance({ address: account }));
}

test("a bundler that asks for 1000 gwei and 9.9 million gas gets nothing to sign for, and the owner hears why", async () => {
  const world = await makeOwner("greedy");
  const before = await fundsOf(world);
  const install = ["install", "greedy.yaml", "--agent", world.agent.address, "--yes"];
  bundler.greed = wild;
  const refused = await bursar(world, ...install, "--json");
  expect(refused.status).toBe(1);
  expect(JSON.parse(refused.stdout)).toMatchObject({
    error: {
      name: "FeeTooHighError",
      remedy: expect.stringMatching(/--as transactions.*--max-fee "[\d.]+ ETH"/),
      facts: { gas: expect.stringContaining("9900000 for the bundle"), "most allowed": "0.02 ETH" },
    },
  });
  // Within the ceiling, and still more than any bundle costs.
  const { maxFeePerGasWei } = await rpcBundler(chain, bundler.url).gasPrice();
  bundler.greed = { ...wild, preVerificationGas: parseEther("0.015") / maxFeePerGasWei };
  const padded = await bursar(world, ...install);
  expect(padded.stderr).toContain("asks for much more gas than its bundle can cost");
  const id = `0x${"ab".repeat(32)}`;
  expect((await bursar(world, "revoke", id, "--chain", "31337", "--yes")).stderr).toContain("--max-fee");
  expect(bundler.taken).toEqual([]);
  expect(await fundsOf(world)).toBe(before);
});

test("the price is our own RPC's, the most it may cost is said before the question, and the account loses no more", async () => {
  const world = await makeOwner("priced");
  const before = await fundsOf(world);
  bundler.greed = { priceWei: wild.priceWei, preVerificationGas: 100_000n, callGasLimit: 30_000_000n };
  const install = ["install", "priced.yaml", "--agent", world.agent.address];
  const asked = await bursar(world, ...install);
  expect(asked.stderr).toMatch(/Gas costs the account at most 0\.\d+ ETH[^]*Nobody is there to say yes/);
  expect(bundler.taken).toHaveLength(0);
  const installed = JSON.parse((await bursar(world, ...install, "--yes", "--json")).stdout) as {
    readonly mostFee: string;
  };
  expect(installed).toMatchObject({ installed: true, transactions: [expect.stringMatching(/^0x/)] });
  const most = parseEther(installed.mostFee.replace(" ETH", ""));
  expect(most).toBeLessThan(parseEther("0.02"));
  expect(before - (await fundsOf(world))).toBeLessThanOrEqual(most);
  const { baseFeePerGas } = await chain.client.getBlock();
  const market = baseFeePerGas! * 2n + (await chain.client.estimateMaxPriorityFeePerGas());
  expect(BigInt(bundler.taken[0]!.maxFeePerGas)).toBeLessThan(market * 4n);
});

test("the owner may name another ceiling, for operations and for transactions", async () => {
  const world = await makeOwner("ceiling");
  const { maxFeePerGasWei } = await rpcBundler(chain, bundler.url).gasPrice();
  bundler.greed = { ...wild, preVerificationGas: parseEther("0.015") / maxFeePerGasWei };
  const install = ["install", "ceiling.yaml", "--agent", world.agent.address, "--yes"];
  const low = await bursar(world, ...install, "--max-fee", "0.000001 ETH", "--as", "transactions");
  expect(low.stderr).toContain("The transactions could cost more gas than is allowed");
  expect((await bursar(world, ...install, "--max-fee", "0.03")).stderr).toContain('--max-fee "0.05 ETH"');
  const allowed = await bursar(world, ...install, "--max-fee", "0.03 ETH", "--json");
  expect(JSON.parse(allowed.stdout)).toMatchObject({ installed: true });
});

test("an agent signs nothing above the policy's fee cap, and pays our own RPC's price below it", async () => {
  const world = await makeWorld(served.chain, "agent");
  const state = join(folder, "agent");
  writeInbox(state, {
    "1.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1" }),
  });
  const road = rpcBundler(chain, bundler.url);
  const { maxFeePerGasWei } = await road.gasPrice();
  const before = await fundsOf(world);
  bundler.greed = { ...wild, preVerificationGas: parseEther("0.021") / maxFeePerGasWei };
  const taken = bundler.taken.length;
  const house = openHouse(world, { state, bundler: road });
  try {
    await expect(decideAll(house, state, { backOffMs: [] })).rejects.toMatchObject({
      name: "FeeCapError",
      retry: "safe",
    });
    expect(bundler.taken).toHaveLength(taken);
    // It waits: the same decision is signed when the figures are sound.
    bundler.greed = { priceWei: wild.priceWei, preVerificationGas: 100_000n };
    expect(await decideAll(house, state)).toMatchObject([{ outcome: "paid" }]);
    expect(before - (await fundsOf(world))).toBeLessThan(4n * maxFeePerGasWei * 800_000n);
  } finally {
    house.journal.close();
  }
});

test("a bundler's word that the chain refuses a payment is none, unless our own node says so too", async () => {
  const world = await makeWorld(served.chain, "liar");
  const state = join(folder, "liar");
  const road = rpcBundler(chain, bundler.url);
  bundler.greed = { priceWei: wild.priceWei, preVerificationGas: 100_000n };
  writeInbox(state, { "1.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1" }) });
  const house = openHouse(world, { state, bundler: road });
  const overPerCall = encodeErrorResult({
    abi: agentAccountAbi,
    errorName: "OverPerCall",
    args: [42_500_000n, 1n],
  });
  try {
    for (const refuses of [
      { message: "AA23 reverted", data: overPerCall },
      { message: `validation reverted: [reason]: AA23 reverted ${overPerCall}` },
      { message: "AA21 didn't pay prefund" },
      { message: "AA25 invalid account nonce" },
      { message: "AA24 signature error" },
    ]) {
      bundler.refuses = refuses;
      await expect(decideAll(house, state, { backOffMs: [] })).rejects.toMatchObject({
        name: "BundlerError",
        retry: "safe",
        message: expect.stringContaining("refuses to estimate what our own node would take"),
      });
    }
    bundler.refuses = undefined;
    expect(await decideAll(house, state)).toMatchObject([{ outcome: "paid" }]);

    // What our own node refuses as well is refused, with its reason and not the bundler's.
    bundler.refuses = { message: "AA21 didn't pay prefund" };
    writeInbox(state, { "2.eml": billMail({ to: "globex", amount: "7.00", reference: "G-22" }) });
    const freezes = {
      ...road,
      estimateGas: async (draft: PlainUserOp) => (await freeze(world), road.estimateGas(draft)),
    };
    const reports = await decideAll({ ...house, bundler: freezes }, state, { backOffMs: [] });
    expect(reports.at(-1)).toMatchObject({ outcome: "refused", reasons: [{ code: "refused-by-chain" }] });
    expect(JSON.stringify(reports.at(-1))).toMatch(/frozen/i);
  } finally {
    bundler.refuses = undefined;
    house.journal.close();
  }
});

const freeze = (world: World) =>
  sendTransaction(world.chain, world.owner, {
    to: world.account,
    data: encodeFunctionData({ abi: agentAccountAbi, functionName: "freeze" }),
  });
