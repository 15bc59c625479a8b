import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  closeSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { encodeFunctionData } from "viem";
import { afterAll, beforeAll, expect, test } from "vitest";

import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import { sendTransaction, spendGrantDeployment } from "../../src/chain/deploy.ts";
import { openJournal } from "../../src/journal/openJournal.ts";
import { setPaused } from "../../src/journal/pauses.ts";
import { addTrigger } from "../../src/journal/triggers.ts";
import type { Check } from "../../src/runtime/doctor/check.ts";
import { examine } from "../../src/runtime/doctor/examine.ts";
import { serveChain, type ServedChain } from "../../src/testing/serveChain.ts";
import { startHostileBundler } from "../doubles/hostileBundler.ts";
import { clerk, configure } from "./configure.ts";
import { bursarIn } from "./ownersDesk.ts";
import { makeWorld, tokenAddress, type World } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-doctor-"));
let served: ServedChain;
let world: World;
let counter = 0;
beforeAll(async () => {
  served = await serveChain();
  world = await makeWorld(served.chain, "patient");
});
afterAll(async () => {
  await served.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A configuration in a folder of its own, with what is wrong about it. */
async function patient(changes: Parameters<typeof configure>[3] = {}, rpc = served.url): Promise<string> {
  const state = join(folder, String(counter++));
  await configure(world, rpc, state, changes);
  chmodSync(join(state, "password"), 0o600);
  await served.chain.request({ method: "evm_mine" });
  return state;
}
const examineIn = (state: string) => examine(join(state, "bursar.json"));
const wrong = (checks: readonly Check[]) =>
  Object.fromEntries(checks.filter(({ ok }) => !ok).map((check) => [check.name, check]));

test("finds nothing wrong where nothing is, and says so to people and machines", async () => {
  const state = await patient();
  const { status, stdout } = await bursarIn(state, "doctor", "--json");
  const { checks } = JSON.parse(stdout) as { checks: readonly Check[] };
  expect(wrong(checks)).toEqual({});
  expect(status).toBe(0);
  expect(checks.map(({ name }) => name)).toEqual([
    "node",
    "configuration",
    "files",
    "disk",
    "journal",
    "model",
    "policy",
    "rpc",
    "clock",
    "key",
    "account",
    "grant USDC",
    "gas",
    "bundler",
  ]);
  const words = await bursarIn(state, "doctor");
  expect([words.status, words.stdout.split("\n").at(-2)]).toEqual([0, "Everything is as it should be."]);
});

test("says that nobody can delegate where the policy pays for people and the configuration names no relay", async () => {
  const [limits, gas] = ["limits:", "gas:"].map((key) => world.policyText.indexOf(key));
  const policyText = `${world.policyText.slice(0, limits)}contracts:
  grants: { address: "${spendGrantDeployment.address}" }
${world.policyText.slice(limits, gas)}calls:
  - to: grants
    function: ${spendFunction}
    counts: USDC
    spends: amount
    where: { payee: { in: [acme] } }
${world.policyText.slice(gas)}`;
  const found = wrong(await examineIn(await patient({ policyText })));
  expect(found["policy"]).toBeUndefined();
  expect(found["wallets"]).toMatchObject({
    detail: expect.stringMatching(/pays out of accounts of people.*no relay/),
    remedy: expect.stringMatching(/"wallets": \{ "relay"/),
  });
});
const spendFunction =
  "function spend((address account, address agent, address agentKey, address token, uint160 perCall, uint160 perWindow, uint48 window, uint160 total, uint48 validAfter, uint48 validUntil, address[] payees, bool anyPayee, uint64 epoch, uint256 salt, bytes32 purpose, bytes32 policyHash) grant, address payee, uint256 amount, uint8 source)";

test("every bundler is asked whether it is there, and which EntryPoint it serves", async () => {
  const live = await startHostileBundler(world.chain, world.purse, { priceWei: 1n, preVerificationGas: 1n });
  const own = { kind: "own", keystore: "purse.json", passwordFile: "password" } as const;
  const rpc = (url: string) => ({ kind: "rpc", url }) as const;
  const fallback = [rpc(live.url), rpc("http://127.0.0.1:9"), rpc(served.url)];
  const checks = await examineIn(await patient({ config: { bundler: { ...own, fallback } } }));
  await live.close();
  expect(checks.map(({ name, ok }) => [name, ok]).slice(-4)).toEqual([
    ["bundler", true],
    ["bundler 2", true],
    ["bundler 3", false],
    ["bundler 4", false],
  ]);
  expect(wrong(checks)["bundler 3"]).toMatchObject({ detail: expect.stringContaining("does not answer") });
});

test("the paymaster has to be the policy's, and to have something to pay with", async () => {
  const paymaster = { url: "https://paymaster.example/key" };
  const named = (address: string) => `${world.policyText}paymaster: "${address}"\n`;
  const checkOf = async (policyText: string) =>
    (await examineIn(await patient({ policyText, config: { paymaster } }))).find(
      ({ name }) => name === "paymaster",
    );
  expect(await checkOf(world.policyText)).toMatchObject({ ok: false, detail: "The policy allows none." });
  expect(await checkOf(named("0x00000000000000000000000000000000000Ac3E0"))).toMatchObject({
    ok: false,
    detail: expect.stringContaining("There is no paymaster"),
  });
  // Any contract will do that has a deposit, or none.
  expect(await checkOf(named(tokenAddress))).toMatchObject({
    ok: false,
    remedy: expect.stringContaining("deposit for it"),
  });
  expect(await checkOf(named(world.account))).toMatchObject({ ok: true });
});

test("a configuration that can't be read hides the rest, and the command fails", async () => {
  const state = join(folder, "nothing");
  const found = wrong(await examine(join(state, "bursar.json")));
  expect(found["configuration"]!.detail).toContain("There is no configuration file.");
  expect(found["journal"]!.detail).toBe("Not looked at: it needs the configuration.");
  const state2 = await patient();
  writeFileSync(join(state2, "bursar.json"), "{");
  const { status, stdout } = await bursarIn(state2, "doctor");
  expect([status, stdout]).toEqual([
    1,
    expect.stringMatching(
      /WRONG {2}configuration[^]*\n\? {6}journal[^]*\n1 of 10 is not as it should be; 8 could not be looked at\.\n$/,
    ),
  ]);
});

test("what is wrong with the house", async () => {
  const state = await patient({
    config: { model: { file: "model.gguf", sha256: `0x${"11".repeat(32)}`, mode: "canonical" } as never },
    policyText: `${world.policyText}nonsense: true\n`,
  });
  chmodSync(join(state, "password"), 0o644);
  const journal = openJournal(join(state, "journal.db"));
  addTrigger(journal, "clerk", { kind: "clock", dedupeId: "x", label: "", payload: {} });
  setPaused(journal, "clerk", true);
  expect((await examineIn(state)).find(({ name }) => name === "journal")!.detail).toBe(
    "In use: an agent runs on it.",
  );
  journal.close();
  const found = wrong(await examineIn(state));
  expect(Object.keys(found)).toEqual(["files", "model", "policy", "account"]);
  expect(found["files"]!.remedy).toContain(join(state, "password"));
  expect(found["model"]!.detail).toContain("There is no");
  expect(found["policy"]!.detail).toContain("mistake");

  copyFileSync(join(state, "policy.yaml"), join(state, "model.gguf"));
  expect(wrong(await examineIn(state))["model"]!.detail).toContain("hashes to");

  const file = openSync(join(state, "journal.db"), "r+");
  writeSync(file, Buffer.alloc(4096, 7), 0, 4096, 4096 * 3);
  closeSync(file);
  expect(wrong(await examineIn(state))["journal"]).toBeDefined();
});

test("what is wrong with engines that are only there to stand in, and with the files of their keys", async () => {
  const remote = { url: "http://127.0.0.1:9", profile: "vllm", model: "m", apiKeyFile: "key" };
  const other = { url: "http://127.0.0.1:8", apiKeyFile: "other-key" };
  const small = { file: "small.gguf", sha256: clerk.sha256, mode: "canonical" };
  const state = await patient({
    config: { model: { remote: { ...remote, hedge: other }, fallback: [small] } as never },
  });
  for (const name of ["key", "other-key"]) writeFileSync(join(state, name), "sk", { mode: 0o644 });
  const found = wrong(await examineIn(state));
  expect(Object.keys(found)).toEqual(["files", "model"]);
  expect(found["files"]!.remedy).toBe(`chmod 600 ${join(state, "key")} ${join(state, "other-key")}`);
  expect(found["model"]!.detail).toContain("There is no");

  copyFileSync(clerk.file, join(state, "small.gguf"));
  const model = (await examineIn(state)).find(({ name }) => name === "model")!;
  expect(model.ok).toBe(true);
  expect(model.detail).toMatch(
    /^On a server \(127\.0\.0\.1:9\).*unverifiable\.; then .*small\.gguf, the hash holds$/,
  );
});

test("what is wrong with the chain", async () => {
  expect(wrong(await examineIn(await patient({}, "http://127.0.0.1:9")))["rpc"]!.remedy).toBeTruthy();
  const elsewhere = await patient({ policyText: world.policyText.replace("chain: 31337", "chain: 1") });
  expect(wrong(await examineIn(elsewhere))["policy"]!.detail).toContain("chain 1");
  const other = await patient({ policyText: world.policyText.replace("500.00", "501.00") });
  expect(wrong(await examineIn(other))["grant USDC"]!.detail).toBe("Not installed on the account.");
  const nowhere = await patient({ config: { account: world.owner.address } });
  expect(wrong(await examineIn(nowhere))["account"]).toBeDefined();

  const call = (functionName: "freeze" | "revokeAll") =>
    sendTransaction(world.chain, world.owner, {
      to: world.account,
      data: encodeFunctionData({ abi: agentAccountAbi, functionName }),
    });
  await call("freeze");
  await call("revokeAll");
  const found = wrong(await examineIn(await patient()));
  expect(found["account"]!.detail).toContain("is frozen");
  expect(found["grant USDC"]!.detail).toBe("The owner revoked everything granted before.");
});
