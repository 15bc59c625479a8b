// Between a request and its answer everything may die: the link's process, the agent, the wallet, the relay.
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { grant, verifies } from "./documents.ts";
import { eventually, keys, openWorld, type World } from "./world.ts";
import { pause, until } from "./until.ts";

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

/** A wallet that has been asked for a signature and has not answered, and whoever waits for it. */
async function asked() {
  const link = await world.link();
  const wallet = await world.wallet();
  const session = await world.pair(link, wallet);
  await wallet.do({ do: "mode", onRequest: "hold" });
  const ask = () =>
    link.requestTypedData(session.topic, wallet.address, grant("1"), { id: "one", deadlineMs: 60_000 });
  const answer = ask();
  await wallet.says("request");
  return { link, wallet, session, answer, ask };
}

test("the link's process: the answer finds the same promise", async () => {
  const { answer, link, wallet } = await asked();
  process.kill(link.pid!, "SIGKILL");
  await wallet.do({ do: "release", as: "right" });
  expect(await verifies(wallet.address, "1", await answer)).toBe(true);
  expect(wallet.heard("request")).toHaveLength(1);
});

test("the wallet: started again, it shows the request and answers", async () => {
  const { answer, wallet } = await asked();
  await wallet.kill();
  const again = await world.wallet();
  await again.says("answered");
  expect(await verifies(wallet.address, "1", await answer)).toBe(true);
});

test("the relay: its journal has what was under way", async () => {
  const { answer, wallet } = await asked();
  await world.relay.restart(500);
  await wallet.do({ do: "release", as: "right" });
  expect(await verifies(wallet.address, "1", await answer)).toBe(true);
});

test("all of them at once", async () => {
  const { answer, link, wallet } = await asked();
  const relay = world.relay.restart(1000);
  process.kill(link.pid!, "SIGKILL");
  await wallet.kill();
  await relay;
  await world.wallet();
  expect(await verifies(wallet.address, "1", await answer)).toBe(true);
});

test("a link that was closed meanwhile: the next one has the answer, once, and asks nobody again", async () => {
  const { answer, link, session, wallet } = await asked();
  await link.close();
  expect(await answer).toEqual({ outcome: "lost", why: "the link was closed" });
  await wallet.do({ do: "release", as: "right" });
  await wallet.says("answered");
  const next = await world.link();
  const { sessions } = await next.resume();
  expect(sessions.map(({ topic }) => topic)).toEqual([session.topic]);
  const event = await eventually(next, "answer");
  expect(event).toMatchObject({ id: "one", topic: session.topic });
  expect(await verifies(wallet.address, "1", event.outcome)).toBe(true);
  // The relay may bring it as often as it likes.
  world.relay.replay();
  await pause(1000);
  expect(next.events.filter(({ kind }) => kind === "answer")).toHaveLength(1);
  expect(await next.requestTypedData(session.topic, wallet.address, grant("1"), { id: "one" })).toEqual(
    event.outcome,
  );
  expect(wallet.heard("request")).toHaveLength(1);
  await next.forget("one");
  expect((await next.resume()).requests).toEqual([]);
});

test("the link's process, at any moment of asking: one signature, one answer", async () => {
  const link = await world.link();
  const wallet = await world.wallet();
  const session = await world.pair(link, wallet);
  for (const [index, milliseconds] of [0, 5, 15, 30, 60, 120].entries()) {
    const answer = link.requestTypedData(session.topic, wallet.address, grant(`${index}`), {
      id: `ask:${index}`,
    });
    await pause(milliseconds);
    if (link.pid !== null) process.kill(link.pid, "SIGKILL");
    expect(await verifies(wallet.address, `${index}`, await answer)).toBe(true);
  }
  const ids = wallet.heard("request").map(({ id }) => id);
  expect(new Set(ids).size).toBe(6);
  expect((await link.resume()).requests.every(({ outcome }) => outcome?.outcome === "approved")).toBe(true);
});

test("the agent itself, by kill -9 between request and answer: started again, it has the answer", async () => {
  const wallet = await world.wallet({ key: keys.ben });
  await wallet.do({ do: "mode", onRequest: "hold" });
  const start = () => {
    const file = path.join(import.meta.dirname, "programs/askLink.ts");
    const child = spawn(
      process.execPath,
      ["--conditions=source", "--disable-warning=ExperimentalWarning", file, world.relay.url, world.folder],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    const words: Record<string, unknown>[] = [];
    child.stdout.on("data", (chunk: Buffer) => {
      for (const line of chunk.toString().split("\n").filter(Boolean))
        words.push(JSON.parse(line) as Record<string, unknown>);
    });
    return {
      child,
      ended: once(child, "exit"),
      word: (name: string) => until(() => words.find((one) => name in one), name, 30_000),
    };
  };
  const first = start();
  const { uri } = await first.word("uri");
  await wallet.do({ do: "pair", uri: uri as string });
  await wallet.says("request");
  first.child.kill("SIGKILL");
  await first.ended;
  await wallet.do({ do: "release", as: "right" });
  await wallet.says("answered");
  const second = start();
  const outcome = await second.word("outcome");
  expect(await verifies(wallet.address, "7", outcome as never)).toBe(true);
  expect((await second.ended)[0]).toBe(0);
  expect(wallet.heard("request")).toHaveLength(1);
});
