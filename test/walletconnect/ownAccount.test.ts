// An account of the payer's own, with a wallet that nobody here wrote, on a real chain: signed once a limit, made by the agent's first operation.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

import { erc20Abi, parseEther, type Address } from "viem";
import { expect, test } from "vitest";

import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import { entryPointAbi } from "../../src/chain/abi/entryPoint.ts";
import { entryPointAddress } from "../../src/chain/entryPoint.ts";
import { isDeployed } from "../../src/chain/isDeployed.ts";
import { sendTransaction } from "../../src/chain/deploy.ts";
import { ownerCall } from "../../src/chain/ownerCall.ts";
import { delegationsIn } from "../../src/journal/delegations.ts";
import { openJournal } from "../../src/journal/openJournal.ts";
import { readDelegations } from "../../src/runtime/delegate/readDelegations.ts";
import { stopCardOf } from "../../src/runtime/delegate/accountStopCard.ts";
import { verifyDecisions } from "../../src/runtime/verifyDecisions.ts";
import { decideAll } from "../integration/house.ts";
import { writeInbox } from "../integration/mails.ts";
import { coinMail } from "../integration/unmadeWorld.ts";
import { tokenAddress } from "../integration/world.ts";
import { bill, inShort, openDesk, units } from "./delegateScene.ts";
import { linkCall } from "./linkCall.ts";
import { until } from "./until.ts";
import {
  acmeOf,
  askedIn,
  handAccount,
  houseOn,
  ownScene,
  payAnyway,
  type OwnScene,
} from "./ownAccountScene.ts";

const coinOf = ({ world }: OwnScene, address: Address) => world.chain.client.getBalance({ address });
const tokensOf = ({ world }: OwnScene, address: Address) =>
  world.chain.client.readContract({
    address: tokenAddress,
    abi: erc20Abi,
    functionName: "balanceOf",
    args: [address],
  });

test("signed once a limit and funded by the wallet, made by the first payment, bounded by the chain, ended and emptied by the payer alone", async () => {
  const here = await ownScene("own-story");
  const { anna, config, name, wallet, world } = here;
  const { events, file, own } = await handAccount(here, { fund: "0.3 ETH, 100.00 USDC" });
  const { account } = own;
  expect(events.map((event) => ("what" in event ? `${event.kind} ${event.what}` : event.kind))).toEqual([
    "uri",
    "connected",
    "asked sign-in",
    "rung",
    "account",
    "terms",
    "asked policy",
    "asked policy",
    "asked funds",
    "funded",
    "asked funds",
    "funded",
  ]);
  // What the wallet was shown is what was explained.
  const shown = wallet
    .heard("request")
    .filter(({ method }) => method === "eth_signTypedData_v4")
    .map(
      ({ params }) =>
        JSON.parse(params[1] as string) as { readonly primaryType: string; readonly domain: object },
    );
  expect(shown).toMatchObject([
    {
      primaryType: "Install",
      domain: { verifyingContract: account },
      message: { grant: { perCall: "200000000000000000" } },
    },
    {
      primaryType: "Install",
      message: { grant: { perCall: "50000000", agent: world.agent.address.toLowerCase() } },
    },
  ]);
  // Nothing is on the chain but her own money.
  expect([
    await isDeployed(world.chain, account),
    await coinOf(here, account),
    await tokensOf(here, account),
  ]).toEqual([false, parseEther("0.3"), 100n * units]);
  expect(await readDelegations(config)).toMatchObject([
    {
      state: "inForce",
      budget: { made: false, leftInTotal: parseEther("2"), leftInWindow: parseEther("1") },
    },
    { state: "inForce", budget: { made: false, leftInTotal: 20_000n * units } },
  ]);
  const firstStop = (await stopCardOf(config, own))[0]!;
  expect(firstStop.link).toContain(`/createAccount?address=${anna.address}&uint256=`);

  const { house, state } = await houseOn(here, file);
  const decide = async (mails: Readonly<Record<string, string>>) => {
    writeInbox(state, mails);
    await decideAll(house, state);
    return inShort(house).at(-1);
  };
  expect(await decide({ "1.eml": coinMail("INV-1", "0.05") })).toEqual(["allow", "paid"]);
  expect(await coinOf(here, acmeOf(name))).toBe(parseEther("0.05"));
  expect(await decide({ "2.eml": bill("INV-2", "40.00") })).toEqual(["allow", "paid"]);
  expect(await tokensOf(here, acmeOf(name))).toBe(40n * units);
  const { decisions, failures } = await verifyDecisions(house);
  expect([...failures, ...decisions.flatMap((one) => one.failures)]).toEqual([]);
  expect(await readDelegations(config)).toMatchObject([
    { budget: { made: true, status: "granted", leftInWindow: parseEther("0.95") } },
    { budget: { status: "granted", spent: 40n * units, balance: 60n * units } },
  ]);

  // The key in the worst hands: more than the policy allows, and to somebody else.
  expect(await payAnyway(house, "USDC", 51n * units, acmeOf(name))).toMatch(/^OverPerCall/);
  expect(await payAnyway(house, "ETH", 1n, anna.address)).toMatch(/^(PayeeNotAllowed|NotGranted)/);

  // From any wallet, without this software.
  const send = (call: { readonly to: Address; readonly data: `0x${string}` }) =>
    sendTransaction(world.chain, anna, { to: call.to, data: call.data });
  await send(ownerCall(account, "revoke", [own.delegations[1]!.id]));
  expect(await decide({ "3.eml": bill("INV-3", "1.00") })).toEqual(["deny", "refused", "not-granted"]);
  expect(await payAnyway(house, "USDC", 1n * units, acmeOf(name))).toMatch(/^NotGranted/);
  expect(await readDelegations(config)).toMatchObject([
    { budget: { status: "granted" } },
    { budget: { status: "revoked" } },
  ]);
  // All of it comes out by the card's own links, what is left of the prefund included.
  const deposited = () =>
    world.chain.client.readContract({
      address: entryPointAddress,
      abi: entryPointAbi,
      functionName: "balanceOf",
      args: [account],
    });
  expect(await deposited()).toBeGreaterThan(0n);
  for (const { link } of await stopCardOf(config, { ...own, made: true }))
    if (link.includes("/withdraw")) await send(linkCall(link));
  expect([
    await deposited(),
    await coinOf(here, account),
    await tokensOf(here, account),
    await tokensOf(here, anna.address),
  ]).toEqual([0n, 0n, 0n, 960n * units]);
  expect(
    await world.chain.client.readContract({ address: account, abi: agentAccountAbi, functionName: "owner" }),
  ).toBe(anna.address);
  house.journal.close();
});

test("handed over again, it is the same account: nothing is signed twice, and what it holds is not asked for", async () => {
  const here = await ownScene("own-again");
  const { wallet } = here;
  const first = await handAccount(here, { fund: "0.1 ETH" });
  const again = await handAccount(here, { fund: "0.1 ETH" });
  expect([again.own.account, again.file, askedIn(again.events)]).toEqual([
    first.own.account,
    first.file,
    ["sign-in"],
  ]);
  // The wallet parts, and the agent leaves the account alone until it is back.
  const { house, state } = await houseOn(here, first.file);
  writeInbox(state, { "1.eml": bill("INV-1", "1.00") });
  house.journal.run("update delegation set state = 'paused'");
  await decideAll(house, state);
  expect(inShort(house)).toEqual([["deny", "refused", "delegation-paused"]]);
  house.journal.close();
  await wallet.do({ do: "disconnect" });
  expect(askedIn((await handAccount(here)).events)).toEqual(["sign-in"]);
  const back = await houseOn(here, first.file);
  writeInbox(state, { "2.eml": coinMail("INV-2", "0.01") });
  await decideAll(back.house, state);
  expect(inShort(back.house).at(-1)).toEqual(["allow", "paid"]);
  back.house.journal.close();
  // On the chain by now: one signature is used up, the other still to come.
  const late = await handAccount(here);
  expect([late.own.made, askedIn(late.events)]).toEqual([true, ["sign-in"]]);
  const { installs } = JSON.parse(
    readFileSync(path.join(path.dirname(late.file), "signed.json"), "utf8"),
  ) as {
    readonly installs: readonly { readonly asset: string }[];
  };
  expect(installs.map(({ asset }) => asset)).toEqual(["USDC"]);
});

test("what is above a payment's limit is asked of the payer's wallet, also before there is an account", async () => {
  const here = await ownScene("own-asks", { escalates: true });
  const { file, own } = await handAccount(here, { fund: "0.1 ETH, 200.00 USDC" });
  const { house, state } = await houseOn(here, file);
  const desk = await openDesk({ ...here.world, account: own.account }, house.journal, state);
  writeInbox(state, { "1.eml": bill("INV-1", "100.00") });
  await decideAll(house, state);
  expect(inShort(house)).toEqual([["ask", "asked", "needs-approval"]]);
  expect(await isDeployed(here.world.chain, own.account)).toBe(false);
  await until(
    async () => {
      await desk.scan();
      await decideAll(house, state);
      return inShort(house).length > 1;
    },
    "the yes is acted on",
    30_000,
  );
  expect(inShort(house).at(-1)).toEqual(["allow", "paid"]);
  expect(await tokensOf(here, acmeOf(here.name))).toBe(100n * units);
  await desk.close();
  house.journal.close();
});

test.each([
  ["reject", /declined to sign the policy/],
  ["wrongSigner", /not signed by the key of the account of the session/],
  ["highS", /not signed by the key of the account of the session/],
  ["notHex", /something else/],
] as const)(
  "a wallet that answers the policy with %s leaves nothing to run, and may think again",
  async (mode, why) => {
    const here = await ownScene(`own-${mode.toLowerCase()}`);
    const { state, wallet } = here;
    const confirm = async () => {
      await wallet.do({ do: "mode", onRequest: mode });
      return true;
    };
    await expect(handAccount(here, { confirm })).rejects.toThrow(why);
    const [name] = readdirSync(path.join(state, "accounts"));
    const file = path.join(state, "accounts", name!, "bursar.json");
    expect(existsSync(file)).toBe(false);
    const journal = openJournal(path.join(path.dirname(file), "state", "journal.db"));
    expect(delegationsIn(journal).map((row) => row.state)).toEqual(["asked", "asked"]);
    journal.close();
    await wallet.do({ do: "mode", onRequest: "right" });
    expect((await handAccount(here)).file).toBe(file);
  },
);

test("another's wallet that scans the code first is sent away, and is shown nothing to sign", async () => {
  const here = await ownScene("own-race");
  await expect(handAccount(here, { payer: here.world.purse.address })).rejects.toThrow(
    /The wallet that connected is another one's/,
  );
  expect(here.wallet.heard("request")).toEqual([]);
});
