import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "vitest";

import { treasurer } from "../../src/agents/treasurer.ts";
import { anchorDecisions } from "../../src/runtime/anchorDecisions.ts";
import { ConfigError } from "../../src/runtime/configError.ts";
import { JournalBehindChainError, requireWholeJournal } from "../../src/runtime/requireWholeJournal.ts";
import { startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";
import { decideAll, openHouse } from "./house.ts";
import { billMail, writeInbox } from "./mails.ts";
import { grantAnew, makeWorld, newKeyOf, paidTo } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-lost-"));
let chain: LocalChain;
beforeAll(async () => {
  chain = await startLocalChain();
});
afterAll(async () => {
  await chain.close();
  rmSync(folder, { recursive: true, force: true });
});

test("an agent does not run on a journal that was lost, replaced or restored from an old copy", async () => {
  const world = await makeWorld(chain, "lost-journal");
  const state = join(folder, "state");
  writeInbox(state, { "01.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1" }) });
  const first = openHouse(world, { state });
  await decideAll(first, state);
  await requireWholeJournal(first);
  first.journal.close();
  copyFileSync(first.journal.path, join(folder, "old.db"));

  writeInbox(state, { "02.eml": billMail({ to: "globex", amount: "7.00", reference: "G-22" }) });
  const second = openHouse(world, { state });
  const reports = await decideAll(second, state);
  expect(reports.map(({ outcome }) => outcome)).toContain("paid");
  await requireWholeJournal(second);
  second.journal.close();

  const refusal = async (from: string | undefined) => {
    const other = join(folder, `other-${from ?? "none"}`);
    writeInbox(other, {});
    const empty = openHouse(world, { state: other });
    const { path } = empty.journal;
    if (from === undefined) {
      const error: unknown = await requireWholeJournal(empty).catch((thrown: unknown) => thrown);
      empty.journal.close();
      return error;
    }
    empty.journal.close();
    for (const suffix of ["-wal", "-shm"]) rmSync(`${path}${suffix}`, { force: true });
    copyFileSync(join(folder, from), path);
    const restored = openHouse(world, { state: other });
    const error: unknown = await requireWholeJournal(restored).catch((thrown: unknown) => thrown);
    restored.journal.close();
    return error;
  };
  expect(await refusal(undefined)).toBeInstanceOf(JournalBehindChainError);
  const old = await refusal("old.db");
  expect(old).toBeInstanceOf(JournalBehindChainError);
  expect((old as JournalBehindChainError).shortMessage).toContain("the chain has more of its decisions");
  expect((old as JournalBehindChainError).facts).toEqual({ onChain: "2", inJournal: "1" });
});

test("a journal with other decisions than were anchored is refused", async () => {
  const world = await makeWorld(chain, "other-journal");
  const hold = (text: string) => billMail({ to: "acme", amount: "9999.00", reference: text });
  const state = join(folder, "anchored");
  writeInbox(state, { "01.eml": hold("A-1111") });
  const house = openHouse(world, { state });
  await decideAll(house, state);
  expect(await anchorDecisions(house)).toMatch(/^0x/);
  await requireWholeJournal(house);
  house.journal.close();

  const other = join(folder, "forged");
  writeInbox(other, { "01.eml": hold("B-2222") });
  const forged = openHouse(world, { state: other });
  await decideAll(forged, other);
  await expect(requireWholeJournal(forged)).rejects.toBeInstanceOf(JournalBehindChainError);
  forged.journal.close();
});

test("a new key goes on with the journal of the one before, and pays nothing again", async () => {
  const world = await makeWorld(chain, "rotated");
  const state = join(folder, "rotated");
  writeInbox(state, { "01.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1" }) });
  const first = openHouse(world, { state });
  await decideAll(first, state);
  first.journal.close();

  const rotated = await grantAnew(world, { agent: newKeyOf(world) });
  writeInbox(state, { "02.eml": billMail({ to: "globex", amount: "7.00", reference: "G-22" }) });
  // Twice: the second time the journal knows of both keys.
  for (let start = 0; start < 2; start++) {
    const house = openHouse(rotated, { state });
    await requireWholeJournal(house);
    expect((await decideAll(house, state)).map(({ outcome }) => outcome)).toEqual(["paid", "paid"]);
    house.journal.close();
  }
  expect([await paidTo(world, "acme"), await paidTo(world, "globex")]).toEqual([42_500_000n, 7_000_000n]);
});

test("a key that has signed in a journal does not run on it under another agent's name", async () => {
  const world = await makeWorld(chain, "renamed");
  const state = join(folder, "renamed");
  writeInbox(state, { "01.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1" }) });
  const first = openHouse(world, { state });
  await decideAll(first, state);
  first.journal.close();

  // Another policy, too: its tree begins anew on the chain, so that nothing there tells of the payment.
  const policyText = world.policyText.replace("20000.00", "21000.00");
  const house = openHouse(await grantAnew(world, { policyText }), {
    state,
    agent: treasurer({ name: "clerk", inbox: "./inbox", mailSettings: "./mail.json" }),
  });
  const error: unknown = await requireWholeJournal({ ...house, purse: null }).catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ConfigError);
  expect((error as Error).message).toMatch(
    /what treasurer has paid, clerk does not know[^]*Call the agent treasurer again/,
  );
  house.journal.close();
});
