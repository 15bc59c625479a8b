import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import {
  encodeFunctionData,
  erc20Abi,
  parseEther,
  serializeErc6492Signature,
  toHex,
  type Address,
  type Hex,
} from "viem";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import { sendTransaction } from "../../src/chain/deploy.ts";
import { compilePolicy } from "../../src/policy/compile.ts";
import { parsePolicy } from "../../src/policy/parse.ts";
import { bringSignatures, planInstall, signInstalls } from "../../src/runtime/installPolicy.ts";
import { actAsOwner, sendByKey } from "../../src/runtime/ownerDesk.ts";
import { planRevoke } from "../../src/runtime/revokePolicy.ts";
import { localFaucet } from "../../src/testing/localChain.ts";
import { serveChain, type ServedChain } from "../../src/testing/serveChain.ts";
import { bursarIn, deskIn } from "./ownersDesk.ts";
import { place } from "./smallContracts.ts";
import { makeWorld, tokenAddress, type World } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-install-"));
let served: ServedChain;
beforeAll(async () => {
  served = await serveChain();
});
afterAll(async () => {
  await served.close();
  rmSync(folder, { recursive: true, force: true });
});

const guardian: Address = "0x4444444444444444444444444444444444444444";
const more = `guardians:
  night-desk: { address: "${guardian}" }
accountCaps:
  - { perWindow: "600.00 USDC", window: 24h }
heartbeat: 30d
`;

const now = 1_800_000_000;
/** The play token is no USDC, and says so. */
const misnamed = `The policy calls the token at ${tokenAddress} USDC; the token calls itself "DEMO".`;
const documentOf = (text: string) => parsePolicy(text, "policy.yaml");

const deskOf = (world: World) => deskIn(folder, served.url, world);
const bursar = (...words: readonly string[]) => bursarIn(folder, "policy", ...words);

const usageOf = ({ account, chain: { client } }: World, policyId: Hex) =>
  client.readContract({ address: account, abi: agentAccountAbi, functionName: "usage", args: [policyId] });

describe("installing a policy", () => {
  test("grants, guardians, caps and heartbeat come in one operation, and a second time nothing is left to do", async () => {
    const world = await makeWorld(served.chain, "one-operation", { grant: false });
    const desk = await deskOf(world);
    const request = { document: documentOf(world.policyText + more), agent: world.agent.address, now };
    const plan = await planInstall(desk, request);
    expect(plan.actions.map(({ words }) => words)).toEqual([
      // What widens comes last: a grant is in force before its cap otherwise.
      `make night-desk (${guardian}) a guardian`,
      "cap all agents of the account together at 600.00 USDC in any 24 hours",
      "give a sign of life, good for 30 days",
      "grant the USDC limit",
    ]);
    const sent = await actAsOwner(desk, plan.ownership.owner, plan.actions, "operation");
    expect(sent).toHaveLength(1);
    expect((await usageOf(world, plan.policy.limits[0]!.policyId)).status).toBe(1);
    const again = await planInstall(desk, request);
    expect(again.actions).toEqual([]);
    expect(again.done).toHaveLength(3);
    expect(again.ownership.guardians).toEqual([true]);
    expect(again.ownership.caps).toEqual([{ perWindow: 600_000_000n, bucket: 14_400n }]);

    // Another policy of the same agent adds up, and is said.
    const second = { ...request, document: documentOf(`${world.policyText}salt: 1\n`) };
    const { others } = await planInstall(desk, second);
    expect(others).toEqual([
      expect.objectContaining({
        words: expect.stringContaining("5000.00 USDC in any 24 hours, 20000.00 USDC in all"),
      }),
    ]);

    // Replacing carries over what was spent, and the old limit is gone.
    const replaced = await planInstall(desk, {
      ...second,
      replaces: documentOf(world.policyText + more),
    });
    expect(replaced.actions.map(({ words }) => words)).toEqual([
      "replace the USDC limit; what was spent so far counts on",
    ]);
    expect(replaced.others).toEqual([]);
    expect(replaced.installs).toEqual([]);
    await actAsOwner(desk, plan.ownership.owner, replaced.actions, "transactions");
    expect((await usageOf(world, plan.policy.limits[0]!.policyId)).status).toBe(2);
    await expect(planInstall(desk, request)).rejects.toMatchObject({
      name: "NotInstallableError",
      remedy: expect.stringContaining("salt"),
    });
  });

  test("is refused when decimals differ, when lint says error, and by a stranger's key", async () => {
    const world = await makeWorld(served.chain, "refused", { grant: false });
    const desk = await deskOf(world);
    const request = { agent: world.agent.address, now };
    const wrong = documentOf(world.policyText.replace("decimals: 6", "decimals: 8"));
    await expect(planInstall(desk, { ...request, document: wrong })).rejects.toThrow(
      /USDC has 6 decimals on chain, and the policy says 8/,
    );
    const expired = documentOf(world.policyText.replace("2036", "2020"));
    await expect(planInstall(desk, { ...request, document: expired })).rejects.toMatchObject({
      name: "NotInstallableError",
      remedy: expect.stringContaining("Write a later moment."),
    });
    const plan = await planInstall(desk, { ...request, document: documentOf(world.policyText) });
    await expect(
      actAsOwner({ ...desk, key: world.agent }, plan.ownership.owner, plan.actions, "transactions"),
    ).rejects.toMatchObject({ name: "OwnerKeyError" });
  });

  test("warns of allowances that no limit counts", async () => {
    const world = await makeWorld(served.chain, "allowed", { grant: false });
    const desk = await deskOf(world);
    const router = await place(served.chain, "router");
    const approve = encodeFunctionData({
      abi: erc20Abi,
      functionName: "approve",
      args: [router, 2n ** 256n - 1n],
    });
    await actAsOwner(
      desk,
      world.owner.address,
      [{ words: "approve", call: { to: tokenAddress, valueWei: 0n, data: approve } }],
      "operation",
    );
    const text = world.policyText.replace(
      "payees:",
      `payees:\n  router: { address: "${router}", contract: true }`,
    );
    const request = { agent: world.agent.address, now };
    const { warnings } = await planInstall(desk, {
      ...request,
      document: documentOf(text),
    });
    expect(warnings).toEqual([
      misnamed,
      expect.stringContaining("router may take all USDC of the account already"),
    ]);
    const sponsored = documentOf(`${world.policyText}paymaster: "${router}"\n`);
    expect((await planInstall(desk, { ...request, document: sponsored })).warnings).toEqual([
      misnamed,
      expect.stringContaining("paymaster may take all USDC of the account already"),
    ]);
  });

  test("warns of a token that calls itself something else", async () => {
    const world = await makeWorld(served.chain, "misnamed", { grant: false });
    const desk = await deskOf(world);
    const warningsOf = async (text: string) =>
      (await planInstall(desk, { document: documentOf(text), agent: world.agent.address, now })).warnings;
    expect(await warningsOf(world.policyText)).toEqual([misnamed]);
    expect(await warningsOf(world.policyText.replaceAll("USDC", "DEMO"))).toEqual([]);
  });

  test("by the owner's signatures, brought by anybody; wrapped ones wait for the owner's contract", async () => {
    const world = await makeWorld(served.chain, "by-signature", { grant: false });
    const desk = await deskOf(world);
    const request = { document: documentOf(world.policyText), agent: world.agent.address, now };
    const plan = await planInstall(desk, request);
    const [signature] = await signInstalls(desk, plan);
    const { policyId } = plan.installs[0]!;
    expect(() => bringSignatures(desk, plan, {})).toThrow(/signature under the USDC limit is missing/);
    const wrapped = serializeErc6492Signature({
      address: guardian,
      data: "0xdeadbeef",
      signature: signature!,
    });
    expect(() => bringSignatures(desk, plan, { [policyId]: wrapped })).toThrow(/not deployed yet/);
    await served.chain.request({
      method: "hardhat_setBalance",
      params: [world.agent.address, toHex(parseEther("1"))],
    });
    await sendByKey({ ...desk, key: world.agent }, bringSignatures(desk, plan, { [policyId]: signature! }));
    expect((await usageOf(world, policyId)).status).toBe(1);

    // A contract owner: an ERC-1271 wallet that says yes to everything, and whose signature came wrapped.
    const yes = "0x631626ba7e60e01b5f5260205ff3";
    await served.chain.request({ method: "hardhat_setCode", params: [world.owner.address, yes] });
    const next = await planInstall(desk, {
      ...request,
      document: documentOf(`${world.policyText}salt: 2\n`),
    });
    expect(next.ownership.contractOwner).toBe(true);
    const id = next.installs[0]!.policyId;
    await sendByKey({ ...desk, key: world.agent }, bringSignatures(desk, next, { [id]: wrapped }));
    expect((await usageOf(world, id)).status).toBe(1);
  });
});

describe("revoking", () => {
  test("one, used or not; everything; with a freeze; and says what is done already", async () => {
    const world = await makeWorld(served.chain, "revoking");
    const desk = await deskOf(world);
    const { policyId } = world.policy.limits[0]!;
    const other = compilePolicy(documentOf(`${world.policyText}salt: 9\n`), world.agent.address);
    const request = {
      policyIds: [policyId, other.limits[0]!.policyId],
      policies: [world.policy, other],
      all: false,
      freeze: true,
    };
    const plan = await planRevoke(desk, request);
    expect(plan.actions.map(({ words }) => words)).toEqual([
      "freeze the account",
      "revoke the USDC limit of revoking",
      "revoke the USDC limit of revoking",
    ]);
    expect(await actAsOwner(desk, world.owner.address, plan.actions, "operation")).toHaveLength(1);
    const again = await planRevoke(desk, request);
    expect(again.actions).toEqual([]);
    expect(again.done).toHaveLength(3);
    const all = await planRevoke(desk, { policyIds: [], policies: [], all: true, freeze: false });
    expect(all.done).toEqual(["No policy of the account is in force."]);
    await actAsOwner(desk, world.owner.address, all.actions, "operation");
    expect((await planRevoke(desk, request)).ownership.epoch).toBe(1);
  });
});

test("the commands: nothing without a yes, calldata for wallets, signatures, JSON", async () => {
  const world = await makeWorld(served.chain, "commands", { grant: false });
  await deskOf(world);
  await sendTransaction(world.chain, localFaucet, { to: world.owner.address, valueWei: parseEther("1") });
  const policy = join(folder, "commands.yaml");
  writeFileSync(policy, world.policyText);
  const where = ["--account", world.account, "--rpc", served.url];
  const what = ["install", policy, "--agent", world.agent.address, ...where];
  const key = ["--owner-keystore", "commands.json", "--owner-password-file", "password"];

  const asked = await bursar(...what, ...key);
  expect(asked.status).toBe(1);
  expect(asked.stdout).toContain("may pay at most 500.00 USDC at a time");
  expect(asked.stdout).toContain("- The most that can be lost: 20000.00 USDC in all");
  expect(asked.stderr).toContain("add --yes");

  const calldata = JSON.parse((await bursar(...what, "--calldata", "--json")).stdout);
  expect(calldata).toMatchObject({
    policy: "commands",
    actions: ["grant the USDC limit"],
    calls: [{ to: world.account, data: expect.stringMatching(/^0x/), value: "0" }],
  });
  const signatures = join(folder, "signatures.json");
  writeFileSync(signatures, (await bursar(...what, ...key, "--sign-only", "--json")).stdout);
  expect(JSON.parse(readFileSync(signatures, "utf8"))).toMatchObject({
    epoch: 0,
    installs: [{ asset: "USDC", signature: expect.stringMatching(/^0x[0-9a-f]{130}$/) }],
  });
  const brought = await bursar(...what, "--by-signature", signatures, "--calldata", "--json");
  expect(JSON.parse(brought.stdout)).toMatchObject({ calls: [{ to: world.account }] });

  const installed = JSON.parse((await bursar(...what, ...key, "--yes", "--json")).stdout) as {
    readonly policyIds: readonly { readonly policyId: string }[];
  };
  expect(installed).toMatchObject({ installed: true, transactions: [expect.stringMatching(/^0x/)] });
  expect(JSON.parse((await bursar(...what, ...key, "--yes", "--json")).stdout)).toMatchObject({
    transactions: [],
    inForce: [expect.stringContaining("in force")],
  });
  // The agent need not be named: whoever has it in force.
  const revoked = await bursar("revoke", policy, ...where, ...key, "--yes", "--json");
  expect(JSON.parse(revoked.stdout)).toMatchObject({
    actions: ["revoke the USDC limit of commands"],
    transactions: [expect.stringMatching(/^0x/)],
  });
  const ids = installed.policyIds.map(({ policyId }) => policyId);
  expect(
    JSON.parse(
      (await bursar("revoke", ...ids, ...where, "--chain", "31337", ...key, "--yes", "--json")).stdout,
    ),
  ).toMatchObject({ done: [expect.stringContaining("revoked already")], transactions: [] });
});
