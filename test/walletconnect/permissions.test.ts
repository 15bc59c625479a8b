// The rung of a wallet's own permission: given, spent under, used up, ended; by both names; and every answer that is another one refused.
import { encodeFunctionData, keccak256 } from "viem";
import { expect, test } from "vitest";

import { permissionSpenderAbi } from "../../src/chain/abi/permissionSpender.ts";
import { sendTransaction } from "../../src/chain/deploy.ts";
import { isDeployed } from "../../src/chain/isDeployed.ts";
import { ownerCall } from "../../src/chain/ownerCall.ts";
import { probePermission } from "../../src/chain/probePermission.ts";
import { delegationsIn, putDelegation } from "../../src/journal/delegations.ts";
import { permissionOf } from "../../src/policy/permission.ts";
import { settleCutOff } from "../../src/runtime/delegate/settleCutOff.ts";
import { decideAll, openHouse } from "../integration/house.ts";
import { writeInbox } from "../integration/mails.ts";
import { makeWorld, paidTo } from "../integration/world.ts";
import { bill, hand, inShort, openDesk, served, units } from "./delegateScene.ts";
import { permissionScene, policyTextOf } from "./permissionScene.ts";
import { until } from "./until.ts";

type Here = Awaited<ReturnType<typeof permissionScene>>;
/** 60 USDC in all, unless told otherwise. */
const handPermission = (here: Here, options: Parameters<typeof hand>[1] = {}) =>
  hand(here, {
    expected: here.anna.address,
    permissions: here.permissions,
    terms: { total: 60n * units },
    ...options,
  });

test("a permission is given, spent under, used up for the period, and ended by the payer's own transaction", async () => {
  const here = await permissionScene("permission");
  const { anna, journal, permissions, state, wallet, world } = here;
  const { delegation, events } = await handPermission(here);
  expect(events.map((event) => ("what" in event ? `${event.kind} ${event.what}` : event.kind))).toEqual([
    "uri",
    "connected",
    "asked sign-in",
    "rung",
    "explained",
    // Before anything is signed: a stop that is sent to an address without code stops nothing.
    "sent spender",
    "asked permission",
    "inForce",
  ]);
  expect(delegation).toMatchObject({
    rung: "erc7715",
    contract: permissions.deployment.address.toLowerCase(),
    account: anna.address.toLowerCase(),
  });
  expect(delegationsIn(journal)).toMatchObject([{ state: "inForce", delegation: { id: delegation.id } }]);
  // What the wallet was shown is what was explained.
  const { params } = wallet.heard("request").find(({ method }) => method.startsWith("wallet_"))!;
  expect(params).toMatchObject([
    {
      chainId: "0x7a69",
      from: anna.address,
      to: permissions.deployment.address,
      permission: {
        type: "erc20-token-periodic",
        isAdjustmentAllowed: false,
        data: { periodAmount: "0x3938700", justification: "Pays Anna's bills." },
      },
      rules: [{ type: "expiry" }],
    },
  ]);
  const explained = events.find((event) => event.kind === "explained")!;
  expect(explained.sentences.join("\n")).toMatch(/The most that this can ever cost is 60\.00 USDC/);
  expect(explained.sentences.join("\n")).toMatch(/your wallet does not show it/);

  const house = openHouse(world, { state, journal });
  const desk = await openDesk(world, journal, state);
  const decide = (mails: Readonly<Record<string, string>>) => {
    writeInbox(state, mails);
    return decideAll(house, state);
  };
  await decide({ "1.eml": bill("INV-1", "40.00") });
  await decide({ "2.eml": bill("INV-2", "20.01") });
  expect(inShort(house)).toEqual([
    ["allow", "paid"],
    ["deny", "refused", "delegation-window"],
  ]);
  expect(await paidTo(world, "acme")).toBe(40n * units);
  // And by the chain, whoever has the agent's key.
  const permission = permissionOf(delegation.grant);
  expect(await probePermission(world.chain, permission, 20n * units)).toBeUndefined();
  expect((await probePermission(world.chain, permission, 20n * units + 1n))?.error).toMatch(
    /transfer-amount-exceeded/,
  );

  await sendTransaction(world.chain, anna, {
    to: delegation.contract,
    data: encodeFunctionData({ abi: permissionSpenderAbi, functionName: "revoke", args: [delegation.id] }),
  });
  await decide({ "3.eml": bill("INV-3", "1.00") });
  expect(inShort(house).at(-1)).toEqual(["deny", "refused", "delegation-revoked"]);

  await wallet.do({ do: "disconnect" });
  await until(() => delegationsIn(journal)[0]!.state === "paused", "the delegation pauses", 15_000);
  await decide({ "4.eml": bill("INV-4", "1.00") });
  expect(inShort(house).at(-1)).toEqual(["deny", "refused", "no-delegation"]);
  await desk.close();
  journal.close();
});

test("a wallet that knows the method by its old name is asked by it, in periods of the policy's window", async () => {
  const here = await permissionScene("oldname", { method: "wallet_grantPermissions" });
  const { journal, state, wallet, world } = here;
  const { delegation } = await handPermission(here, { terms: { perWindow: 30n * units } });
  expect(delegation.why).toContain("wallet_grantPermissions");
  expect(delegation.grant).toMatchObject({ perPeriod: "30000000", period: 86_400 });
  const { params } = wallet.heard("request").find(({ method }) => method === "wallet_grantPermissions")!;
  expect(params).toMatchObject([{ address: here.anna.address, isAdjustmentAllowed: false }]);
  const house = openHouse(world, { state, journal });
  const desk = await openDesk(world, journal, state);
  writeInbox(state, { "1.eml": bill("INV-1", "30.00") });
  await decideAll(house, state);
  expect(inShort(house)).toEqual([["allow", "paid"]]);
  await desk.close();
  journal.close();
});

// What else is refused, and by which words: test/unit/runtime/delegate/readPermission.test.ts.
test("what differs from what was asked, or is not signed, or not limited, is refused and delegates nothing", async () => {
  const here = await permissionScene("hostile-permissions");
  const refusals: Record<string, string> = {};
  const modes = [
    "otherTo",
    "moreSigned",
    "signedByStranger",
    "unsigned",
    "blindEnforcer",
    "blindClock",
  ] as const;
  for (const mode of modes) {
    await here.wallet.do({ do: "mode", onRequest: mode });
    // More than she has: what a token refuses is no enforcer's answer.
    refusals[mode] = await handPermission(here, { terms: { total: 5000n * units } }).then(
      () => "in force",
      (error: Error) => error.message.split("\n")[0]!,
    );
  }
  expect(refusals).toMatchInlineSnapshot(`
    {
      "blindClock": "The contracts that the wallet named would allow spending after its end.",
      "blindEnforcer": "The contracts that the wallet named would allow more than was asked for.",
      "moreSigned": "The wallet permitted something else than it was asked: what it signed is not limited to the amount a period.",
      "otherTo": "The wallet permitted something else than it was asked: it is for somebody else.",
      "signedByStranger": "The chain does not take the permission: the permission is not signed by the payer (InvalidERC1271Signature()).",
      "unsigned": "The chain does not take the permission: the permission is not signed by a key (ECDSAInvalidSignatureLength(0)).",
    }
  `);
  expect(delegationsIn(here.journal)).toEqual([]);
  // What was signed all the same, its payer can end at a contract that is there.
  expect(await isDeployed(here.world.chain, here.permissions.deployment.address)).toBe(true);
  here.journal.close();
});

test("a plain key, which obeys no permissions, is told so", async () => {
  const here = await permissionScene("plainkey", { plain: true });
  await expect(handPermission(here)).rejects.toThrow(/obeys no permissions yet/);
  expect(delegationsIn(here.journal)).toEqual([]);
  here.journal.close();
});

test("a wallet that declines has permitted nothing", async () => {
  const here = await permissionScene("declinedpermission");
  const confirm = async () => {
    await here.wallet.do({ do: "mode", onRequest: "reject" });
    return true;
  };
  await expect(handPermission(here, { confirm })).rejects.toThrow(/declined to permit it/);
  expect(delegationsIn(here.journal)).toEqual([]);
  here.journal.close();
});

test("the rung is a signed grant where no manager is trusted, or an amount per payment is wanted, and the policy has both", async () => {
  const here = await permissionScene("bothrungs", { grants: true });
  const rungOf = async (options: Parameters<typeof hand>[1]) => {
    const confirm = () => false;
    const seen: string[] = [];
    await hand(here, {
      expected: here.anna.address,
      confirm,
      onEvent: (event) => event.kind === "rung" && seen.push(event.rung),
      ...options,
    }).catch(() => undefined);
    return seen;
  };
  expect(await rungOf({ permissions: here.permissions, terms: { total: 60n * units } })).toEqual(["erc7715"]);
  expect(await rungOf({ terms: { total: 60n * units } })).toEqual(["spendGrant"]);
  expect(
    await rungOf({ permissions: here.permissions, terms: { total: 60n * units, perCall: units } }),
  ).toEqual(["spendGrant"]);
  here.journal.close();
});

test("what was heard, and cut off before it was in force, is left alone", async () => {
  const here = await permissionScene("cutoffpermission");
  const { delegation } = await handPermission(here);
  const other = { ...delegation, id: keccak256(delegation.id) };
  putDelegation(here.journal, other);
  await settleCutOff(here.world.chain, here.journal);
  expect(delegationsIn(here.journal).map(({ state }) => state)).toEqual(["inForce", "paused"]);
  here.journal.close();
});

test("a wallet that parts before its permission is in force has ended it here: the agent leaves it alone", async () => {
  const here = await permissionScene("partedpermission");
  const { journal, wallet } = here;
  const going = handPermission(here, {
    onEvent(event, link) {
      if (event.kind !== "rung") return;
      const { requestPermissions } = link;
      Object.assign(link, {
        async requestPermissions(...asked: Parameters<typeof requestPermissions>) {
          const outcome = await requestPermissions(...asked);
          await wallet.do({ do: "disconnect" });
          await until(async () => (await link.resume()).sessions.length === 0, "the link hears of it");
          return outcome;
        },
      });
    },
  });
  await expect(going).rejects.toThrow("The wallet parted before its grant was in force.");
  expect(delegationsIn(journal)).toMatchObject([{ state: "paused" }]);
  journal.close();
});

test("a payer is asked for nothing while another policy lets the agent's key pay others", async () => {
  const here = await permissionScene("otherpolicy");
  const { journal, permissions, wallet, world } = here;
  const policyText = policyTextOf("otherpolicy", permissions.deployment.address, false).replace(
    "payee: { equals: acme }, ",
    "",
  );
  const wider = await makeWorld(served.chain, "otherpolicy", { policyText });
  await expect(handPermission(here)).rejects.toThrow(/by other policies, too/);
  expect(wallet.heard("request").map(({ method }) => method)).toEqual(["personal_sign"]);
  const revoke = ownerCall(world.account, "revoke", [wider.policy.limits[0]!.policyId]);
  await sendTransaction(world.chain, world.owner, revoke);
  expect((await handPermission(here)).delegation.rung).toBe("erc7715");
  journal.close();
});

test("a payer who has ended everything for an agent's contract is not asked again", async () => {
  const here = await permissionScene("endedall");
  const { anna, journal, permissions, world } = here;
  await handPermission(here);
  await sendTransaction(world.chain, anna, {
    to: permissions.deployment.address,
    data: encodeFunctionData({ abi: permissionSpenderAbi, functionName: "revokeAll" }),
  });
  await expect(handPermission(here)).rejects.toThrow(/ended all permissions of this agent for good/);
  journal.close();
});
