import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { encodeFunctionData, type Address } from "viem";
import { afterAll, beforeAll, expect, test } from "vitest";

import type { TriggerSource } from "../../src/core/agent.ts";
import type { Trigger } from "../../src/core/trigger.ts";
import { demoTokenAbi } from "../../src/chain/abi/demoToken.ts";
import { connectChain, type Chain } from "../../src/chain/connectChain.ts";
import { EventDeclarationError } from "../../src/chain/eventLogs.ts";
import { openJournal, type JournalDatabase } from "../../src/journal/openJournal.ts";
import { triggerOf } from "../../src/journal/triggers.ts";
import { watchChainEvent } from "../../src/runtime/triggers/chainEvent.ts";
import { localChainId, localFaucet, startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";
import { sendTransaction } from "../../src/chain/deploy.ts";
import { makeWorld, tokenAddress } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-events-"));
const transfer = "event Transfer(address indexed from, address indexed to, uint256 value)";
const us: Address = "0x00000000000000000000000000000000000000a1";
const others: Address = "0x00000000000000000000000000000000000000b2";
let local: LocalChain;
/** Two blocks on top make a block final. */
let chain: Chain;
let journal: JournalDatabase;
beforeAll(async () => {
  local = await startLocalChain();
  await makeWorld(local, "events");
  chain = await connectChain({ rpc: local, chainId: localChainId, finality: { depth: 2 } });
  journal = openJournal(join(folder, "journal.db"));
});
afterAll(async () => {
  journal.close();
  await local.close();
  rmSync(folder, { recursive: true, force: true });
});

async function mine(blocks: number): Promise<void> {
  for (let block = 0; block < blocks; block++) await local.request({ method: "evm_mine" });
}
const mint = (to: Address, units: bigint) =>
  sendTransaction(chain, localFaucet, {
    to: tokenAddress,
    data: encodeFunctionData({ abi: demoTokenAbi, functionName: "mint", args: [to, units] }),
  });
const source = (part: Partial<Extract<TriggerSource, { kind: "chainEvent" }>> = {}) =>
  ({
    kind: "chainEvent",
    name: "paid-in",
    contract: tokenAddress,
    event: transfer,
    where: { to: us },
    ...part,
  }) as const;
/** A new watcher each time, as after a restart. */
const scan = (part = {}) => watchChainEvent({ agent: "clerk", journal, chain, source: source(part) }).scan();
const triggers = (): readonly Trigger[] =>
  journal
    .all("select dedupe_id from trigger_ order by position")
    .map((row) => triggerOf(journal, "clerk", String(row["dedupe_id"])));

test("wakes for the events from the first start on, once they are final, and each once", async () => {
  await mint(us, 1n);
  await mine(2);
  await scan();
  await mint(others, 2n);
  await mint(us, 3n);
  await scan();
  expect(triggers()).toEqual([]);
  await mine(2);
  await scan();
  await scan();
  const [first, ...rest] = triggers();
  expect(rest).toEqual([]);
  expect(first).toMatchObject({
    kind: "chainEvent",
    payload: {
      facts: {
        "event.name": { value: "Transfer", provenance: "chain" },
        "event.args": { value: { to: expect.stringMatching(/a1$/i), value: "3" }, provenance: "chain" },
      },
    },
  });
  expect(first!.dedupeId).toMatch(/^event:paid-in:31337:0x[0-9a-f]{64}:0$/);
});

test("an event that a reorganisation takes away wakes nobody; what takes its place does", async () => {
  const before = triggers().length;
  const snapshot = await local.request({ method: "evm_snapshot" });
  await mint(us, 50n);
  await mine(1);
  await scan();
  await local.request({ method: "evm_revert", params: [snapshot] });
  await mint(us, 51n);
  await mine(3);
  await scan();
  expect(triggers().slice(before)).toMatchObject([
    { payload: { facts: { "event.args": { value: { value: "51" } } } } },
  ]);
});

test("what was missed in more blocks than an RPC tells of at once is caught up with in one scan", async () => {
  await scan({ name: "asleep" });
  await mint(us, 21n);
  await mine(2100);
  await mint(us, 22n);
  await mine(2);
  const before = triggers().length;
  await scan({ name: "asleep" });
  expect(triggers()).toHaveLength(before + 2);
});

test("another name begins anew, with the blocks to come", async () => {
  const before = triggers().length;
  const all = { name: "all", where: {} };
  await scan(all);
  await mint(others, 7n);
  await mine(2);
  await scan(all);
  const found = triggers().slice(before);
  expect(found).toHaveLength(1);
});

test.each(["Transfer(address,uint256)", "function transfer(address to)", "event", ""])(
  "%j declares no event",
  (event) => {
    expect(() => watchChainEvent({ agent: "clerk", journal, chain, source: source({ event }) })).toThrow(
      EventDeclarationError,
    );
  },
);
