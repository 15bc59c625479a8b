import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "vitest";

import { startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";
import { failuresOf } from "./forger.ts";
import { decideAll, openHouse } from "./house.ts";
import { billMail, writeInbox } from "./mails.ts";
import { place } from "./smallContracts.ts";
import { findWorld, makeWorld, tokenAddress } from "./world.ts";
import { grantByOwner } from "../../src/chain/deploy.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-lying-token-"));
let chain: LocalChain;
beforeAll(async () => {
  chain = await startLocalChain();
});
afterAll(async () => {
  await chain.close();
  rmSync(folder, { recursive: true, force: true });
});

test.each(["falseToken", "silentToken"] as const)(
  "a payment that a %s only claims to make is not paid, and verification agrees",
  async (kind) => {
    const token = await place(chain, kind);
    const name = kind.toLowerCase();
    const made = await makeWorld(chain, name, { grant: false });
    const world = await findWorld(chain, name, made.policyText.replace(tokenAddress, token));
    for (const { grant } of world.policy.limits)
      await grantByOwner(world.chain, world.owner, world.account, grant);
    const state = join(folder, name);
    writeInbox(state, { "1.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1042" }) });
    const house = openHouse(world, { state });
    try {
      const [report] = await decideAll(house, state);
      expect(report).toMatchObject({
        verdict: "allow",
        outcome: "reverted",
        receipt: { outcome: "reverted", revertReason: expect.stringContaining("moved nothing") },
      });
      expect(report!.reasons[0]!.words).toContain(`the token ${token} reported success`);
      expect(await failuresOf(house)).toEqual([]);
      // Told as paid, it is found out.
      house.journal.run(
        "update output set value = replace(value, 'reverted', 'success') where step = 'settle'",
      );
      expect(await failuresOf(house)).toContain(
        "1: The receipt's outcome is success; on the chain it is reverted.",
      );
    } finally {
      house.journal.close();
    }
  },
);
