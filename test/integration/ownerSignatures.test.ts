import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, expect, test } from "vitest";

import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import { accountDomain, installTypes } from "../../src/policy/grant.ts";
import { readCarriedSignatures, type OwnerSignatures } from "../../src/runtime/ownerSignatures.ts";
import { requireSignatures } from "../../src/runtime/requireSignatures.ts";
import { verifyDecisions } from "../../src/runtime/verifyDecisions.ts";
import { serveChain, type ServedChain } from "../../src/testing/serveChain.ts";
import { decideAll, openHouse } from "./house.ts";
import { billMail, writeInbox } from "./mails.ts";
import { keyOf, makeWorld, type World } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-signed-"));
let served: ServedChain;
beforeAll(async () => {
  served = await serveChain();
});
afterAll(async () => {
  await served.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What `bursar policy install --sign-only` writes of it. */
async function signedBy(world: World, signer = world.owner): Promise<OwnerSignatures> {
  const [{ grant, policyId }] = world.policy.limits as [World["policy"]["limits"][number]];
  const signature = await signer.signTypedData({
    domain: accountDomain(31337, world.account),
    types: installTypes,
    primaryType: "Install",
    message: { grant, epoch: 0n },
  });
  return { [policyId]: signature };
}

const twoBills = {
  "1.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1042" }),
  "2.eml": billMail({ to: "globex", amount: "17.00", reference: "INV-2044" }),
};

test("the agent's first operation brings the owner's signature along, the second one does without", async () => {
  const world = await makeWorld(served.chain, "carried", { grant: false });
  const state = join(folder, "carried");
  writeInbox(state, twoBills);
  const house = openHouse(world, { state, ownerSignatures: await signedBy(world) });
  const reports = await decideAll(house, state);
  expect(reports.map(({ outcome }) => outcome)).toEqual(["paid", "paid"]);
  const operations = house.journal
    .all("select body from operation order by nonce")
    .map(({ body }) => JSON.parse(String(body)) as { readonly userOp: { readonly signature: string } });
  expect(operations.map(({ userOp }) => userOp.signature.slice(0, 4))).toEqual(["0x02", "0x01"]);
  const { decisions, failures } = await verifyDecisions(house);
  expect([...failures, ...decisions.flatMap((one) => one.failures)]).toEqual([]);
  house.journal.close();
});

test("without a signature, or with somebody else's, nothing is paid and the reason is on record", async () => {
  const world = await makeWorld(served.chain, "uncarried", { grant: false });
  const state = join(folder, "uncarried");
  writeInbox(state, twoBills);
  const stranger = privateKeyToAccount(keyOf(world.name, "stranger"));
  const forged = openHouse(world, { state, ownerSignatures: await signedBy(world, stranger) });
  const denied = await decideAll(forged, state);
  expect(denied[0]).toMatchObject({ verdict: "deny", reasons: [{ code: "not-granted" }] });
  await expect(
    requireSignatures(world.chain, world.account, world.policy, forged.ownerSignatures),
  ).rejects.toMatchObject({ facts: { why: expect.stringContaining(world.owner.address) } });
  forged.journal.close();

  const later = join(folder, "none");
  writeInbox(later, twoBills);
  const house = openHouse(world, { state: later });
  const [without] = await decideAll(house, later);
  expect(without).toMatchObject({ verdict: "deny", reasons: [{ code: "not-granted" }] });
  house.journal.close();
  const { policyId } = world.policy.limits[0]!;
  const usage = await world.chain.client.readContract({
    address: world.account,
    abi: agentAccountAbi,
    functionName: "counters",
    args: [policyId],
  });
  expect(usage).toBe(0n);
});

test("the file is what --sign-only writes; a contract owner's signature has to be brought before", async () => {
  const file = join(folder, "signed.json");
  const policyId = `0x${"11".repeat(32)}`;
  const write = (signature: string | null) =>
    writeFileSync(file, JSON.stringify({ installs: [{ asset: "USDC", policyId, signature }] }));
  write(`0x${"22".repeat(65)}`);
  expect(await readCarriedSignatures(file)).toEqual({ [policyId]: `0x${"22".repeat(65)}` });
  write(null);
  expect(await readCarriedSignatures(file)).toEqual({});
  write(`0x${"22".repeat(96)}`);
  await expect(readCarriedSignatures(file)).rejects.toMatchObject({
    remedy: expect.stringContaining("--by-signature"),
  });
  writeFileSync(file, "[]");
  await expect(readCarriedSignatures(file)).rejects.toThrow(/can't be read/);
});
