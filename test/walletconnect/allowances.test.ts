// How a payer lets the contract pull: by a signature that his token takes (EIP-2612), by one that Permit2 takes, and by neither.
import {
  concatHex,
  encodeFunctionData,
  erc20Abi,
  getAddress,
  getCreate2Address,
  maxUint256,
  zeroHash,
  type Address,
  type Hex,
} from "viem";
import { expect, test } from "vitest";

import { demoTokenAbi } from "../../src/chain/abi/demoToken.ts";
import { connectChain } from "../../src/chain/connectChain.ts";
import {
  create2Deployer,
  ensureContracts,
  ensureDeployed,
  permit2Address,
  sendTransaction,
} from "../../src/chain/deploy.ts";
import { grantSpendCall } from "../../src/chain/spendGrantCall.ts";
import { delegationsIn } from "../../src/journal/delegations.ts";
import { spendGrantOf } from "../../src/policy/spendGrantJson.ts";
import { stopsOf } from "../../src/runtime/delegate/stopCard.ts";
import { localFaucet } from "../../src/testing/localChain.ts";
import permit2 from "../accounts/permit2.json" with { type: "json" };
import { decideAll, openHouse } from "../integration/house.ts";
import { writeInbox } from "../integration/mails.ts";
import { keyOf, tokenAddress, type World } from "../integration/world.ts";
import { compileBase } from "./compileBase.ts";
import {
  bill,
  contract,
  hand,
  inShort,
  openDesk,
  payeeOf,
  relayOf,
  scene,
  served,
  units,
} from "./delegateScene.ts";
import { linkCall } from "./linkCall.ts";
import { command, putFiles } from "./operator.ts";
import { callAnyway } from "./ownAccountScene.ts";

const asked = (events: Awaited<ReturnType<typeof hand>>["events"]) =>
  events.flatMap((event) => (event.kind === "asked" ? [event.what] : []));

/** Anna with 1,000 of a token that takes permits. */
async function permitScene(name: string) {
  const chain = await connectChain({ rpc: served.chain, chainId: 31337, finality: { depth: 0 } });
  const initCode = compileBase("PermitToken");
  const token = getCreate2Address({ from: create2Deployer, salt: zeroHash, bytecode: initCode });
  await ensureContracts(chain, localFaucet);
  await ensureDeployed(chain, localFaucet, { address: token, initCode });
  const here = await scene(name, keyOf(name, "anna"), { token });
  const data = encodeFunctionData({
    abi: demoTokenAbi,
    functionName: "mint",
    args: [here.anna.address, 1000n * units],
  });
  await sendTransaction(chain, localFaucet, { to: token, data });
  return { ...here, token };
}

const allowanceOf = ({ chain }: World, token: Address, owner: Address, spender: Address) =>
  chain.client.readContract({
    address: token,
    abi: erc20Abi,
    functionName: "allowance",
    args: [owner, spender],
  });

test("a token that takes permits (EIP-2612): two signatures, no transaction of the payer's, and the agent pays", async () => {
  const here = await permitScene("permits");
  const { anna, journal, state, token, world } = here;
  const { delegation, events } = await hand(here, { expected: anna.address, total: 60n * units });
  expect(asked(events)).toEqual(["sign-in", "grant", "permit"]);
  expect(delegation.source).toBe("token");
  expect(await allowanceOf(world, token, anna.address, contract)).toBe(60n * units);
  expect(await world.chain.client.getTransactionCount({ address: anna.address })).toBe(0);
  const house = openHouse(world, { state, journal });
  const desk = await openDesk(world, journal, state);
  writeInbox(state, { "1.eml": bill("INV-1", "40.00") });
  await decideAll(house, state);
  expect(inShort(house)).toEqual([["allow", "paid"]]);
  expect(await allowanceOf(world, token, anna.address, contract)).toBe(20n * units);
  await desk.close();
  journal.close();
});

/** The real one, at its own address. */
async function deployPermit2({ chain }: World): Promise<void> {
  if ((await chain.client.getCode({ address: permit2Address })) !== undefined) return;
  await sendTransaction(chain, localFaucet, {
    to: create2Deployer,
    data: concatHex([permit2.salt as Hex, permit2.bytecode as Hex]),
  });
  expect(await chain.client.getCode({ address: getAddress(permit2.address) })).toMatch(/^0x[0-9a-f]{1000}/);
}

/** Anna, who lets Permit2 pull all of her tokens, as most who trade do. */
async function permit2Scene(name: string) {
  const here = await scene(name);
  await deployPermit2(here.world);
  const data = encodeFunctionData({
    abi: erc20Abi,
    functionName: "approve",
    args: [permit2Address, maxUint256],
  });
  await sendTransaction(here.world.chain, here.anna, { to: tokenAddress, data });
  return here;
}

test("a payer who has Permit2: two signatures, and its allowance is spent, for no more than the grant's total", async () => {
  const here = await permit2Scene("permit2");
  const { anna, journal, state, world } = here;
  const { delegation, events } = await hand(here, { expected: anna.address, total: 60n * units });
  expect(asked(events)).toEqual(["sign-in", "grant", "permit"]);
  expect(delegation.source).toBe("permit2");
  expect(delegationsIn(journal)).toMatchObject([{ state: "inForce", delegation: { source: "permit2" } }]);
  expect(await allowanceOf(world, tokenAddress, anna.address, contract)).toBe(0n);
  const house = openHouse(world, { state, journal });
  const desk = await openDesk(world, journal, state);
  for (const reference of ["INV-1", "INV-2"]) {
    writeInbox(state, { [`${reference}.eml`]: bill(reference, "40.00") });
    await decideAll(house, state);
  }
  expect(inShort(house)).toEqual([
    ["allow", "paid"],
    ["deny", "refused", "delegation-used-up", "delegation-window", "delegation-allowance"],
  ]);
  await desk.close();
  journal.close();
});

test.each([
  ["the token", "stoptoken", "token"],
  ["Permit2", "stoppermit2", "permit2"],
] as const)(
  "the card's last link takes back what %s lets the agent pull: the key itself gets no more",
  async (_, name, source) => {
    const here = source === "token" ? await permitScene(name) : await permit2Scene(name);
    const { anna, journal, state, world } = here;
    const { delegation } = await hand(here, { expected: anna.address, total: 60n * units });
    expect(delegation.source).toBe(source);
    const house = openHouse(world, { state, journal });
    // As a thief of the agent's key does it, with no runtime in the way.
    const spend = () =>
      callAnyway(house, "USDC", [
        grantSpendCall(
          delegation.contract,
          spendGrantOf(delegation.grant),
          payeeOf(name, "acme"),
          units,
          delegation.source,
        ),
      ]);
    expect(await spend()).toBeNull();
    const { link } = stopsOf(delegation).at(-1)!;
    await sendTransaction(world.chain, anna, linkCall(link));
    // By the token's own name of it, and by Permit2's: InsufficientAllowance(0).
    expect(await spend()).toMatch(/^(ERC20InsufficientAllowance|0xf96fb0710{64}$)/);
    journal.close();
  },
);

test("what a payer took back is not said to be left", async () => {
  const here = await permitScene("takenback");
  const { anna, token, world } = here;
  const { delegation } = await hand(here, { expected: anna.address, total: 60n * units });
  await putFiles(here, relayOf());
  expect((await command(here, "delegations")).output).toMatch(/left 60\.00 USDC now, 60\.00 .* in force \(/);
  const allow = async (amount: bigint) => {
    const data = encodeFunctionData({
      abi: erc20Abi,
      functionName: "approve",
      args: [delegation.contract, amount],
    });
    await sendTransaction(world.chain, anna, { to: token, data });
    return (await command(here, "delegations")).output;
  };
  expect(await allow(7n * units)).toMatch(/left 7\.00 USDC now, 7\.00 USDC in all/);
  expect(await allow(0n)).toMatch(/left 0\.00 USDC now, .* nothing can be pulled: there is no allowance/);
});

test("a wallet that signs something else for Permit2 delegates nothing", async () => {
  const here = await permit2Scene("permit2else");
  const { anna, journal, wallet } = here;
  await expect(
    hand(here, {
      expected: anna.address,
      async onEvent(event) {
        if (event.kind === "asked" && event.what === "permit")
          await wallet.do({ do: "mode", onRequest: "wrongSigner" });
      },
    }),
  ).rejects.toThrow("not signed by the account");
  expect(delegationsIn(journal)).toMatchObject([{ state: "ended" }]);
  journal.close();
});
