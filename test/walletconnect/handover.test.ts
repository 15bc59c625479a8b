// The story with a wallet that nobody here wrote.
import { verifyMessage, verifyTypedData } from "viem";
import { parseSiweMessage } from "viem/siwe";
import { afterEach, beforeEach, expect, test } from "vitest";

import { chainId, grant, signIn } from "./documents.ts";
import { eventually, keys, methods, openWorld, type World } from "./world.ts";

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

test("pairs, signs in by a nonce, signs a document, refuses another, and parts", async () => {
  const link = await world.link();
  const wallet = await world.wallet();
  const session = await world.pair(link, wallet);
  expect(session.accounts).toEqual([{ chainId, address: wallet.address }]);
  expect(session.methods).toEqual([...methods]);
  expect(session.claims).toEqual({ name: "test wallet", url: "https://wallet.example" });
  expect(session.properties).toEqual({ atomic: "unsupported" });
  const [account] = session.accounts;

  const { nonce, text } = signIn(account!);
  const signedIn = await link.requestText(session.topic, account!, text, { id: "sign-in" });
  if (signedIn.outcome !== "approved") throw new Error(signedIn.outcome);
  expect(await verifyMessage({ address: wallet.address, message: text, signature: signedIn.answer })).toBe(
    true,
  );
  expect(parseSiweMessage(text).nonce).toBe(nonce);

  const signed = await link.requestTypedData(session.topic, wallet.address, grant("7"), { id: "grant" });
  if (signed.outcome !== "approved") throw new Error(signed.outcome);
  expect(
    await verifyTypedData({
      address: wallet.address,
      ...(grant("7") as object),
      signature: signed.answer,
    } as never),
  ).toBe(true);
  // Asked again, by whoever forgot: the recorded answer, and nothing at the wallet.
  expect(await link.requestTypedData(session.topic, wallet.address, grant("7"), { id: "grant" })).toEqual(
    signed,
  );
  expect(wallet.heard("request")).toHaveLength(2);

  await wallet.do({ do: "mode", onRequest: "reject" });
  expect(await link.send(session.topic, account!, { to: wallet.address, value: 1n }, { id: "send" })).toEqual(
    {
      outcome: "rejected",
      code: 5000,
      message: "User rejected.",
    },
  );

  await link.disconnect(session.topic);
  await wallet.says("ended");
  expect((await link.resume()).sessions).toEqual([]);
  expect(link.events.filter(({ kind }) => kind === "breach" || kind === "crashed")).toEqual([]);
  expect(await link.requestText(session.topic, account!, "more", { id: "late" })).toMatchObject({
    outcome: "lost",
  });
  expect((await link.resume()).requests.map(({ id, outcome }) => [id, outcome?.outcome])).toEqual([
    ["sign-in", "approved"],
    ["grant", "approved"],
    ["send", "rejected"],
  ]);
});

test("hears that the wallet parted, and gives up what it waited for", async () => {
  const link = await world.link();
  const wallet = await world.wallet();
  const session = await world.pair(link, wallet);
  await wallet.do({ do: "mode", onRequest: "hold" });
  const waiting = link.requestTypedData(session.topic, wallet.address, grant("1"), { id: "one" });
  await wallet.says("request");
  await wallet.do({ do: "disconnect" });
  expect(await waiting).toEqual({ outcome: "lost", why: "the wallet ended the session" });
  expect(await eventually(link, "ended")).toEqual({ kind: "ended", topic: session.topic, why: "wallet" });
});

test("tells a rejected proposal, one nobody answers, and one on another chain", async () => {
  const link = await world.link();
  const wallet = await world.wallet();
  await wallet.do({ do: "mode", onProposal: "reject" });
  const rejected = await link.connect({ chains: [chainId], methods });
  await wallet.do({ do: "pair", uri: rejected.uri });
  expect(await rejected.settled).toMatchObject({ outcome: "rejected", code: 5000 });

  await wallet.do({ do: "mode", onProposal: "hold" });
  const ignored = await link.connect({ chains: [chainId], methods, deadlineMs: 1000 });
  await wallet.do({ do: "pair", uri: ignored.uri });
  expect(await ignored.settled).toEqual({ outcome: "expired" });

  const elsewhere = await world.wallet({ key: keys.ben, chains: [1], stubborn: true });
  const unfit = await link.connect({ chains: [chainId], methods });
  await elsewhere.do({ do: "pair", uri: unfit.uri });
  expect(await unfit.settled).toEqual({
    outcome: "unfit",
    why: "the wallet approved no account on chain 31337",
  });
  await elsewhere.says("ended");
  expect((await link.resume()).sessions).toEqual([]);
});
