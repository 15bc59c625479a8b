import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";

import type { Bundler } from "../../src/chain/bundler/bundler.ts";
import { ownBundler } from "../../src/chain/bundler/ownBundler.ts";
import { connectChain, type Eip1193 } from "../../src/chain/connectChain.ts";
import { BundlerError } from "../../src/chain/errors.ts";
import { allDecisions } from "../../src/journal/decisions.ts";
import { operationsFor } from "../../src/journal/operations.ts";
import { openJournal, type JournalDatabase } from "../../src/journal/openJournal.ts";
import { sleep } from "../../src/runtime/clock.ts";
import type { House } from "../../src/runtime/house.ts";
import { localChainId, startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";
import { decideAll, openHouse } from "./house.ts";
import { billMail, writeInbox } from "./mails.ts";
import { makeWorld, operationsOf, paidTo, type World } from "./world.ts";

// Any prefix of a journal and the chain of its moment, carried on with: the same operations as if nothing had happened.

const folder = mkdtempSync(join(tmpdir(), "bursar-prefixes-"));
let local: LocalChain;
beforeAll(async () => {
  local = await startLocalChain();
});
afterAll(async () => {
  await local.close();
  rmSync(folder, { recursive: true, force: true });
});

const bill = fc.record({
  to: fc.constantFrom("acme", "globex", "nobody"),
  // The last one is over the limit of a payment.
  amount: fc.constantFrom("42.50", "7.25", "499.99", "612.00"),
  // Few, so that some are the same bill again.
  reference: fc.constantFrom("INV-1", "INV-2", "INV-3"),
  authenticated: fc.boolean(),
});
/** What becomes of the bytes that a bundler is given, one after the other. */
const fates = fc.array(fc.constantFrom("carried", "carried", "lost", "refused", "answer lost"), {
  maxLength: 6,
});

function fickle(honest: Bundler, ends: readonly string[]): Bundler {
  let sent = 0;
  return {
    ...honest,
    async send(userOp) {
      const fate = ends[sent++] ?? "carried";
      const no = () => new BundlerError("fickle", "does not answer", new Error(fate));
      if (fate === "lost") return "0x";
      if (fate === "refused") throw no();
      const hash = await honest.send(userOp);
      if (fate === "answer lost") throw no();
      return hash;
    },
  };
}

/** What came of the bills, and everything that was signed, by decision. */
async function result(world: World, { journal }: House) {
  const signed = allDecisions(journal, "treasurer").map(({ id }) => [
    id,
    operationsFor(journal, id)[0]?.userOpHash,
  ]);
  return {
    paid: [await paidTo(world, "acme"), await paidTo(world, "globex")],
    executed: (await operationsOf(world)).length,
    signed: new Map(signed as [string, string | undefined][]),
  };
}

async function check(
  name: string,
  bills: readonly Parameters<typeof billMail>[0][],
  ends: readonly string[],
) {
  const made = await makeWorld(local, name);
  const home = join(folder, name);
  writeInbox(home, Object.fromEntries(bills.map((one, index) => [`0${index}.eml`, billMail(one)])));

  /** The chain before each of its transactions, and at the end. */
  const states: unknown[] = [];
  const snapshot = () => local.request({ method: "evm_snapshot" });
  const rpc: Eip1193 = {
    async request(input) {
      if (input.method === "eth_sendRawTransaction") states.push(await snapshot());
      return local.request(input);
    },
  };
  const chain = await connectChain({ rpc, chainId: localChainId, finality: { depth: 0 } });
  const world: World = { ...made, chain };
  /** Each prefix, with how many transactions the chain had when it ended. */
  const prefixes: { readonly file: string; readonly from: number; to: number }[] = [];
  const run = async (state: string, journal: JournalDatabase, wanted: readonly string[]) => {
    const bundler = fickle(ownBundler(chain, { executor: world.purse }), wanted);
    // Waits take their turn, and no time: what is lost is sent again at once.
    const house: House = {
      ...openHouse(world, { state, bundler, journal }),
      sleep: (_, signal) => sleep(0, signal),
    };
    const reports = await decideAll(house, state);
    return { outcomes: reports.map(({ outcome }) => outcome), ...(await result(world, house)) };
  };

  const whole = openJournal(join(home, "journal.db"));
  const copy = <T>(answer: T): T => {
    const last = prefixes.at(-1);
    if (last) last.to = states.length;
    const file = join(home, `prefix-${prefixes.length}.db`);
    whole.get(`vacuum into '${file}'`);
    prefixes.push({ file, from: states.length, to: states.length });
    return answer;
  };
  const copying: JournalDatabase = {
    ...whole,
    atomically: (work) => copy(whole.atomically(work)),
    together: async (work) => copy(await whole.together(work)),
  };
  const expected = await run(home, copying, ends);
  whole.close();
  states.push(await snapshot());

  for (const prefix of prefixes.toReversed())
    for (let transactions = prefix.to; transactions >= prefix.from; transactions--) {
      await local.request({ method: "evm_revert", params: [states[transactions]] });
      // A snapshot is used up by going back to it.
      states[transactions] = await snapshot();
      const state = mkdtempSync(join(folder, "again-"));
      cpSync(join(home, "inbox"), join(state, "inbox"), { recursive: true });
      cpSync(join(home, "mail.json"), join(state, "mail.json"));
      cpSync(prefix.file, join(state, "journal.db"));
      const journal = openJournal(join(state, "journal.db"));
      const before = new Map(
        allDecisions(journal, "treasurer").map(({ id }) => [id, operationsFor(journal, id)[0]?.userOpHash]),
      );
      const again = await run(state, journal, []);
      journal.close();
      expect(again).toMatchObject({
        outcomes: expected.outcomes,
        paid: expected.paid,
        executed: expected.executed,
      });
      expect([...again.signed.keys()]).toEqual([...expected.signed.keys()]);
      // What was signed once is what is executed, and nothing else for the same decision.
      const kept = [...before].filter(([, operation]) => operation !== undefined);
      expect(kept.filter(([id, operation]) => again.signed.get(id) !== operation)).toEqual([]);
    }
  return prefixes.length;
}

test("any prefix of a journal, carried on with, comes to the same operations", async () => {
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(bill, { minLength: 1, maxLength: 3 }), fates, async (bills, ends) => {
      // A scan takes in at least one trigger, and each decision is several commits.
      expect(await check(`prefixes-${runs++}`, bills, ends)).toBeGreaterThan(bills.length);
    }),
    { numRuns: 4, endOnFailure: true },
  );
});
