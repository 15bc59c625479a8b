import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "vitest";

import { ownerCall } from "../../src/chain/ownerCall.ts";
import { sendTransaction } from "../../src/chain/deploy.ts";
import { startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";
import { failuresOf } from "./forger.ts";
import { decideAll, openHouse } from "./house.ts";
import { billMail, writeInbox } from "./mails.ts";
import { makeWorld, operationsOf, paidTo } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-extras-"));
let chain: LocalChain;
beforeAll(async () => {
  chain = await startLocalChain();
});
afterAll(async () => {
  await chain.close();
  rmSync(folder, { recursive: true, force: true });
});

test("bills are paid under a grant with counts, heartbeat and escalation, and the record holds", async () => {
  const name = "extras";
  const plain = await makeWorld(chain, name, { grant: false });
  const policyText = plain.policyText
    .replace("lifetime:", 'operations: { perWindow: 2 }, escalation: { upTo: "900.00 USDC" }, lifetime:')
    .concat(`approvers:\n  alice: { address: "0x${"3".repeat(40)}" }\nheartbeat: 30d\n`);
  const world = await makeWorld(chain, name, { policyText });
  await sendTransaction(world.chain, world.owner, ownerCall(world.account, "heartbeat"));
  await sendTransaction(
    world.chain,
    world.owner,
    ownerCall(world.account, "setCap", [world.policy.limits[0]!.grant.asset, 600_000_000n, 14_400n]),
  );
  const state = join(folder, name);
  const bill = (amount: string, reference: string) => billMail({ to: "acme", amount, reference });
  writeInbox(state, {
    "1.eml": bill("42.50", "INV-1042"),
    "2.eml": bill("17.00", "INV-2044"),
    "3.eml": bill("61.00", "INV-3046"),
    "4.eml": bill("501.00", "INV-4048"),
  });
  const house = openHouse(world, { state });
  try {
    const reports = await decideAll(house, state);
    expect(reports.map(({ outcome }) => outcome).slice(0, 2)).toEqual(["paid", "paid"]);
    // The third operation of the window, and a payment above the cap per call, do not happen.
    expect(reports.slice(2).map(({ outcome }) => outcome)).not.toContain("paid");
    expect(await paidTo(world, "acme")).toBe(59_500_000n);
    expect(await operationsOf(world)).toHaveLength(2);
    expect(await failuresOf(house)).toEqual(
      // What was decided after the last payment is anchored later.
      expect.not.arrayContaining([expect.stringMatching(/^[12]: /)]),
    );
  } finally {
    house.journal.close();
  }
});
