import { keccak256, parseEther, toHex, type Address, type Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, expect, test } from "vitest";

import { connectChain } from "../../src/chain/connectChain.ts";
import { sendTransaction } from "../../src/chain/deploy.ts";
import { bring } from "../../src/runtime/delegate/bring.ts";
import type { HandOverEvent } from "../../src/runtime/delegate/handOverOptions.ts";
import { openTurns } from "../../src/runtime/turns.ts";
import { localChainId, localFaucet, startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";

// A wallet's signature may run code of strangers when it is brought (ERC-6492), and the agent's purse pays for that.

let local: LocalChain;
beforeAll(async () => {
  local = await startLocalChain();
});
afterAll(() => local.close());

const purse = privateKeyToAccount(keccak256(toHex("purse of bring")));
const place = async (name: string, code: Hex): Promise<Address> => {
  const address: Address = `0x${keccak256(toHex(name)).slice(26)}`;
  await local.request({ method: "hardhat_setCode", params: [address, code] });
  return address;
};

async function bringTo(to: Address) {
  const chain = await connectChain({ rpc: local, chainId: localChainId, finality: { depth: 0 } });
  await sendTransaction(chain, localFaucet, { to: purse.address, valueWei: parseEther("1") });
  const before = await chain.client.getBalance({ address: purse.address });
  const events: HandOverEvent[] = [];
  const { signal } = new AbortController();
  const purseTurns = openTurns(1);
  await bring({ chain, purse, purseTurns, signal, tell: (event) => events.push(event) }, "grant", {
    to,
    valueWei: 0n,
    data: "0x12345678",
  });
  return { events, cost: before - (await chain.client.getBalance({ address: purse.address })) };
}

test("the purse pays for what a grant costs", async () => {
  const { cost, events } = await bringTo(await place("cheap", "0x00"));
  expect(events).toMatchObject([{ kind: "sent", what: "grant" }]);
  expect(cost).toBeGreaterThan(0n);
});

test("the purse does not pay for a stranger's work: whoever wants it sends it himself", async () => {
  // mload(0x180000): memory that costs 4.8 million gas.
  const to = await place("dear", "0x621800005100");
  const { cost, events } = await bringTo(to);
  expect(events).toMatchObject([{ kind: "bring", what: "grant", call: { to, data: "0x12345678" } }]);
  expect(cost).toBe(0n);
});
