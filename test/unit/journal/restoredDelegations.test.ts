import { join } from "node:path";

import { expect, it } from "vitest";

import type { Delegation } from "../../../src/core/delegation.ts";
import { backupJournal } from "../../../src/journal/backupJournal.ts";
import {
  delegationsIn,
  delegationsInForce,
  putDelegation,
  setDelegationState,
} from "../../../src/journal/delegations.ts";
import { restoreJournal } from "../../../src/journal/restoreJournal.ts";
import { temporaryFolder, temporaryJournal } from "./temporary.ts";

const delegation = (digit: string): Delegation => ({
  id: `0x${digit.repeat(64)}`,
  agent: "treasurer",
  rung: "spendGrant",
  why: "test",
  chainId: 31337,
  contract: `0x${"c0".repeat(20)}`,
  account: `0x${"a1".repeat(20)}`,
  token: { symbol: "USDC", address: `0x${"70".repeat(20)}`, decimals: 6 },
  grant: {},
  source: "token",
  topic: "ab".repeat(32),
});

it("a journal that was restored spends under no delegation: its payer may have parted since", async () => {
  const folder = temporaryFolder();
  const journal = temporaryJournal(folder);
  for (const digit of ["1", "2"]) putDelegation(journal, delegation(digit));
  setDelegationState(journal, delegation("1").id, "inForce");
  setDelegationState(journal, delegation("2").id, "ended");
  await backupJournal(join(folder, "journal.db"), join(folder, "backup.db"));
  // After the backup the payer's wallet disconnects. Then the disk dies.
  setDelegationState(journal, delegation("1").id, "paused");

  const elsewhere = temporaryFolder();
  await restoreJournal(join(folder, "backup.db"), join(elsewhere, "journal.db"));
  const restored = temporaryJournal(elsewhere);
  expect(delegationsInForce(restored, "treasurer")).toEqual([]);
  expect(delegationsIn(restored).map(({ state }) => state)).toEqual(["paused", "ended"]);
});
