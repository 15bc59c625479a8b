import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { concatHex, encodeAbiParameters, size, toFunctionSelector, type Address, type Hex } from "viem";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import { parsePolicy } from "../../src/policy/parse.ts";
import { bringSignatures, notBySignature, planInstall } from "../../src/runtime/installPolicy.ts";
import { actAsOwner } from "../../src/runtime/ownerDesk.ts";
import { serveChain, type ServedChain } from "../../src/testing/serveChain.ts";
import { bursarIn, deskIn } from "../integration/ownersDesk.ts";
import { place } from "../integration/smallContracts.ts";
import { makeWorld, tokenAddress, type World } from "../integration/world.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-hand-"));
let served: ServedChain;
beforeAll(async () => {
  served = await serveChain();
});
afterAll(async () => {
  await served.close();
  rmSync(folder, { recursive: true, force: true });
});

const now = 1_800_000_000;
const more = `guardians:
  night-desk: { address: "0x4444444444444444444444444444444444444444" }
accountCaps:
  - { perWindow: "600.00 USDC", window: 24h }
`;
const bursar = (...words: readonly string[]) => bursarIn(folder, "policy", ...words);

async function stage(name: string, policyText?: (world: World) => string) {
  const world = await makeWorld(served.chain, name, { grant: false });
  const desk = await deskIn(folder, served.url, world);
  const file = join(folder, `${name}.yaml`);
  writeFileSync(file, policyText?.(world) ?? world.policyText);
  const where = ["--account", world.account, "--rpc", served.url];
  const key = ["--owner-keystore", `${name}.json`, "--owner-password-file", "password"];
  return { world, desk, file, where, key, request: { agent: world.agent.address, now } };
}

const statusOf = async ({ account, chain: { client } }: World, policyId: Hex) =>
  (
    await client.readContract({
      address: account,
      abi: agentAccountAbi,
      functionName: "usage",
      args: [policyId],
    })
  ).status;

describe("signatures", () => {
  test("printed on stdout alone, brought from that file; what only the owner can do is named, with status 1", async () => {
    const { desk, file, key, request, where, world } = await stage(
      "left-over",
      ({ policyText }) => policyText + more,
    );
    const what = ["install", file, "--agent", world.agent.address, ...where, ...key];
    const signed = await bursar(...what, "--sign-only");
    expect(signed.stderr).toContain("may pay at most 500.00 USDC at a time");
    const { notBySignature: besides } = JSON.parse(signed.stdout) as { readonly notBySignature: unknown };
    expect(besides).toEqual([
      expect.stringContaining("night-desk"),
      expect.stringContaining("cap all agents"),
    ]);
    const signatures = join(folder, "signatures.json");
    writeFileSync(signatures, signed.stdout);
    const calldata = await bursar(...what, "--by-signature", signatures, "--calldata");
    expect(JSON.parse(calldata.stdout)).toMatchObject([{ to: world.account }]);

    const brought = await bursar(...what, "--by-signature", signatures, "--yes", "--json");
    expect([brought.status, JSON.parse(brought.stdout)]).toEqual([
      1,
      expect.objectContaining({ installed: false, transactions: [expect.any(String)], left: besides }),
    ]);
    const document = parsePolicy(world.policyText + more);
    const plan = await planInstall(desk, { ...request, document });
    expect(plan.installs).toEqual([]);
    expect(await statusOf(world, plan.policy.limits[0]!.policyId)).toBe(1);
    // Once more: nothing to bring, and still not all of it.
    const again = await bursar(...what, "--by-signature", signatures, "--yes");
    expect([again.status, again.stdout]).toEqual([
      1,
      expect.stringContaining("Not in force: what only the owner"),
    ]);
  });

  test("can't replace: nothing is granted beside what there is", async () => {
    const { desk, request, world } = await stage("replacing");
    const old = parsePolicy(world.policyText);
    const first = await planInstall(desk, { ...request, document: old });
    await actAsOwner(desk, world.owner.address, first.actions, "operation");
    const document = parsePolicy(`${world.policyText}salt: 1\n${more}`);
    const plan = await planInstall(desk, { ...request, document, replaces: old });
    expect(plan.actions.map(({ kind }) => kind)).toEqual(["guardian", "cap", "replace"]);
    expect(notBySignature(plan)).toHaveLength(3);
    expect(() => bringSignatures(desk, plan, {})).toThrow(/can't replace a policy/);
  });
});

describe("installing", () => {
  test("with transactions, no grant goes live before a cap that the chain refuses", async () => {
    const { desk, request, world } = await stage("cap-fails");
    const plan = await planInstall(desk, { ...request, document: parsePolicy(world.policyText + more) });
    const broken = plan.actions.map((action) =>
      action.kind === "cap" ? { ...action, call: { ...action.call, data: "0xdeadbeef" as const } } : action,
    );
    await expect(actAsOwner(desk, world.owner.address, broken, "transactions")).rejects.toThrow(/revert/i);
    expect(await statusOf(world, plan.policy.limits[0]!.policyId)).toBe(0);
  });

  test("refuses the owner and the account as agents, and warns of an agent that is a guardian", async () => {
    const { desk, request, world } = await stage("own-key");
    const document = parsePolicy(world.policyText);
    for (const agent of [world.owner.address, world.account])
      await expect(planInstall(desk, { ...request, document, agent })).rejects.toMatchObject({
        name: "NotInstallableError",
        message: expect.stringContaining("no policy would bound it"),
      });
    const watched = parsePolicy(
      `${world.policyText}guardians:\n  watcher: { address: "${world.agent.address}" }\n`,
    );
    expect((await planInstall(desk, { ...request, document: watched })).warnings).toContainEqual(
      expect.stringContaining("The agent is the guardian watcher"),
    );
  });

  test("refuses an address that is no AgentAccount, and an account of another EntryPoint", async () => {
    const { file, where, world } = await stage("elsewhere");
    const what = ["install", file, "--agent", world.agent.address, "--rpc", served.url, "--calldata"];
    for (const [account, words] of [
      [tokenAddress, "is no AgentAccount"],
      [await place(served.chain, "silentToken"), "is no AgentAccount"],
      [await placeAccount("0x0000000071727De22E5E9d8BAf0edAc6f37da032"), "belongs to another EntryPoint"],
    ] as const) {
      const { status, stderr } = await bursar(...what, "--account", account);
      expect([status, stderr]).toEqual([1, expect.stringContaining(words)]);
    }
    expect((await bursar(...what, ...where.slice(0, 2))).status).toBe(0);
  });
});

test("revoking a file that is in force for nobody is an error that says how", async () => {
  const { file, key, where, world } = await stage("only-signed");
  const bare = await bursar("revoke", file, ...where, ...key, "--yes");
  expect([bare.status, bare.stderr]).toEqual([1, expect.stringMatching(/--agent[^]*--all/)]);
  const named = await bursar("revoke", file, "--agent", world.agent.address, ...where, "--calldata");
  expect(JSON.parse(named.stdout)).toMatchObject([{ to: world.account }]);
});

/** Answers every question like an account that names this EntryPoint: `accountId` with its words, all else with the address. */
async function placeAccount(entryPoint: Address): Promise<Address> {
  const address: Address = "0x5555555555555555555555555555555555555555";
  const id = encodeAbiParameters([{ type: "string" }], ["bursar.agent-account.0.2.0"]);
  const selector = toFunctionSelector("accountId()");
  const length = `0x${size(id).toString(16).padStart(2, "0")}` as const;
  const code = concatHex([
    // if (selector == accountId) jump behind the short answer
    "0x5f3560e01c63",
    selector,
    "0x14602957",
    // return the address as a word
    "0x73",
    entryPoint,
    "0x5f5260205ff3",
    // copy the words that lie behind the code, and return them
    "0x5b60",
    length,
    "0x60",
    "0x34",
    "0x5f3960",
    length,
    "0x5ff3",
    id,
  ]);
  await served.chain.request({ method: "hardhat_setCode", params: [address, code] });
  return address;
}
