// The whole hand-over, with a wallet that nobody here wrote, on a real chain: pair, sign in, sign, allow, spend, ask, refuse, revoke, part.
import { encodeFunctionData } from "viem";
import { expect, test } from "vitest";

import { spendGrantAbi } from "../../src/chain/abi/spendGrant.ts";
import { sendTransaction } from "../../src/chain/deploy.ts";
import { delegationsIn } from "../../src/journal/delegations.ts";
import { readEntries } from "../../src/journal/entries.ts";
import type { JournalDatabase } from "../../src/journal/openJournal.ts";
import { decideAll, openHouse } from "../integration/house.ts";
import { writeInbox } from "../integration/mails.ts";
import { keyOf, paidTo } from "../integration/world.ts";
import { bill, contract, hand, inShort, openDesk, scene, units, untilRelayed } from "./delegateScene.ts";
import { until } from "./until.ts";

test("a grant is signed, spent under, lifted by the wallet's yes, refused by its no, revoked, and parted from", async () => {
  const here = await scene("story");
  const { anna, journal, state, wallet, world } = here;
  const { delegation, events } = await hand(here, { expected: anna.address });
  expect(events.map((event) => ("what" in event ? `${event.kind} ${event.what}` : event.kind))).toEqual([
    "uri",
    "connected",
    "asked sign-in",
    "rung",
    "explained",
    "asked grant",
    "asked allowance",
    "sent grant",
    "inForce",
  ]);
  expect(delegationsIn(journal)).toMatchObject([{ state: "inForce", delegation: { id: delegation.id } }]);
  // What the wallet was shown is the grant whose hash was told.
  const shown = wallet.heard("request").find(({ method }) => method === "eth_signTypedData_v4")!;
  expect(JSON.parse(shown.params[1] as string)).toMatchObject({
    primaryType: "AgentSpendGrant",
    message: { account: anna.address.toLowerCase(), perCall: "120000000", purpose: "Pays Anna's bills." },
  });

  const house = openHouse(world, { state, journal });
  const desk = await openDesk(world, journal, state);
  const decide = (mails: Readonly<Record<string, string>>) => {
    writeInbox(state, mails);
    return decideAll(house, state);
  };
  await decide({ "1.eml": bill("INV-1", "40.00") });
  await decide({ "2.eml": bill("INV-2", "100.00") });
  expect(inShort(house)).toEqual([
    ["allow", "paid"],
    ["ask", "asked", "needs-approval"],
  ]);
  expect(await paidTo(world, "acme")).toBe(40n * units);
  const answered = (kind: string) =>
    until(
      async () => {
        await desk.scan();
        await decide({});
        return said(journal, kind);
      },
      `the log says ${kind}`,
      30_000,
    );
  await answered("approved");
  await decide({});
  expect(inShort(house).at(-1)).toEqual(["allow", "paid"]);
  expect(await paidTo(world, "acme")).toBe(140n * units);

  await wallet.do({ do: "mode", onRequest: "reject" });
  await decide({ "3.eml": bill("INV-3", "110.00") });
  await answered("declined");
  expect(inShort(house).at(-1)).toEqual(["ask", "asked", "needs-approval"]);
  expect(await paidTo(world, "acme")).toBe(140n * units);

  // From any wallet, without this software.
  await sendTransaction(world.chain, anna, {
    to: contract,
    data: encodeFunctionData({ abi: spendGrantAbi, functionName: "revoke", args: [delegation.id] }),
  });
  await decide({ "4.eml": bill("INV-4", "1.00") });
  expect(inShort(house).at(-1)).toEqual(["deny", "refused", "delegation-revoked"]);

  await wallet.do({ do: "disconnect" });
  await until(() => delegationsIn(journal)[0]!.state === "paused", "the delegation pauses", 15_000);
  await decide({ "5.eml": bill("INV-5", "1.00") });
  expect(inShort(house).at(-1)).toEqual(["deny", "refused", "no-delegation"]);
  await desk.close();
  journal.close();
});

test("an agent that runs now and then: what it asked is with the wallet when it stops, and the answer is heard at the next run", async () => {
  const here = await scene("nowandthen");
  const { anna, journal, state, wallet, world } = here;
  await hand(here, { expected: anna.address });
  const house = openHouse(world, { state, journal });
  await wallet.do({ do: "mode", onRequest: "hold" });
  const asked = () =>
    wallet.heard("request").filter(({ method }) => method === "eth_signTypedData_v4").length;
  const before = asked();
  const first = await openDesk(world, journal, state);
  writeInbox(state, { "1.eml": bill("INV-1", "100.00") });
  await decideAll(house, state);
  await first.scan();
  await first.sent();
  await first.close();
  await until(() => asked() === before + 1, "the wallet shows it");
  await untilRelayed("answer", () => wallet.do({ do: "release", as: "right" }));
  const second = await openDesk(world, journal, state);
  expect(await second.catchUp()).toBe(true);
  await second.scan();
  await second.sent();
  expect(said(journal, "approved")).toBe(true);
  await decideAll(house, state);
  expect(inShort(house).at(-1)).toEqual(["allow", "paid"]);
  expect(asked()).toBe(before + 1);
  await second.close();

  // What the wallet says while nothing runs is heard before the next run decides anything.
  await untilRelayed("parting", () => wallet.do({ do: "disconnect" }));
  const third = await openDesk(world, journal, state);
  expect(delegationsIn(journal).map((row) => row.state)).toEqual(["inForce"]);
  expect(await third.catchUp()).toBe(true);
  expect(delegationsIn(journal).map((row) => row.state)).toEqual(["paused"]);
  // Nobody is left who might say anything.
  expect(await third.catchUp()).toBe(true);
  await third.close();
  journal.close();
});

const said = (journal: JournalDatabase, kind: string): boolean =>
  readEntries(journal).some((entry) => entry.kind === kind);

test("another's wallet that scans the code first is sent away, and is shown nothing to sign", async () => {
  const here = await scene("race", keyOf("race", "mallory"));
  await expect(hand(here, { expected: here.anna.address })).rejects.toThrow(
    /The wallet that connected is another one's/,
  );
  expect(here.wallet.heard("request")).toEqual([]);
  expect(delegationsIn(here.journal)).toEqual([]);
  here.journal.close();
});

test("an account that nobody confirms is not delegated from", async () => {
  const here = await scene("unconfirmed");
  await expect(hand(here, { confirm: () => false })).rejects.toThrow("The account was not confirmed.");
  expect(here.wallet.heard("request")).toEqual([]);
  here.journal.close();
});

test.each([
  ["reject", /declined to sign in/],
  ["wrongSigner", /not signed by the account of the session/],
  ["wrongType", /something else/],
  ["notHex", /something else/],
] as const)("a wallet that answers with %s delegates nothing", async (mode, why) => {
  const here = await scene(`hostile-${mode.toLowerCase()}`);
  await here.wallet.do({ do: "mode", onRequest: mode });
  await expect(hand(here, { expected: here.anna.address })).rejects.toThrow(why);
  expect(delegationsIn(here.journal)).toEqual([]);
  here.journal.close();
});
