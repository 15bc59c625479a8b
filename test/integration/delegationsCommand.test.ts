import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { encodeFunctionData, zeroHash, type Address } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, expect, test } from "vitest";

import { spendGrantAbi } from "../../src/chain/abi/spendGrant.ts";
import { ensureDeployed, sendTransaction, spendGrantDeployment } from "../../src/chain/deploy.ts";
import type { GrantDelegation } from "../../src/core/delegation.ts";
import { putDelegation, setDelegationState } from "../../src/journal/delegations.ts";
import { openJournal } from "../../src/journal/openJournal.ts";
import { spendGrantArgument, spendGrantHash, type SpendGrant } from "../../src/policy/spendGrant.ts";
import { spendGrantJson } from "../../src/policy/spendGrantJson.ts";
import { localFaucet } from "../../src/testing/localChain.ts";
import { serveChain, type ServedChain } from "../../src/testing/serveChain.ts";
import { configure } from "./configure.ts";
import { bursarIn } from "./ownersDesk.ts";
import { keyOf, makeWorld, tokenAddress, type World } from "./world.ts";

// What `bursar delegations` says where the chain does not say everything.

const folder = mkdtempSync(join(tmpdir(), "bursar-delegations-"));
const contract = spendGrantDeployment.address;
const noToken: Address = `0x${"9".repeat(40)}`;
const payer = privateKeyToAccount(keyOf("listed", "anna"));
const day = 86_400;
let served: ServedChain;
let world: World;
/** By the chain's clock, unix seconds. */
let at: number;
beforeAll(async () => {
  served = await serveChain();
  world = await makeWorld(served.chain, "listed");
  await ensureDeployed(world.chain, localFaucet, spendGrantDeployment);
  await sendTransaction(world.chain, localFaucet, { to: payer.address, valueWei: 10n ** 18n });
  at = Number((await world.chain.client.getBlock()).timestamp);
  await sendTransaction(world.chain, payer, {
    to: contract,
    data: encodeFunctionData({
      abi: spendGrantAbi,
      functionName: "approve",
      args: [spendGrantArgument(grantOn(tokenAddress))],
    }),
  });
});
afterAll(async () => {
  await served.close();
  rmSync(folder, { recursive: true, force: true });
});

const grantOn = (token: Address, validUntil = at + 30 * day): SpendGrant => ({
  account: payer.address,
  agent: world.account,
  agentKey: world.agent.address,
  token,
  perCall: 100n,
  perWindow: 150n,
  window: day,
  total: 1000n,
  validAfter: at - 60,
  validUntil,
  payees: [world.purse.address],
  anyPayee: false,
  epoch: 0n,
  salt: 7n,
  purpose: "Pays Anna's bills.",
  policyHash: zeroHash,
});

function delegationOf(grant: SpendGrant, chainId = 31337): GrantDelegation {
  return {
    id: spendGrantHash(grant, chainId, contract),
    agent: "treasurer",
    rung: "spendGrant",
    why: "test",
    chainId,
    contract,
    account: payer.address,
    token: { symbol: "USDC", address: grant.token, decimals: 6 },
    grant: spendGrantJson(grant),
    source: "token",
    topic: "test",
  };
}

/** A state folder whose journal has these. */
async function stateOf(
  name: string,
  rows: readonly { readonly delegation: GrantDelegation; readonly ended?: boolean }[],
): Promise<string> {
  const state = join(folder, name);
  await configure(world, served.url, state);
  const journal = openJournal(join(state, "journal.db"));
  for (const { delegation, ended } of rows) {
    putDelegation(journal, delegation);
    setDelegationState(journal, delegation.id, ended ? "ended" : "inForce");
  }
  journal.close();
  return state;
}
const lineWith = (stdout: string, { id }: GrantDelegation) =>
  stdout.split("\n").find((line) => line.startsWith(id.slice(0, 12)));

test("one that can't be read from the chain is listed as unknown, and the others as they are", async () => {
  const [good, bad] = [delegationOf(grantOn(tokenAddress)), delegationOf(grantOn(noToken))];
  const state = await stateOf("unknown", [{ delegation: bad }, { delegation: good }]);
  const { status, stdout } = await bursarIn(state, "delegations");
  expect(lineWith(stdout, bad)).toMatch(
    /left unknown, until .* unknown: .*gives no answer that can be used.* \(spendGrant\)$/,
  );
  expect(lineWith(stdout, good)).toMatch(/left 0\.00 USDC now.*there is no allowance/);
  expect(status).toBe(1);
  const listed = await bursarIn(state, "delegations", "--json");
  expect(listed.status).toBe(1);
  expect(JSON.parse(listed.stdout)).toMatchObject({
    delegations: [
      { id: bad.id, standing: expect.stringMatching(/^unknown: /), unknown: expect.any(String), left: null },
      { id: good.id, standing: expect.stringMatching(/no allowance/), unknown: null, left: { now: "0" } },
    ],
  });
  // It may be in force on the chain: what ends it is printed.
  const calls = await bursarIn(state, "delegations", "revoke", bad.id, "--calldata");
  expect(JSON.parse(calls.stdout)).toMatchObject([{ to: contract }]);
});

test("one that is over here and can't be read is not hidden, unless its time is over too", async () => {
  const ended = delegationOf(grantOn(noToken));
  const expired = delegationOf(grantOn(noToken, at - 3600));
  const state = await stateOf("ended", [
    { delegation: ended, ended: true },
    { delegation: expired, ended: true },
  ]);
  const { status, stdout } = await bursarIn(state, "delegations");
  expect([lineWith(stdout, ended), lineWith(stdout, expired)]).toEqual([
    expect.stringMatching(/unknown: /),
    undefined,
  ]);
  expect(status).toBe(1);
  const late = await stateOf("late", [{ delegation: expired, ended: true }]);
  const all = await bursarIn(late, "delegations", "--all");
  expect([all.status, lineWith(all.stdout, expired)]).toEqual([0, expect.stringMatching(/over/)]);
});

test("the payer's calls that end one come with the chain that they are for", async () => {
  const elsewhere = delegationOf(grantOn(tokenAddress), 10);
  const here = delegationOf(grantOn(tokenAddress));
  const state = await stateOf("elsewhere", [{ delegation: elsewhere }, { delegation: here }]);
  for (const { chainId, id } of [elsewhere, here]) {
    const words = ["delegations", "revoke", id, "--calldata"];
    const { stderr, stdout } = await bursarIn(state, ...words);
    expect(stderr).toMatch(new RegExp(`^To be sent on chain ${chainId}\\b`, "m"));
    const calls = JSON.parse(stdout) as unknown;
    expect(calls).toMatchObject([{ to: contract, value: "0" }]);
    const json = await bursarIn(state, ...words, "--json");
    expect(JSON.parse(json.stdout)).toEqual({ delegation: id, chainId, calls });
  }
});
