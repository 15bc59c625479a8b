import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { encodeFunctionData } from "viem";
import { afterAll, beforeAll, expect, test } from "vitest";

import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import type { Bundler } from "../../src/chain/bundler/bundler.ts";
import { ownBundler } from "../../src/chain/bundler/ownBundler.ts";
import { sendTransaction } from "../../src/chain/deploy.ts";
import { fromUserOpJson, userOpHashOf } from "../../src/chain/entryPoint.ts";
import { allDecisions } from "../../src/journal/decisions.ts";
import { startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";
import { failuresOf } from "./forger.ts";
import { decideAll, openHouse } from "./house.ts";
import { billMail, writeInbox } from "./mails.ts";
import { makeWorld, startingUnits, tokenAddress, type World } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-unpaid-"));
let chain: LocalChain;
beforeAll(async () => {
  chain = await startLocalChain();
});
afterAll(async () => {
  await chain.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A house whose bundler comes in between. */
async function houseWith(name: string, bundlerOf: (own: Bundler, world: World) => Bundler) {
  const world = await makeWorld(chain, name);
  const state = join(folder, name);
  writeInbox(state, { "1.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1042" }) });
  const own = ownBundler(world.chain, { executor: world.purse });
  const other = openHouse(world, { state, bundler: bundlerOf(own, world) });
  return { other, outcomes: (await decideAll(other, state)).map(({ outcome }) => outcome) };
}

test("an honest reverted payment has no failures; told as paid, it has", async () => {
  const { other, outcomes } = await houseWith("unpaid-reverted", (own, world) => ({
    ...own,
    // The owner takes the money away after the judge has seen it.
    async send(userOp) {
      await sendTransaction(world.chain, world.owner, {
        to: world.account,
        data: encodeFunctionData({
          abi: agentAccountAbi,
          functionName: "withdraw",
          args: [tokenAddress, world.owner.address, startingUnits],
        }),
      });
      return own.send(userOp);
    },
  }));
  try {
    expect(outcomes).toEqual(["reverted"]);
    expect(await failuresOf(other)).toEqual([]);
    other.journal.run(
      "update output set value = replace(value, 'reverted', 'success') where step = 'settle'",
    );
    other.journal.run("update output set value = replace(value, 'reverted', 'paid') where step = 'record'");
    other.journal.run("update decision set snapshot = replace(snapshot, 'reverted', 'paid')");
    const found = await failuresOf(other);
    expect(found).toContain("1: The receipt's outcome is success; on the chain it is reverted.");
    expect(found).toContain('1: The decision is recorded as "paid" and ended as "reverted".');
  } finally {
    other.journal.close();
  }
});

test("an honest expired payment has no failures; told as paid, it has", async () => {
  let sent = 0;
  const { other, outcomes } = await houseWith("unpaid-expired", (own, world) => ({
    ...own,
    // Forgets the first operation; meanwhile five minutes of blocks go by.
    async send(userOp) {
      if (sent++ > 0) return own.send(userOp);
      for (let block = 0; block < 310; block++) await chain.request({ method: "evm_mine" });
      return userOpHashOf(world.chain.chainId, fromUserOpJson(userOp));
    },
  }));
  try {
    expect(outcomes).toEqual(["expired", "paid"]);
    expect(await failuresOf(other)).toEqual([]);
    const [first, second] = allDecisions(other.journal, "treasurer");
    const receipt = other.journal.get(
      "select value from output where step = 'settle' and decision = ?",
      second!.id,
    );
    other.journal.run(
      "update output set value = ? where step = 'settle' and decision = ?",
      receipt!["value"]!,
      first!.id,
    );
    other.journal.run(
      `update output set value = '{"outcome":"paid"}' where step = 'record' and decision = ?`,
      first!.id,
    );
    const found = await failuresOf(other);
    expect(found).toContain('1: The decision is recorded as "paid" and ended as "expired".');
    expect(found).toContain("1: The operation's receipt is not on the chain.");
  } finally {
    other.journal.close();
  }
});
