// What a relay, a wallet and a stranger with a camera may try.
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { LinkBusyError, LinkRequestError } from "../../src/delegation/errors.ts";
import { chainId, grant, verifies } from "./documents.ts";
import { eventually, keys, methods, openWorld, type World } from "./world.ts";
import { pause, until } from "./until.ts";

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

describe("a code that somebody else has seen", () => {
  test("leads to one session, whoever is first; who comes later finds nobody", async () => {
    const link = await world.link();
    const [anna, ben] = [await world.wallet(), await world.wallet({ key: keys.ben })];
    const { settled, uri } = await link.connect({ chains: [chainId], methods });
    await Promise.all([anna.do({ do: "pair", uri }), ben.do({ do: "pair", uri })]);
    const outcome = await settled;
    if (outcome.outcome !== "approved") throw new Error(outcome.outcome);
    const winner = outcome.session.accounts[0]!.address === anna.address ? anna : ben;
    const loser = winner === anna ? ben : anna;
    await pause(3000);
    const { sessions } = await link.resume();
    expect(sessions).toEqual([outcome.session]);
    // The other one may believe what it likes: nothing that it says is heard.
    await loser.do({ do: "announce" }).catch(() => undefined);
    await loser.do({ do: "disconnect" }).catch(() => undefined);
    const answer = await link.requestTypedData(sessions[0]!.topic, winner.address, grant("1"), { id: "one" });
    expect(await verifies(winner.address, "1", answer)).toBe(true);
    expect([
      loser.heard("request"),
      link.events.filter(({ kind }) => kind === "session" || kind === "announced"),
    ]).toEqual([[], []]);
    const late = await world.wallet({ key: `0x${"55".repeat(32)}` });
    await late.do({ do: "pair", uri }).catch(() => undefined);
    await pause(2000);
    expect((await link.resume()).sessions).toEqual(sessions);
  });
});

describe("a hostile relay", () => {
  test("that repeats everything all the time brings nothing twice", async () => {
    const link = await world.link();
    const wallet = await world.wallet();
    const session = await world.pair(link, wallet);
    const repeating = setInterval(() => world.relay.replay(), 50);
    for (const salt of ["1", "2", "3"]) {
      const answer = await link.requestTypedData(session.topic, wallet.address, grant(salt), { id: salt });
      expect(await verifies(wallet.address, salt, answer)).toBe(true);
    }
    // The wallet tells that it answered once the relay has taken the answer, which may be behind the answer's arrival.
    await until(() => wallet.heard("answered").length >= 3, "the wallet's word that it answered");
    clearInterval(repeating);
    expect(new Set(wallet.heard("request").map(({ id }) => id)).size).toBe(3);
    expect(wallet.heard("answered")).toHaveLength(3);
    expect(link.events.filter(({ kind }) => kind === "answer" || kind === "session")).toEqual([]);
  });

  test("that withholds an answer makes it unknown, never failed; it is found when it comes", async () => {
    const link = await world.link();
    const wallet = await world.wallet();
    const session = await world.pair(link, wallet);
    const withheld = world.relay.inject({ on: "delivery", do: "withhold", tags: [1109] });
    const ask = (deadlineMs: number) =>
      link.requestTypedData(session.topic, wallet.address, grant("1"), { id: "one", deadlineMs });
    expect(await ask(2000)).toEqual({ outcome: "expired" });
    expect(await ask(500)).toEqual({ outcome: "expired" });
    await wallet.says("answered");
    withheld.lift();
    const event = await eventually(link, "answer");
    expect(await verifies(wallet.address, "1", event.outcome)).toBe(true);
    expect(await ask(500)).toEqual(event.outcome);
    expect(wallet.heard("request")).toHaveLength(1);
  });

  test("that brings things in another order changes nothing", async () => {
    const link = await world.link();
    const wallet = await world.wallet();
    const session = await world.pair(link, wallet);
    world.relay.inject({ on: "delivery", do: "reorder", times: 2 });
    for (const salt of ["1", "2"])
      expect(
        await verifies(
          wallet.address,
          salt,
          await link.requestTypedData(session.topic, wallet.address, grant(salt), { id: salt }),
        ),
      ).toBe(true);
  });
});

describe("a hostile wallet", () => {
  test.each([
    ["wrongType", "hostile"],
    ["notHex", "hostile"],
    ["tooLong", "hostile"],
    // Only the chain can tell: a contract's signature need not be its owner's.
    ["wrongSigner", "approved"],
  ] as const)("that answers %s is %s, and what it says signs nothing", async (mode, outcome) => {
    const link = await world.link();
    const wallet = await world.wallet();
    const session = await world.pair(link, wallet);
    await wallet.do({ do: "mode", onRequest: mode });
    const answer = await link.requestTypedData(session.topic, wallet.address, grant("1"), { id: "one" });
    expect(answer.outcome).toBe(outcome);
    expect(await verifies(wallet.address, "1", answer)).toBe(false);
    const { requests } = await link.resume();
    expect(requests[0]?.outcome).toEqual(answer);
  });

  const accounts = [`eip155:${chainId}:0x000000000000000000000000000000000000bad1`];
  test.each([
    ["an end between two seconds", { expiry: 4_000_000_000.5 }],
    ["an end that is no number", { expiry: "never" }],
    ["chains that are no list", { namespaces: { eip155: { accounts, methods, events: [], chains: 7 } } }],
    ["nothing about itself", { controller: { publicKey: "ab".repeat(32) } }],
    ["properties that are none", { sessionProperties: { a: { b: 1 }, c: null } }],
  ])("that settles a session with %s stops the link for nobody else", async (_, spoilt) => {
    const link = await world.link();
    const mallory = await world.wallet({ key: keys.ben, spoilt });
    const { settled, uri } = await link.connect({ chains: [chainId], methods, deadlineMs: 10_000 });
    await mallory.do({ do: "pair", uri }).catch(() => undefined);
    await settled;
    await link.close();
    const next = await world.link();
    const anna = await world.wallet();
    const session = await world.pair(next, anna);
    const answer = await next.requestTypedData(session.topic, anna.address, grant("1"), { id: "one" });
    expect(await verifies(anna.address, "1", answer)).toBe(true);
    expect([...link.events, ...next.events].filter(({ kind }) => kind === "crashed")).toEqual([]);
  });

  test.each([
    ["with a number that is none", "wildRefusal", { code: 0, message: "no" }],
    ["in half a character", "halfRefusal", { code: 4001, message: `${"a".repeat(399)}\ufffd` }],
  ] as const)("that refuses %s has refused, and the link stands", async (_, onRequest, refusal) => {
    const link = await world.link();
    const wallet = await world.wallet();
    const session = await world.pair(link, wallet);
    await wallet.do({ do: "mode", onRequest });
    const ask = { id: "one", deadlineMs: 10_000 };
    expect(await link.requestTypedData(session.topic, wallet.address, grant("1"), ask)).toEqual({
      outcome: "rejected",
      ...refusal,
    });
    expect(link.events.filter(({ kind }) => kind === "crashed")).toEqual([]);
  });

  test("that changes accounts is heard at once, and an answer of an account that left does not count", async () => {
    const link = await world.link();
    const wallet = await world.wallet();
    const session = await world.pair(link, wallet);
    await wallet.do({ do: "mode", onRequest: "hold" });
    const waiting = link.requestTypedData(session.topic, wallet.address, grant("1"), { id: "one" });
    await wallet.says("request");
    await wallet.do({ do: "switchAccount", key: keys.ben });
    const { before, session: changed } = await eventually(link, "changed");
    expect(before.accounts).toEqual(session.accounts);
    expect(changed.accounts).toHaveLength(1);
    expect(changed.accounts).not.toEqual(session.accounts);
    await wallet.do({ do: "release", as: "right" });
    expect(await waiting).toMatchObject({
      outcome: "hostile",
      why: expect.stringContaining("left the session"),
    });
    await wallet.do({ do: "announce" });
    expect(await eventually(link, "announced")).toMatchObject({ name: "accountsChanged" });
    await expect(
      link.requestTypedData(session.topic, wallet.address, grant("2"), { id: "two" }),
    ).rejects.toThrow("the account is not one of the session");
    const [{ address }] = changed.accounts as [(typeof changed.accounts)[0]];
    const answer = await link.requestTypedData(session.topic, address, grant("3"), { id: "three" });
    expect(await verifies(address, "3", answer)).toBe(true);
  });
});

describe("a caller's mistake", () => {
  test("is refused before anything is sent", async () => {
    const link = await world.link();
    const wallet = await world.wallet();
    const session = await world.pair(link, wallet);
    const elsewhere = { ...grant("1"), domain: { ...grant("1").domain, chainId: 1 } };
    const ask = (document: typeof elsewhere, options: { id: string; expirySeconds?: number }) =>
      link.requestTypedData(session.topic, wallet.address, document, options);
    await expect(ask(elsewhere, { id: "chain" })).rejects.toThrow("no account on this chain");
    await expect(ask(grant("1"), { id: "soon", expirySeconds: 299 })).rejects.toThrow(
      "300 to 604800 whole seconds",
    );
    await expect(ask(grant("1"), { id: "late", expirySeconds: 604_801 })).rejects.toThrow(LinkRequestError);
    await expect(ask(grant("1"), { id: "" })).rejects.toThrow("1 to 128 characters");
    await expect(
      link.request(session.topic, { chainId, method: "eth_sign", params: [] }, { id: "method" }),
    ).rejects.toThrow("did not approve this method");
    expect((await ask(grant("1"), { id: "one" })).outcome).toBe("approved");
    await expect(ask(grant("2"), { id: "one" })).rejects.toThrow("the id belongs to another request");
    expect(wallet.heard("request")).toHaveLength(1);
    expect((await link.resume()).requests.map(({ id }) => id)).toEqual(["one"]);
  });

  test("is bounded: proposals that nobody answers, requests that pile up", async () => {
    const link = await world.link();
    const open = await Promise.all([1, 2, 3, 4].map(() => link.connect({ chains: [chainId], methods })));
    await expect(link.connect({ chains: [chainId], methods })).rejects.toThrow(LinkBusyError);
    for (const { cancel } of open) cancel();
    expect(await Promise.all(open.map(({ settled }) => settled))).toEqual(
      open.map(() => ({ outcome: "lost", why: "it was cancelled" })),
    );
    const wallet = await world.wallet();
    const session = await world.pair(link, wallet);
    await wallet.do({ do: "mode", onRequest: "hold" });
    const many = Array.from({ length: 10 }, (_, index) =>
      link
        .requestTypedData(session.topic, wallet.address, grant(`${index}`), {
          id: `${index}`,
          deadlineMs: 3000,
        })
        .then(
          ({ outcome }) => outcome,
          (error: unknown) => (error as Error).name,
        ),
    );
    expect((await Promise.all(many)).toSorted()).toEqual([
      "LinkBusyError",
      ...Array.from({ length: 9 }, () => "expired"),
    ]);
    // One at a time: the others were never sent.
    expect(wallet.heard("request")).toHaveLength(1);
    expect((await link.resume()).requests).toHaveLength(1);
  });
});

describe("a session", () => {
  test("is extended in time, for both", async () => {
    const first = await world.link();
    const wallet = await world.wallet();
    const session = await world.pair(first, wallet);
    await first.close();
    // Ends are whole seconds: in the second of the pairing, seven days from now is what it already has.
    await until(() => Date.now() / 1000 > session.expiresAt - 7 * 24 * 3600 + 1, "the next second");
    const link = await world.link({ extendSeconds: 8 * 24 * 3600 });
    const { before, session: after } = await eventually(link, "changed");
    expect(after.expiresAt).toBeGreaterThan(before.expiresAt);
    const [at] = (await wallet.do({ do: "sessions" })) as { topic: string; expiry: number }[];
    expect([at!.topic, at!.expiry]).toEqual([
      session.topic,
      expect.toSatisfy((expiry) => (expiry as number) > before.expiresAt),
    ]);
  });

  test("that is ended here while the relay is away is ended at the wallet when it is back", async () => {
    const link = await world.link();
    const wallet = await world.wallet();
    const session = await world.pair(link, wallet);
    const hole = world.relay.inject({ on: "call", do: "blackHole" });
    const begun = performance.now();
    await link.disconnect(session.topic);
    expect(performance.now() - begun).toBeLessThan(6000);
    expect((await link.resume()).sessions).toEqual([]);
    await link.close();
    hole.lift();
    const next = await world.link();
    expect((await next.resume()).sessions).toEqual([]);
    await wallet.says("ended");
    await until(() => next.events.every(({ kind }) => kind === "relay"), "no word of the old session");
  });
});
