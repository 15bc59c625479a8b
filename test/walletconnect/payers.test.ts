// Hand-overs of other payers than a plain key with a willing wallet: contracts, hardware, who declines, and one that is cut off.
import {
  encodeAbiParameters,
  encodeFunctionData,
  erc20Abi,
  keccak256,
  toHex,
  type Address,
  type Hex,
} from "viem";
import { expect, test } from "vitest";

import { spendGrantAbi } from "../../src/chain/abi/spendGrant.ts";
import { sendTransaction } from "../../src/chain/deploy.ts";
import { delegationsIn } from "../../src/journal/delegations.ts";
import { giveUpGrant } from "../../src/runtime/delegate/endDelegation.ts";
import { localFaucet } from "../../src/testing/localChain.ts";
import { configure } from "../integration/configure.ts";
import { decideAll, openHouse } from "../integration/house.ts";
import { writeInbox } from "../integration/mails.ts";
import { keyOf, mint, paidTo, tokenAddress } from "../integration/world.ts";
import { contractWalletOf } from "./contractWallet.ts";
import { bill, contract, hand, inShort, openDesk, relay, scene, served, units } from "./delegateScene.ts";
import { pause, until } from "./until.ts";

/** A contract wallet of Anna's, deployed or not, with 1,000 USDC. */
async function contractScene(name: string, deployed: boolean) {
  const contractAccount = await contractWalletOf(name, deployed);
  const here = await scene(name, keyOf(name, "anna"), { contractAccount });
  await mint(here.world, contractAccount.address, 1000n * units);
  return { ...here, address: contractAccount.address };
}

const statusOf = ({ world }: Awaited<ReturnType<typeof scene>>, account: Address, id: Hex) =>
  world.chain.client.readContract({
    address: contract,
    abi: spendGrantAbi,
    functionName: "statusOf",
    args: [account, id],
  });
/** `Status` of the contract: never brought to it. */
const unknownThere = 0;

test("a contract that signs (ERC-1271) is the payer, allows by its own call, and is spent from until the total is used up", async () => {
  const here = await contractScene("contract", true);
  const { address, journal, state, world } = here;
  const { delegation, events } = await hand(here, { expected: address, total: 60n * units });
  expect(delegation.account).toBe(address.toLowerCase());
  expect(events.filter(({ kind }) => kind === "asked")).toMatchObject([
    { what: "sign-in" },
    { what: "grant" },
    { what: "allowance" },
  ]);
  const house = openHouse(world, { state, journal });
  const desk = await openDesk(world, journal, state);
  for (const reference of ["INV-1", "INV-2"]) {
    writeInbox(state, { [`${reference}.eml`]: bill(reference, "40.00") });
    await decideAll(house, state);
  }
  expect(inShort(house)).toEqual([
    ["allow", "paid"],
    // The window is the total here, and so is the allowance.
    ["deny", "refused", "delegation-used-up", "delegation-window", "delegation-allowance"],
  ]);
  expect(await paidTo(world, "acme")).toBe(40n * units);
  await desk.close();
  journal.close();
});

test("a contract that is not there yet (ERC-6492) is deployed by the grant's own transaction", async () => {
  const here = await contractScene("counterfactual", false);
  const { address, journal, world } = here;
  // What it would have allowed by a permit: OpenZeppelin's ERC-20 keeps allowances in slot 1.
  const slotOf = (owner: Address, slot: Hex) =>
    keccak256(encodeAbiParameters([{ type: "address" }, { type: "bytes32" }], [owner, slot]));
  await served.chain.request({
    method: "hardhat_setStorageAt",
    params: [
      tokenAddress,
      slotOf(contract, slotOf(address, toHex(1, { size: 32 }))),
      toHex(1000n * units, { size: 32 }),
    ],
  });
  expect(await world.chain.client.getCode({ address })).toBeUndefined();
  const { delegation, events } = await hand(here, { expected: address });
  expect(events.map(({ kind }) => kind).slice(-3)).toEqual(["asked", "sent", "inForce"]);
  expect(await world.chain.client.getCode({ address })).toMatch(/^0x[0-9a-f]{100}/);
  expect(await statusOf(here, address, delegation.id)).not.toBe(unknownThere);
  journal.close();
});

test("a key whose wallet writes v as 0 or 1 delegates as any other", async () => {
  const here = await scene("hardware");
  await here.wallet.do({ do: "mode", onRequest: "lowV" });
  await hand(here, { expected: here.anna.address });
  expect(delegationsIn(here.journal)).toMatchObject([{ state: "inForce" }]);
  here.journal.close();
});

test("a wallet that signs in and declines the grant has delegated nothing, and is parted from", async () => {
  const here = await scene("declined");
  const { anna, journal, wallet } = here;
  const confirm = async () => {
    await wallet.do({ do: "mode", onRequest: "reject" });
    return true;
  };
  await expect(hand(here, { expected: anna.address, confirm })).rejects.toThrow(/declined to sign the grant/);
  const [row] = delegationsIn(journal);
  expect(row!.state).toBe("ended");
  expect(await statusOf(here, anna.address, row!.delegation.id)).toBe(unknownThere);
  await until(
    async () => ((await wallet.do({ do: "sessions" })) as unknown[]).length === 0,
    "the wallet has no session any more",
  );
  journal.close();
});

test("cut off while the wallet shows the grant: what it signs afterwards is brought by nobody", async () => {
  const here = await scene("cutoff");
  const { anna, journal, state, wallet, world } = here;
  // An allowance from before, so that the signature is all that is missing.
  const allowed = encodeFunctionData({
    abi: erc20Abi,
    functionName: "approve",
    args: [contract, 1000n * units],
  });
  await sendTransaction(world.chain, anna, { to: tokenAddress, data: allowed });
  const stopping = new AbortController();
  const going = hand(here, {
    expected: anna.address,
    signal: stopping.signal,
    confirm: async () => {
      await wallet.do({ do: "mode", onRequest: "hold" });
      return true;
    },
  });
  const ended = going.then(
    () => "in force",
    (error: Error) => error.message,
  );
  await wallet.says("request", 2);
  // The wallet does not hear that it is over, and signs.
  const deaf = relay.inject({ on: "delivery", do: "withhold", tags: [1112] });
  stopping.abort();
  await Promise.race([ended, pause(3000)]);
  await wallet.do({ do: "release", as: "right" });
  await wallet.says("answered", 2);
  expect(await ended).toMatch(/^It was stopped\./);
  deaf.lift();
  // Nor by the agent, when it hears of the answer.
  const desk = await openDesk(world, journal, state);
  await desk.scan();
  await pause(500);
  await desk.scan();
  const [row] = delegationsIn(journal);
  expect(row!.state).toBe("ended");
  expect(await statusOf(here, anna.address, row!.delegation.id)).toBe(unknownThere);
  await desk.close();
  journal.close();
});

test("nobody here pays: what is to be sent is told, anybody sends it, and then it is in force", async () => {
  const here = await scene("nopurse");
  const { anna, journal, world } = here;
  const { delegation, events } = await hand(here, {
    expected: anna.address,
    noPurse: true,
    async onEvent(event) {
      if (event.kind === "bring") await sendTransaction(world.chain, localFaucet, event.call);
    },
  });
  // As `--json` prints them.
  expect(JSON.parse(JSON.stringify(events))).toContainEqual({
    kind: "bring",
    what: "grant",
    call: { to: contract, data: expect.stringMatching(/^0x/) as string },
  });
  expect(await statusOf(here, anna.address, delegation.id)).toBe(1);
  journal.close();
});

test("a wallet that parts before its grant is in force has ended it here: the agent leaves it alone", async () => {
  const here = await scene("parted");
  const { anna, journal, wallet, world } = here;
  const going = hand(here, {
    expected: anna.address,
    noPurse: true,
    async onEvent(event, link) {
      if (event.kind !== "bring") return;
      await wallet.do({ do: "disconnect" });
      await until(async () => (await link.resume()).sessions.length === 0, "the link hears of it");
      await sendTransaction(world.chain, localFaucet, event.call);
    },
  });
  await expect(going).rejects.toThrow("The wallet parted before its grant was in force.");
  const [row] = delegationsIn(journal);
  expect(row!.state).toBe("paused");
  expect(await statusOf(here, anna.address, row!.delegation.id)).toBe(1);
  journal.close();
});

test("stopped after its grant was brought: it is not told to be over, for the chain says that it is in force", async () => {
  const here = await scene("broughtlate");
  const { anna, journal, world } = here;
  const stopping = new AbortController();
  const going = hand(here, {
    expected: anna.address,
    signal: stopping.signal,
    onEvent: (event) => {
      if (event.kind === "sent" && event.what === "grant") stopping.abort();
    },
  });
  await expect(going).rejects.toThrow("the grant may have been brought to the chain");
  const [row] = delegationsIn(journal);
  expect(row).toMatchObject({ state: "paused" });
  expect(
    await world.chain.client.readContract({
      address: contract,
      abi: spendGrantAbi,
      functionName: "statusOf",
      args: [anna.address, row!.delegation.id],
    }),
  ).toBe(1);
  journal.close();
});

test("a grant that nobody sends is not said to be on the chain: it may come there, and the agent leaves it alone", async () => {
  const here = await scene("unsent");
  const { anna, journal } = here;
  const stopping = new AbortController();
  const going = hand(here, {
    expected: anna.address,
    noPurse: true,
    signal: stopping.signal,
    onEvent: (event) => {
      if (event.kind === "bring" && event.what === "grant") stopping.abort();
    },
  });
  await expect(going).rejects.toThrow("the grant may have been brought to the chain: It was stopped.");
  const [row] = delegationsIn(journal);
  expect(row!.state).toBe("paused");
  expect(await statusOf(here, anna.address, row!.delegation.id)).toBe(unknownThere);
  journal.close();
});

test("a configuration of another chain ends nothing, though the same contract stands there", async () => {
  const here = await scene("otherchain");
  const { anna, journal, state, world } = here;
  const { delegation } = await hand(here, { expected: anna.address, total: 60n * units });
  const { config } = await configure(world, served.url, state);
  const status = () => statusOf(here, anna.address, delegation.id);
  await expect(giveUpGrant(config, { ...delegation, chainId: 1 }, undefined)).rejects.toThrow(
    "The delegation is for chain 1, the configuration for chain 31337.",
  );
  expect(await status()).toBe(1);
  expect(await giveUpGrant(config, delegation, undefined)).toMatch(/^0x/);
  expect(await status()).toBe(2);
  journal.close();
});
