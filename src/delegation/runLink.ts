import {
  toLinkSchema,
  longestAnswer,
  type FromLink,
  type OpenLink,
  type RawSession,
  type ToLink,
} from "./linkMessages.ts";
import { allowOnlyRelay } from "./onlyRelay.ts";
import { remoteStorage, type RemoteStorage } from "./remoteStorage.ts";
import type { WireClient } from "./wireClient.ts";

type Send = (message: FromLink) => void;
type Session = ReturnType<WireClient["client"]["session"]["get"]>;
type Response = {
  readonly result?: unknown;
  readonly error?: unknown;
};
type HistoryRecord = {
  readonly id: number;
  readonly topic: string;
  readonly request: { readonly method: string };
  readonly response?: Response;
};

/** The SDK, its storage, and the open proposals: their pairing topics by their ids. */
type Wire = WireClient & { readonly proposals: Map<number, string>; readonly storage: RemoteStorage };

/** Where the envelope of a request is kept while it is open. */
const sentKey = (wireId: number): string => `bursar//sent//${wireId}`;
/** The protocol's own number for a request to a wallet. */
const requestTag = 1108;
/** How long an end of the process waits for the socket to close, in milliseconds. */
const closeMs = 500;
/** After this a pairing that led to a session is taken down: a second scan of its code must find nobody. In milliseconds. */
const pairingMs = 5000;

const cut = (text: unknown, length: number): string =>
  (typeof text === "string" ? text : (JSON.stringify(text) ?? "")).slice(0, length).toWellFormed();
/** A stranger's number as the parent takes it: a whole one, or 0. What the schema refused would end this process at every start. */
const whole = (value: unknown): number =>
  typeof value === "number" && Number.isSafeInteger(Math.trunc(value)) ? Math.trunc(value) : 0;
const fields = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? { ...value } : {};
const sentence = (error: unknown): string =>
  cut(
    error instanceof Error ? error.message : ((error as { message?: unknown } | null)?.message ?? error),
    400,
  );

/** What the process does with what its parent tells it. @returns the ear */
export function runLink(send: Send, end: (error: unknown) => void): (raw: unknown) => Promise<void> {
  const storage = remoteStorage(send);
  let wire: Wire | undefined;
  return async (raw) => {
    const message = toLinkSchema.parse(raw);
    if (message.type === "stored") {
      wire?.heard();
      return storage.stored(message);
    }
    if (message.type === "open") {
      allowOnlyRelay(message.relayUrl, (what) => send({ type: "breach", what: cut(what, 400) }));
      // Imported here: the SDK takes hold of the global WebSocket when it is loaded.
      const { openWireClient } = await import("./wireClient.ts");
      const caughtUp = (): void => send({ type: "caughtUp" });
      wire = { ...(await openWireClient(message, storage, caughtUp)), proposals: new Map(), storage };
      listen(wire, send, end);
      return welcome(wire, message, send);
    }
    if (wire === undefined) throw new Error("nothing is open");
    await obey(wire, message, send);
  };
}

/** Everything that the SDK tells of by itself. */
function listen({ client, proposals }: Wire, send: Send, end: (error: unknown) => void): void {
  const { core } = client;
  const tellSession = (topic: string): void => {
    if (client.session.keys.includes(topic))
      send({ type: "session", session: describe(client.session.get(topic)) });
  };
  core.relayer.on("relayer_connect", () => send({ type: "relay", state: "up" }));
  core.relayer.on("relayer_disconnect", () => send({ type: "relay", state: "down" }));
  if (core.relayer.connected) send({ type: "relay", state: "up" });
  core.relayer.on("relayer_error", end);
  core.history.on("history_updated", (record: HistoryRecord) => tellAnswer(record, send));
  client.on("session_connect", ({ session }) => {
    tellSession(session.topic);
    const { pairingTopic } = session;
    setTimeout(() => void dropPairing({ client }, pairingTopic), pairingMs).unref();
  });
  client.on("session_update", ({ topic }) => tellSession(topic));
  client.on("session_extend", ({ topic }) => tellSession(topic));
  client.on("session_delete", ({ topic }) => send({ type: "ended", topic, why: "wallet" }));
  client.on("session_expire", ({ topic }) => send({ type: "ended", topic, why: "expired" }));
  // For proposals of before a restart, which the SDK itself no longer watches.
  client.on("proposal_expire", ({ id }) => {
    const pairingTopic = proposals.get(id);
    if (proposals.delete(id) && pairingTopic !== undefined) send({ type: "proposalExpired", pairingTopic });
  });
  client.on("session_event", ({ params, topic }) => {
    const data = JSON.stringify(params.event.data ?? null);
    if (data.length <= 16_384) send({ type: "announced", topic, name: cut(params.event.name, 256), data });
  });
}

/** What was found in the storage: answers first, so that whoever hears `ready` knows them. */
async function welcome(wire: Wire, open: OpenLink, send: Send): Promise<void> {
  const { client, engine, storage } = wire;
  for (const wireId of open.requests) expectAnswer(wire, wireId);
  const sent = new Set(open.requests.map(sentKey));
  for (const key of await storage.getKeys())
    if (key.startsWith(sentKey(0).slice(0, -1)) && !sent.has(key)) await storage.removeItem(key);
  for (const record of client.core.history.values as readonly HistoryRecord[]) tellAnswer(record, send);
  for (const { id, pairingTopic } of client.proposal.getAll())
    if (open.proposals.includes(pairingTopic)) watchProposal(wire, id, pairingTopic, send);
    else await engine.deleteProposal(id).catch(() => undefined);
  for (const { topic } of client.core.pairing.pairings.getAll())
    if (!open.proposals.includes(topic)) void dropPairing(wire, topic);
  for (const topic of open.ended)
    if (client.session.keys.includes(topic)) void disconnect(wire, topic).catch(() => undefined);
  const sessions = client.session.getAll().filter(({ topic }) => !open.ended.includes(topic));
  send({ type: "ready", sessions: sessions.map(describe) });
}

async function obey(
  wire: Wire,
  message: Exclude<ToLink, { type: "open" | "stored" }>,
  send: Send,
): Promise<void> {
  const { client, engine, storage } = wire;
  try {
    switch (message.type) {
      case "connect": {
        const { call, chains, events, methods } = message;
        const { uri } = await client.connect({ optionalNamespaces: { eip155: { chains, methods, events } } });
        const pairingTopic = /^wc:([0-9a-f]{64})@/.exec(uri ?? "")?.[1];
        const proposal = client.proposal.getAll().find((one) => one.pairingTopic === pairingTopic);
        if (uri === undefined || pairingTopic === undefined || proposal === undefined)
          return send({ type: "failed", call, why: "the SDK made no proposal" });
        watchProposal(wire, proposal.id, pairingTopic, send);
        return send({ type: "proposed", call, uri, pairingTopic });
      }
      case "cancel": {
        const proposal = client.proposal.getAll().find((one) => one.pairingTopic === message.pairingTopic);
        if (proposal !== undefined) {
          await engine.deleteProposal(proposal.id).catch(() => undefined);
          // Takes the SDK's own listeners of this proposal away.
          client.events.emit("proposal_expire", { id: proposal.id });
        }
        return await dropPairing(wire, message.pairingTopic);
      }
      case "request": {
        const { call, chainId, expiresAt, method, seconds, topic, wireId } = message;
        expectAnswer(wire, wireId);
        const request = { method, params: JSON.parse(message.params) as unknown, expiryTimestamp: expiresAt };
        const payload = {
          id: wireId,
          jsonrpc: "2.0" as const,
          method: "wc_sessionRequest",
          params: { request, chainId: `eip155:${chainId}` },
        };
        client.core.history.set(topic, payload);
        // The same request goes out in the same envelope every time: relay and wallet know it again, while two envelopes of one
        // request have the wallet's SDK show it twice, or hold up all that comes after it.
        const kept = await storage.getItem<string>(sentKey(wireId));
        const envelope = kept ?? (await client.core.crypto.encode(topic, payload));
        if (kept === undefined) await storage.setItem(sentKey(wireId), envelope);
        await client.core.relayer.publish(topic, envelope, {
          id: `${wireId}000` as unknown as number,
          ttl: seconds,
          prompt: true,
          tag: requestTag,
          internal: { throwOnFailedPublish: true },
        });
        return send({ type: "done", call });
      }
      case "recorded":
        client.core.history.delete(message.topic, message.wireId);
        return await storage.removeItem(sentKey(message.wireId));
      case "disconnect":
        if (client.session.keys.includes(message.topic)) await disconnect(wire, message.topic);
        return send({ type: "done", call: message.call });
      case "extend": {
        const { expiry, topic, wireId } = message;
        engine.events.once(`session_extend:${wireId}`, ({ error }) => {
          if (error !== undefined || !client.session.keys.includes(topic)) return;
          void engine
            .setExpiry(topic, expiry)
            .then(() => send({ type: "session", session: describe(client.session.get(topic)) }))
            .catch(() => undefined);
        });
        await engine.sendRequest({
          clientRpcId: wireId,
          relayRpcId: `${wireId}000`,
          topic,
          method: "wc_sessionExtend",
          params: {},
          throwOnFailedPublish: true,
        });
        return;
      }
      case "stop": {
        client.core.heartbeat.stop();
        const closing = client.core.relayer.transportClose().catch(() => undefined);
        await Promise.race([closing, new Promise((resolve) => setTimeout(resolve, closeMs))]);
        process.exit(0);
      }
    }
  } catch (error) {
    // Without a call nobody waits for the answer: what was not sent is tried again at another time.
    if ("call" in message) send({ type: "failed", call: message.call, why: sentence(error) });
  }
}

async function disconnect({ client }: WireClient, topic: string): Promise<void> {
  await client.disconnect({ topic, reason: { code: 6000, message: "User disconnected." } });
}

/** Without a listener the SDK takes an answer for an error and keeps it for ever. */
function expectAnswer({ engine }: WireClient, wireId: number): void {
  engine.events.once(`session_request:${wireId}`, () => {});
}

/** Tells how a proposal ends, but for an approval, which `session` tells. */
function watchProposal({ engine, proposals }: Wire, id: number, pairingTopic: string, send: Send): void {
  proposals.set(id, pairingTopic);
  engine.events.once(`session_connect:${id}`, ({ error }) => {
    // The SDK's own word for an expiry is code 0.
    if (!proposals.delete(id) || error === undefined) return;
    const { code, message } = fields(error);
    if (code === undefined || code === 0) send({ type: "proposalExpired", pairingTopic });
    else send({ type: "proposalRejected", pairingTopic, code: whole(code), message: cut(message, 400) });
  });
}

/** Takes a pairing down, here at once and at the relay when it listens. */
async function dropPairing({ client }: Pick<WireClient, "client">, topic: string): Promise<void> {
  const { core } = client;
  const reason = { code: 6000, message: "done" };
  await core.pairing.pairings.delete(topic, reason).catch(() => undefined);
  core.expirer.del(topic);
  if (core.relayer.subscriber.topics.includes(topic))
    await core.relayer.unsubscribe(topic).catch(() => undefined);
  await core.crypto.deleteSymKey(topic).catch(() => undefined);
}

/** Sent before the SDK's own record of it goes: the parent has the answer on the disk before the process may forget it. */
function tellAnswer({ id, request, response, topic }: HistoryRecord, send: Send): void {
  if (request.method !== "wc_sessionRequest" || response === undefined) return;
  if (response.error !== undefined) {
    const { code, message } = fields(response.error);
    return send({ type: "refusal", topic, wireId: id, code: whole(code), message: cut(message, 400) });
  }
  const text = JSON.stringify(response.result ?? null);
  send({ type: "answer", topic, wireId: id, result: text.length > longestAnswer ? null : text });
}

/** What a wallet has settled, made to fit: the SDK looks at some of it only. */
function describe({ expiry, namespaces, pairingTopic, peer, sessionProperties, topic }: Session): RawSession {
  const names = (list: unknown): string[] =>
    Array.isArray(list) ? list.slice(0, 500).map((one) => cut(one, 256)) : [];
  const { name, url } = fields(fields(peer)["metadata"]);
  return {
    topic,
    pairingTopic: cut(pairingTopic, 64),
    expiry: Math.max(0, whole(expiry)),
    namespaces: Object.fromEntries(
      Object.entries(fields(namespaces))
        .slice(0, 64)
        .map(([space, value]) => {
          const { accounts, chains, events, methods } = fields(value);
          return [
            cut(space, 64),
            {
              accounts: names(accounts),
              methods: names(methods),
              events: names(events),
              chains: names(chains),
            },
          ];
        }),
    ),
    name: cut(name, 256),
    url: cut(url, 1024),
    properties: Object.fromEntries(
      Object.entries(fields(sessionProperties))
        .slice(0, 64)
        .map(([key, value]) => [cut(key, 256), cut(value, 4096)]),
    ),
  };
}
