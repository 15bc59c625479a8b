import { spawn } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { startRelay, type LocalRelay, type RelayFault, type RelayOptions } from "../../src/testing/index.ts";
import { connectRaw, newIdentity, newTopic, type RawClient } from "./relayClient.ts";
import { pause, until } from "./until.ts";

let folder: string;
let relay: LocalRelay;
const begin = async (options: RelayOptions = {}): Promise<void> => {
  relay = await startRelay({ journal: path.join(folder, "relay.ndjson"), redeliverMs: 200, ...options });
};
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "bursar-relay-"));
});
afterEach(async () => {
  await relay.close();
  rmSync(folder, { recursive: true });
});

const publish = (client: RawClient, topic: string, message: string, more: object = {}) =>
  client.call("irn_publish", { topic, message, ttl: 300, tag: 1108, prompt: true, someday: 1, ...more });
const got = ({ deliveries }: RawClient) => deliveries.map(({ message }) => message);

describe("the contract", () => {
  test("brings a message to who follows its topic, now and later, once acknowledged never again, and never to its author", async () => {
    await begin();
    const [anna, ben] = [newIdentity(), newIdentity()];
    const author = await connectRaw(relay.url, { identity: anna });
    const reader = await connectRaw(relay.url, { identity: ben });
    const topic = newTopic();
    await author.call("irn_subscribe", { topic });
    await publish(author, topic, "early");
    await reader.call("irn_batchSubscribe", { topics: [topic] });
    await publish(author, topic, "late");
    await publish(author, topic, "late");
    await until(() => reader.deliveries.length === 2, "both");
    expect(got(reader)).toEqual(["early", "late"]);
    await pause(500);
    expect([got(reader), got(author)]).toEqual([["early", "late"], []]);
    // The author's other connection is the same client.
    const again = await connectRaw(relay.url, { identity: anna });
    await again.call("iridium_subscribe", { topic });
    const third = await connectRaw(relay.url);
    await third.call("irn_subscribe", { topic });
    await until(() => third.deliveries.length === 2, "what another client never had");
    const fetched = await (
      await connectRaw(relay.url, { identity: ben })
    ).call("irn_fetchMessages", { topic });
    expect([got(again), fetched.result]).toEqual([[], { messages: [], hasMore: false }]);
  });

  test("delivers again what is not acknowledged, as text ids of 19 digits", async () => {
    await begin();
    const author = await connectRaw(relay.url);
    const deaf = await connectRaw(relay.url, { acknowledge: false });
    const topic = newTopic();
    await deaf.call("irn_subscribe", { topic });
    await publish(author, topic, "hello");
    await until(() => deaf.deliveries.length >= 3, "three times");
    expect(new Set(got(deaf))).toEqual(new Set(["hello"]));
    for (const { id } of deaf.deliveries) expect(id).toMatch(/^\d{19}$/);
    expect(
      deaf.lines
        .filter((line) => line.includes("irn_subscription"))
        .every((line) => /"id":"\d{19}"/.test(line)),
    ).toBe(true);
  });

  test("gives an id back digit by digit, number or text", async () => {
    await begin();
    const client = await connectRaw(relay.url);
    client.say(
      `{"id":1763841234567890123,"jsonrpc":"2.0","method":"irn_subscribe","params":{"topic":"${newTopic()}"}}`,
    );
    client.say(
      `{"id":"1763841234567890124","jsonrpc":"2.0","method":"irn_subscribe","params":{"id":7,"topic":"${newTopic()}"}}`,
    );
    await until(() => client.lines.length === 2, "two answers");
    expect(client.lines[0]).toContain('{"id":1763841234567890123,');
    expect(client.lines[1]).toContain('{"id":"1763841234567890124",');
  });

  test("keeps a message as long as it says", async () => {
    await begin();
    const author = await connectRaw(relay.url);
    const topic = newTopic();
    await publish(author, topic, "short", { ttl: 1 });
    await publish(author, topic, "long");
    await pause(1100);
    const reader = await connectRaw(relay.url);
    await reader.call("irn_subscribe", { topic });
    await until(() => reader.deliveries.length > 0, "one");
    expect(got(reader)).toEqual(["long"]);
  });

  test("pings within the 30 seconds that clients wait", async () => {
    await begin({ pingMs: 50 });
    const { WebSocket } = await import("ws");
    const socket = new WebSocket(`${relay.url}/?auth=${newIdentity().token()}`);
    await expect(new Promise((resolve) => socket.once("ping", () => resolve("ping")))).resolves.toBe("ping");
    socket.terminate();
  });

  test("refuses tokens that do not hold, by code 3000 or by HTTP", async () => {
    await begin({ projects: ["local"] });
    const one = newIdentity();
    const now = Math.floor(Date.now() / 1000);
    const tokens: readonly [string, string][] = [
      ["", "no token"],
      ["a.b.c", "token of another algorithm"],
      [one.token({}, { alg: "none" }), "token of another algorithm"],
      [one.token({ iss: newIdentity().id }), "token with a wrong signature"],
      [one.token({ iss: "did:web:example" }), "issuer is no did:key"],
      [one.token({ exp: now - 3600 }), "token expired"],
      [one.token({ iat: now + 3600 }), "token from the future"],
    ];
    for (const [token, why] of tokens)
      expect(await (await connectRaw(relay.url, { token })).closed).toEqual({
        code: 3000,
        reason: `Unauthorized: ${why}`,
      });
    const { WebSocket } = await import("ws");
    const socket = new WebSocket(`${relay.url}/?auth=nonsense&projectId=local`);
    const status = await new Promise((resolve) => {
      socket.on("unexpected-response", (_, response) => resolve(response.statusCode));
      socket.on("error", () => undefined);
    });
    expect(status).toBe(401);
  });

  test("lets one client have 16 connections, and no more", async () => {
    await begin();
    const identity = newIdentity();
    for (let index = 0; index < 16; index++) await connectRaw(relay.url, { identity });
    expect((await (await connectRaw(relay.url, { identity })).closed).code).toBe(3001);
    expect(new Set(relay.clients)).toEqual(new Set([identity.id]));
    expect(
      (await (await connectRaw(relay.url)).call("irn_subscribe", { topic: newTopic() })).error,
    ).toBeUndefined();
  });

  test("says what it does not take", async () => {
    await begin();
    const client = await connectRaw(relay.url);
    const said = async (method: string, params: object) => (await client.call(method, params)).error?.message;
    expect(await said("irn_publish", { topic: "abc", message: "x" })).toContain("topic: a topic is 32 bytes");
    expect(await said("irn_publish", { topic: newTopic(), message: "x".repeat(512 * 1024 + 1) })).toContain(
      "at most 524288",
    );
    expect(await said("irn_batchSubscribe", { topics: Array.from({ length: 501 }, newTopic) })).toContain(
      "at most 500 topics",
    );
    expect(await said("irn_dance", {})).toContain("no method irn_dance");
    for (let index = 0; index < 4; index++)
      await client.call("irn_batchSubscribe", { topics: Array.from({ length: 500 }, newTopic) });
    expect(await said("irn_subscribe", { topic: newTopic() })).toContain("too many topics: 2000");
    const topic = newTopic();
    const writer = await connectRaw(relay.url);
    for (let index = 0; index < 500; index++) await publish(writer, topic, `m${index}`);
    expect((await publish(writer, topic, "one more")).error?.message).toContain("the mailbox is full");
    client.say("this is not JSON");
    expect((await client.closed).code).toBe(1003);
  });
});

describe("the journal", () => {
  test("survives kill -9: messages and acknowledgements, and a torn last line", async () => {
    await begin();
    const file = path.join(folder, "killed.ndjson");
    const start = async (port: number) => {
      const child = spawn(
        process.execPath,
        [
          "--conditions=source",
          "src/cli/main.ts",
          "relay",
          "--json",
          "--port",
          String(port),
          "--journal",
          file,
        ],
        { stdio: ["ignore", "pipe", "inherit"] },
      );
      const text = await new Promise<Buffer>((resolve) => child.stdout.once("data", resolve));
      return { child, url: (JSON.parse(text.toString()) as { url: string }).url };
    };
    const ended = (child: ReturnType<typeof spawn>) =>
      new Promise<number | null>((resolve) => child.once("exit", resolve));
    const reader = newIdentity();
    const topic = newTopic();
    const first = await start(0);
    const author = await connectRaw(first.url);
    await publish(author, topic, "read");
    const before = await connectRaw(first.url, { identity: reader });
    await before.call("irn_subscribe", { topic });
    await until(() => readFileSync(file, "utf8").includes("ack"), "the acknowledgement");
    // Else it would have read the next one too, if it is fast.
    await before.call("irn_unsubscribe", { topic });
    await publish(author, topic, "unread");
    first.child.kill("SIGKILL");
    await ended(first.child);
    appendFileSync(file, '{"letter":{"id":"torn');
    const second = await start(Number(new URL(first.url).port));
    const after = await connectRaw(second.url, { identity: reader });
    await after.call("irn_subscribe", { topic });
    await until(() => after.deliveries.length > 0, "the unread one");
    expect(got(after)).toEqual(["unread"]);
    second.child.kill("SIGINT");
    expect(await ended(second.child)).toBe(0);
  });

  test("refuses one that is damaged in the middle", async () => {
    await begin();
    const file = path.join(folder, "damaged.ndjson");
    appendFileSync(file, '{"what":1}\n{"ack":["a","b"]}\n');
    await expect(startRelay({ journal: file })).rejects.toThrow("The relay's journal can't be read.");
  });
});

describe("faults", () => {
  const run = async (
    fault: RelayFault,
    during: (reader: RawClient, send: (message: string) => Promise<unknown>) => Promise<void>,
  ) => {
    await begin();
    const [author, reader] = [await connectRaw(relay.url), await connectRaw(relay.url)];
    const topic = newTopic();
    await reader.call("irn_subscribe", { topic });
    const injected = relay.inject(fault);
    await during(reader, (message) => publish(author, topic, message));
    return injected;
  };

  test("a dropped delivery comes again", async () => {
    const { hits } = await run(
      { on: "delivery", do: "drop", times: 1, tags: [1108] },
      async (reader, send) => {
        await send("a");
        await pause(50);
        expect(reader.deliveries).toEqual([]);
        await until(() => reader.deliveries.length === 1, "again");
      },
    );
    expect(hits).toBe(1);
  });

  test("a delayed one comes late, a duplicate twice, a reordered one after the next", async () => {
    await run({ on: "delivery", do: "delay", ms: 120, times: 1 }, async (reader, send) => {
      await send("a");
      await pause(50);
      expect(reader.deliveries).toEqual([]);
      await until(() => reader.deliveries.length === 1, "late");
    });
    await relay.close();
    await run({ on: "delivery", do: "duplicate", times: 1 }, async (reader, send) => {
      await send("a");
      await until(() => reader.deliveries.length === 2, "twice");
      expect(reader.deliveries[0]!.id).not.toBe(reader.deliveries[1]!.id);
    });
    await relay.close();
    await run({ on: "delivery", do: "reorder", times: 1 }, async (reader, send) => {
      await send("a");
      await send("b");
      await until(() => reader.deliveries.length >= 2, "both");
      expect(got(reader).slice(0, 2)).toEqual(["b", "a"]);
    });
  });

  test("a withheld one comes when the fault is lifted, and replay brings everything once more", async () => {
    await begin();
    const [author, reader] = [await connectRaw(relay.url), await connectRaw(relay.url)];
    const topic = newTopic();
    await reader.call("irn_subscribe", { topic });
    const fault = relay.inject({ on: "delivery", do: "withhold" });
    await publish(author, topic, "a");
    await pause(500);
    expect(reader.deliveries).toEqual([]);
    fault.lift();
    await until(() => reader.deliveries.length === 1, "lifted");
    await pause(50);
    relay.replay();
    await until(() => reader.deliveries.length === 2, "replayed");
    expect(author.deliveries).toEqual([]);
  });

  test("a call falls into a black hole, loses its answer, is refused", async () => {
    await begin();
    const [author, reader] = [await connectRaw(relay.url), await connectRaw(relay.url)];
    const topic = newTopic();
    await reader.call("irn_subscribe", { topic });
    const silent = async (promise: Promise<unknown>) =>
      (await Promise.race([promise, pause(150).then(() => "silence")])) === "silence";
    relay.inject({ on: "call", do: "blackHole", methods: ["irn_publish"], times: 1 });
    relay.inject({ on: "call", do: "loseAnswer", methods: ["irn_publish"], times: 1 });
    relay.inject({ on: "call", do: "refuse", times: 1 });
    expect(await silent(publish(author, topic, "swallowed"))).toBe(true);
    expect(await silent(publish(author, topic, "done, unsaid"))).toBe(true);
    expect((await publish(author, topic, "no")).error?.message).toContain("told to refuse");
    await until(() => reader.deliveries.length === 1, "the one that was carried out");
    expect(got(reader)).toEqual(["done, unsaid"]);
  });

  test("closed while it restarts, it ends once and stays away", async () => {
    await begin();
    const other = await startRelay({ journal: path.join(folder, "other.ndjson") });
    const back = other.restart(100);
    await other.close();
    await back;
    expect((await (await connectRaw(other.url)).closed).code).toBe(1006);
  });

  test("connections are closed with 3000, cut off, refused, and a restart forgets nothing of the journal", async () => {
    await begin();
    const first = await connectRaw(relay.url);
    relay.disconnect(3000, "Project not found");
    expect(await first.closed).toEqual({ code: 3000, reason: "Project not found" });
    const refusing = relay.inject({ on: "connection", do: "refuse" });
    expect((await (await connectRaw(relay.url)).closed).code).toBe(3000);
    refusing.lift();
    const author = await connectRaw(relay.url);
    const topic = newTopic();
    await publish(author, topic, "kept");
    const { url } = relay;
    await relay.restart(50);
    expect([relay.url, (await author.closed).code]).toEqual([url, 1006]);
    const reader = await connectRaw(url);
    await reader.call("irn_subscribe", { topic });
    await until(() => reader.deliveries.length === 1, "kept");
  });
});
