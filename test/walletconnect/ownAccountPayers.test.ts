// Accounts of payers' own where the payer is no plain key, or somebody is cut off on the way.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";

import { encodeFunctionData, parseAbi, parseEther } from "viem";
import { expect, test } from "vitest";

import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import { isDeployed } from "../../src/chain/isDeployed.ts";
import { sendTransaction } from "../../src/chain/deploy.ts";
import { ownerCall } from "../../src/chain/ownerCall.ts";
import { readConfig } from "../../src/runtime/config.ts";
import { stopCardOf } from "../../src/runtime/delegate/accountStopCard.ts";
import type { UnfinishedAccountError } from "../../src/runtime/delegate/ownAccount.ts";
import { readDelegations } from "../../src/runtime/delegate/readDelegations.ts";
import { localFaucet } from "../../src/testing/localChain.ts";
import { decideAll } from "../integration/house.ts";
import { writeInbox } from "../integration/mails.ts";
import { bursarIn } from "../integration/ownersDesk.ts";
import { creationsOf } from "../integration/unmadeWorld.ts";
import { mint } from "../integration/world.ts";
import { contractWalletOf } from "./contractWallet.ts";
import { bill, inShort, units } from "./delegateScene.ts";
import { askedIn, handAccount, houseOn, ownScene, type OwnScene } from "./ownAccountScene.ts";

test("a contract that signs (ERC-1271) owns an account that the purse makes and brings the policy to", async () => {
  const contractAccount = await contractWalletOf("own-contract", true);
  const here = await ownScene("own-contract", { contractAccount });
  const { address: payer } = contractAccount;
  const { events, file, own } = await handAccount(here, { payer });
  expect(events.flatMap((event) => (event.kind === "sent" ? [event.what] : []))).toEqual([
    "account",
    "grant",
    "grant",
  ]);
  expect(own.made).toBe(true);
  const { house, state, config } = await houseOn(here, file);
  expect(config.ownerSignatures).toBeUndefined();
  const { client } = here.world.chain;
  expect(
    await client.readContract({ address: own.account, abi: agentAccountAbi, functionName: "owner" }),
  ).toBe(payer);
  await mint(here.world, own.account, 100n * units);
  await sendTransaction(here.world.chain, localFaucet, { to: own.account, valueWei: parseEther("0.1") });
  writeInbox(state, { "1.eml": bill("INV-1", "40.00") });
  await decideAll(house, state);
  expect(inShort(house)).toEqual([["allow", "paid"]]);
  // The owner ends it by its own call.
  const revoke = ownerCall(own.account, "revokeAll");
  await sendTransaction(here.world.chain, here.anna, {
    to: payer,
    data: encodeFunctionData({
      abi: parseAbi(["function run(address target, bytes data)"]),
      args: [revoke.to, revoke.data],
    }),
  });
  writeInbox(state, { "2.eml": bill("INV-2", "1.00") });
  await decideAll(house, state);
  expect(inShort(house).at(-1)).toEqual(["deny", "refused", "not-granted"]);
  house.journal.close();
});

test("a contract that signs one limit and declines the next is told that something stands, and how to end it", async () => {
  const contractAccount = await contractWalletOf("own-half", true);
  const here = await ownScene("own-half", { contractAccount });
  const { config, wallet, world } = here;
  const handed = handAccount(here, {
    payer: contractAccount.address,
    async onEvent(event) {
      if (event.kind === "sent" && event.what === "grant")
        await wallet.do({ do: "mode", onRequest: "reject" });
    },
  });
  const error = await handed.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ name: "UnfinishedAccountError", runs: false });
  const { message, own } = error as UnfinishedAccountError;
  expect(message).toMatch(/may have been brought to the chain: The wallet declined/);
  expect(message).not.toMatch(/Nothing (new )?is delegated/);
  expect((await readDelegations(config)).map(({ budget }) => budget?.status)).toEqual(["granted", "unknown"]);
  // The card's own words, sent by the contract.
  const stops = await stopCardOf(config, own);
  const { link } = stops.find(({ link: each }) => each.endsWith("/revokeAll"))!;
  expect(link).toBe(`ethereum:${own.account}@31337/revokeAll`);
  const { data } = ownerCall(own.account, "revokeAll");
  await sendTransaction(world.chain, here.anna, {
    to: contractAccount.address,
    data: encodeFunctionData({
      abi: parseAbi(["function run(address target, bytes data)"]),
      args: [own.account, data],
    }),
  });
  expect((await readDelegations(config))[0]!.budget).toMatchObject({ epoch: 1n });
});

test("without a purse nobody could bring a contract's signature: its wallet is shown nothing", async () => {
  const contractAccount = await contractWalletOf("own-poor", true);
  const here = await ownScene("own-poor", { contractAccount, purse: false });
  await expect(handAccount(here, { payer: contractAccount.address })).rejects.toMatchObject({
    shortMessage: "The payer's wallet is a contract, whose signature no operation can carry.",
    remedy: expect.stringContaining("Nothing was asked of the wallet"),
  });
  expect(here.wallet.heard("proposal")).toEqual([]);
});

test("a contract that is not there yet (ERC-6492) is told to be deployed first", async () => {
  const contractAccount = await contractWalletOf("own-later", false);
  const here = await ownScene("own-later", { contractAccount });
  await expect(handAccount(here, { payer: contractAccount.address })).rejects.toThrow(
    "The payer's wallet is a contract that is not deployed yet.",
  );
});

const root = path.join(import.meta.dirname, "../..");
type Event = {
  readonly kind?: string;
  readonly what?: string;
  readonly uri?: string;
  readonly config?: string;
};

/** `bursar delegate`, until it is done or killed. @param killAt the event at which it is */
async function delegate(
  { anna, state, wallet }: OwnScene,
  words: readonly string[],
  killAt?: (event: Event) => boolean,
): Promise<{ readonly events: readonly Event[]; readonly errors: string; readonly status: number | null }> {
  writeFileSync(
    path.join(state, "agent.ts"),
    `import { treasurer } from ${JSON.stringify(path.join(root, "src/agents/treasurer.ts"))};
export default treasurer({ inbox: "./inbox", mailSettings: "./mail.json" });
`,
  );
  const child = spawn(
    process.execPath,
    [
      "--disable-warning=ExperimentalWarning",
      "--conditions=source",
      path.join(root, "src/cli/main.ts"),
    ].concat(["delegate", "agent.ts", "--account", anna.address, "--yes", "--json"], words),
    { cwd: state, stdio: ["ignore", "pipe", "pipe"] },
  );
  const events: Event[] = [];
  let errors = "";
  child.stderr.on("data", (text: Buffer) => (errors += text.toString()));
  createInterface(child.stdout).on("line", (line) => {
    const event = JSON.parse(line) as Event;
    events.push(event);
    if (event.uri !== undefined) wallet.do({ do: "pair", uri: event.uri }).catch(() => undefined);
    if (killAt?.(event)) child.kill("SIGKILL");
  });
  const [status] = (await once(child, "close")) as [number | null];
  return { events, errors, status };
}
const askedBy = (events: readonly Event[]) => askedIn(events as Parameters<typeof askedIn>[0]);

test("killed (-9) before the last signature and behind it, the command goes on where it was, and nothing is on the chain twice", async () => {
  const here = await ownScene("own-killed");
  const { state, world } = here;
  let policies = 0;
  const early = await delegate(
    here,
    [],
    ({ kind, what }) => kind === "asked" && what === "policy" && ++policies === 2,
  );
  expect(early.status).toBeNull();
  const [folder] = readdirSync(path.join(state, "accounts"));
  expect(existsSync(path.join(state, "accounts", folder!, "bursar.json"))).toBe(false);

  const late = await delegate(
    here,
    ["--fund", "0.1 ETH"],
    ({ kind, what }) => kind === "asked" && what === "funds",
  );
  expect([late.status, askedBy(late.events)]).toEqual([null, ["sign-in", "policy", "policy", "funds"]]);
  const file = path.join(state, "accounts", folder!, "bursar.json");
  const listed = JSON.parse((await bursarIn(state, "delegations", "--json")).stdout) as object;
  expect(listed).toMatchObject({ delegations: [{ account: here.anna.address.toLowerCase() }, {}] });

  const done = await delegate(here, ["--fund", "0.1 ETH"]);
  expect(done.errors).not.toMatch(/error/i);
  expect(done.status).toBe(0);
  expect(askedBy(done.events)).not.toContain("policy");
  expect(done.events.at(-1)!.config).toBe(file);
  const { account: own } = await readConfig(file);
  expect(await isDeployed(world.chain, own)).toBe(false);
  expect(await world.chain.client.getBalance({ address: own })).toBe(parseEther("0.1"));
  await mint(world, own, 100n * units);
  // The command itself, with a real model.
  writeInbox(state, { "1.eml": bill("INV-1", "40.00") });
  const ran = await bursarIn(state, "run", "agent.ts", "--config", file, "--once", "--json");
  expect(JSON.parse(ran.stdout.split("\n")[0]!)).toMatchObject({ outcome: "paid" });
  expect(await creationsOf({ ...world, account: own })).toHaveLength(1);
  const doctor = await bursarIn(state, "doctor", "--config", file);
  expect(doctor.stdout).toMatch(/ok +grant USDC +In force; the account holds 60.00 USDC\./);
  expect(doctor.stdout).toMatch(/ok +grant ETH +Signed by the owner/);
});

test("a payer who signs and does not fund is told that the policy is signed, and keeps the stop card", async () => {
  const here = await ownScene("own-unfunded");
  const { config, wallet } = here;
  await handAccount(here);
  // Signed before: nothing is asked but the sign-in and the money.
  const { errors, events, status } = await delegate(here, ["--fund", "0.1 ETH"], ({ kind }) => {
    if (kind === "rung") wallet.do({ do: "mode", onRequest: "reject" }).catch(() => undefined);
    return false;
  });
  expect(errors + JSON.stringify(events)).not.toMatch(/Nothing (new )?is delegated/);
  expect([status, askedBy(events)]).toEqual([1, ["sign-in", "funds"]]);
  const [card, failure] = events.slice(-2);
  expect(card).toMatchObject({ config: expect.stringContaining("bursar.json"), stops: expect.any(Array) });
  expect(JSON.stringify(card)).toContain("/revokeAll");
  expect(failure).toMatchObject({
    error: {
      message: expect.stringMatching(/^The policy is signed, .*declined to send/),
      remedy: expect.stringMatching(/may still come.*asked for again.*stop card/),
    },
  });
  expect((await readDelegations(config)).map(({ state }) => state)).toEqual(["inForce", "inForce"]);
});

test("a journal that can't be read hides nobody else's delegations, and is named", async () => {
  const here = await ownScene("own-unread");
  const { state } = here;
  const { own } = await handAccount(here);
  const broken = path.join(state, "accounts", "x", "state", "journal.db");
  mkdirSync(path.dirname(broken), { recursive: true });
  writeFileSync(broken, "");
  const listed = await bursarIn(state, "delegations");
  expect(listed.stdout.match(new RegExp(own.account, "gi"))).toHaveLength(2);
  expect(listed.stderr).toContain(`Not read, so that what it delegates is not known: ${broken}: `);
  expect(listed.status).toBe(1);
  const { delegations, unread } = JSON.parse((await bursarIn(state, "delegations", "--json")).stdout) as {
    readonly [list: string]: readonly object[];
  };
  expect(delegations).toHaveLength(2);
  expect(unread).toMatchObject([{ journal: broken }]);
  const { id } = own.delegations[0]!;
  const calls = await bursarIn(state, "delegations", "revoke", id.slice(0, 12), "--calldata");
  expect(JSON.parse(calls.stdout)).toHaveLength(2);
});

test("the commands say what such a delegation is, how it ends, and which words are not for it", async () => {
  const here = await ownScene("own-words");
  const { anna, state } = here;
  const { own } = await handAccount(here);
  const listed = await bursarIn(state, "delegations");
  expect(listed.stdout).toMatch(
    new RegExp(
      `out of ${own.account} of ${anna.address}, left 0.00 ETH now, 2.00 ETH in all, until 2036.*not deployed yet`,
      "i",
    ),
  );
  const id = own.delegations[0]!.id;
  const calls = JSON.parse(
    (await bursarIn(state, "delegations", "revoke", id.slice(0, 12), "--calldata")).stdout,
  ) as {
    readonly to: `0x${string}`;
    readonly data: `0x${string}`;
  }[];
  expect(calls).toHaveLength(2);
  expect((await bursarIn(state, "delegations", "revoke", id, "--yes")).stderr).toMatch(
    /only he ends what its agent may do/,
  );
  for (const { data, to } of calls) await sendTransaction(here.world.chain, anna, { to, data });
  expect((await bursarIn(state, "delegations")).stdout).toMatch(
    /revoked on the chain[^]*USDC.*signed: the first operation/,
  );
  const refused = async (...words: readonly string[]) =>
    JSON.stringify((await delegate(here, words)).events.at(-1));
  expect(await refused("--total", "100.00 USDC")).toMatch(/--total bounds a grant/);
  expect(await refused("--rung", "spendGrant")).toMatch(/No grant can serve the policy/);
  expect(await refused("--rung", "erc7715")).toMatch(/There is no rung ..erc7715..? to ask for/);
  // What he left is not touched by what he revoked, until nothing is left.
  expect(askedIn((await handAccount(here)).events)).toEqual(["sign-in"]);
  const all = ownerCall(own.account, "revoke", [own.delegations[1]!.id]);
  await sendTransaction(here.world.chain, anna, { to: all.to, data: all.data });
  expect(await refused()).toMatch(/has revoked every limit of that account/);
});
