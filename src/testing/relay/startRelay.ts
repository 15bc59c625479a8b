import { createServer, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

import { WebSocketServer, type WebSocket } from "ws";

import { PortInUseError } from "../serveChain.ts";
import { openMailboxes, type Letter, type Mailboxes } from "./mailboxes.ts";
import { clientOf } from "./relayAuth.ts";
import { longestMessage, readCall, readMessage, ttlOf, type RelayCall } from "./relayCalls.ts";
import { openClient, type RelayClient } from "./relayClient.ts";
import { openFaultBook, type InjectedFault, type RelayFault } from "./relayFaults.ts";

export type RelayOptions = {
  /** 0 takes any free one. */
  readonly port?: number;
  /** File that messages and acknowledgements are kept in; in memory only without. */
  readonly journal?: string;
  /** Clients give up a silent connection after 35 s, so at most 30,000 ms. */
  readonly pingMs?: number;
  /** After how long an unacknowledged message is delivered again, in milliseconds. */
  readonly redeliverMs?: number;
  /** Project ids that are let in; all of them without. */
  readonly projects?: readonly string[];
};

/** A call that a client made: what a relay can see of it. */
export type SeenCall = {
  readonly client: string;
  readonly method: string;
  readonly topic?: string;
  readonly tag?: number;
};

export type LocalRelay = {
  /** ws://127.0.0.1:port */
  readonly url: string;
  /** The last thousand calls. */
  readonly calls: readonly SeenCall[];
  /** Client ids of the open connections. */
  readonly clients: readonly string[];
  inject(fault: RelayFault): InjectedFault;
  /** Delivers everything that it still has once more, also what was acknowledged: a hostile relay. Authors get nothing back. */
  replay(): void;
  /** Ends all connections with this code, or, without one, without a word. */
  disconnect(code?: number, reason?: string): void;
  /** Stops without a word, forgets what is not in the journal, and comes back after `downMs` at the same port. */
  restart(downMs?: number): Promise<void>;
  close(): Promise<void>;
};

const mostClients = 256;
/** The SDK sometimes opens one connection after the other (2.21.8, cut off while it pairs): the others shall not go short. */
const mostOfOneClient = 16;
const mostCalls = 1000;
/** What is longer ends the connection. A message that is too long fits in, to be refused in words; SDKs send parts of it twice. In bytes. */
const longestFrame = 4 * longestMessage;
/** An id of 19 digits, as the protocol has them: milliseconds and six digits that count. */
const idDigits = 1_000_000n;

/**
 * A WalletConnect relay on loopback, for development and tests: it knows who is who by their tokens, keeps messages for who is away,
 * delivers them at least once, and fails as it is told to. It reads nothing: all messages are encrypted between their ends.
 *
 * @throws PortInUseError · RelayJournalError
 */
export async function startRelay(options: RelayOptions = {}): Promise<LocalRelay> {
  const { journal, pingMs = 20_000, projects, redeliverMs = 10_000 } = options;
  const now = (): number => Date.now();
  const faults = openFaultBook();
  const calls: SeenCall[] = [];
  const clients = new Set<RelayClient>();
  let mailboxes: Mailboxes = openMailboxes(journal, now);
  let port = options.port ?? 0;
  let counter = 0n;
  const nextId = (): string => String(BigInt(now()) * idDigits + (counter++ % idDigits));

  function publish(
    from: string,
    topic: string,
    message: string,
    {
      attestation,
      tag = 0,
      ttl,
    }: { tag?: number | undefined; ttl?: number | undefined; attestation?: string | null | undefined },
  ): void {
    const publishedAt = now();
    const letter: Letter = {
      id: nextId(),
      topic,
      message,
      tag,
      publishedAt,
      expiresAt: publishedAt + ttlOf(ttl) * 1000,
      from,
      attestation: attestation ?? null,
    };
    if (mailboxes.put(letter)) for (const client of clients) offer(client, letter);
  }
  function offer(client: RelayClient, letter: Letter): void {
    if (client.follows(letter.topic) && mailboxes.isUnread(letter, client.id)) client.deliver(letter);
  }
  const bringUnread = (client: RelayClient, topics: readonly string[]): void => {
    for (const topic of topics)
      for (const letter of mailboxes.unread(client.id, topic)) client.deliver(letter);
  };
  const fetchUnread = (client: RelayClient, topics: readonly string[]) => ({
    messages: topics.flatMap((topic) =>
      mailboxes.unread(client.id, topic).map((letter) => {
        mailboxes.acknowledge(letter, client.id);
        const { attestation, message, publishedAt, tag } = letter;
        return { topic, message, publishedAt, tag, attestation };
      }),
    ),
    hasMore: false,
  });

  /** Carries a call out. `after` is what follows the answer: messages come after the answer to their subscription. */
  function obey(
    client: RelayClient,
    call: RelayCall,
  ): { readonly result: unknown; readonly after?: () => void } {
    switch (call.name) {
      case "publish":
        publish(client.id, call.params.topic, call.params.message, call.params);
        return { result: true };
      case "batchPublish":
        for (const one of call.params.messages) publish(client.id, one.topic, one.message, one);
        return { result: true };
      case "subscribe": {
        const { topic } = call.params;
        return { result: client.follow(topic), after: () => bringUnread(client, [topic]) };
      }
      case "batchSubscribe": {
        const { topics } = call.params;
        return {
          result: topics.map((topic) => client.follow(topic)),
          after: () => bringUnread(client, topics),
        };
      }
      case "unsubscribe":
        client.unfollow(call.params.topic);
        return { result: true };
      case "batchUnsubscribe":
        for (const { topic } of call.params.subscriptions) client.unfollow(topic);
        return { result: true };
      case "fetchMessages":
        return { result: fetchUnread(client, [call.params.topic]) };
      case "batchFetchMessages":
        return { result: fetchUnread(client, call.params.topics) };
      case "proposeSession": {
        const { attestation, pairingTopic, sessionProposal } = call.params;
        client.follow(pairingTopic);
        publish(client.id, pairingTopic, sessionProposal, { tag: 1100, attestation });
        return { result: true };
      }
      case "approveSession": {
        const { pairingTopic, sessionProposalResponse, sessionSettlementRequest, sessionTopic } = call.params;
        client.follow(sessionTopic);
        publish(client.id, pairingTopic, sessionProposalResponse, { tag: 1101 });
        publish(client.id, sessionTopic, sessionSettlementRequest, { tag: 1102 });
        return { result: true };
      }
    }
  }

  function hear(client: RelayClient, text: string): void {
    const message = readMessage(text);
    if (message === undefined) return client.socket.close(1003, "not JSON-RPC");
    const { idText, method } = message;
    if (method === undefined) {
      if (message.acknowledged) client.acknowledge(idText.replaceAll('"', ""));
      return;
    }
    const answer = (rest: object): void =>
      client.socket.send(`{"id":${idText},"jsonrpc":"2.0",${JSON.stringify(rest).slice(1)}`);
    try {
      const call = readCall(method, message.params);
      if (call === undefined)
        return answer({ error: { code: -32601, message: `the relay has no method ${method.slice(0, 64)}` } });
      const seen = seenOf(client, method, call);
      calls.push(seen);
      if (calls.length > mostCalls) calls.shift();
      const fault = faults.meet("call", seen);
      if (fault?.do === "blackHole") return;
      if (fault?.do === "refuse")
        return answer({ error: { code: -32000, message: "the relay was told to refuse this" } });
      const { after, result } = obey(client, call);
      if (fault?.do !== "loseAnswer") answer({ result });
      after?.();
    } catch (error) {
      answer({ error: { code: -32602, message: (error as Error).message } });
    }
  }

  function admit(socket: WebSocket, id: string): void {
    const client = openClient({ id, socket, faults, mailboxes, now, nextId });
    clients.add(client);
    socket.on("message", (data, isBinary) => {
      if (isBinary) socket.close(1003, "text only");
      else hear(client, (data as Buffer).toString("utf8"));
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      clients.delete(client);
      client.close();
    });
  }

  /** Why a connection is not taken, or whose it is. */
  function examine(url: URL): { readonly id: string } | { readonly code: number; readonly reason: string } {
    if (faults.meet("connection", {})) return { code: 3000, reason: "Project not found" };
    if (clients.size >= mostClients)
      return { code: 3001, reason: `Too many requests: ${mostClients} connections` };
    const project = url.searchParams.get("projectId");
    if (projects !== undefined && (project === null || !projects.includes(project)))
      return { code: 3000, reason: "Unauthorized: invalid key" };
    try {
      const id = clientOf(url.searchParams.get("auth") ?? "", now() / 1000);
      if ([...clients].filter((client) => client.id === id).length >= mostOfOneClient)
        return { code: 3001, reason: `Too many requests: ${mostOfOneClient} connections of one client` };
      return { id };
    } catch (error) {
      return { code: 3000, reason: `Unauthorized: ${(error as Error).message}` };
    }
  }

  const sockets = new WebSocketServer({ noServer: true, maxPayload: longestFrame });
  function upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const url = new URL(request.url ?? "/", "ws://relay");
    const bearer = /^Bearer (\S+)$/.exec(request.headers.authorization ?? "")?.[1];
    if (bearer !== undefined && !url.searchParams.has("auth")) url.searchParams.set("auth", bearer);
    const verdict = examine(url);
    // A client that asked for it learns by a close code why it is not let in, any other by HTTP.
    if ("code" in verdict && url.searchParams.get("useOnCloseEvent") !== "true") {
      const status = verdict.code === 3000 ? "401 Unauthorized" : "429 Too Many Requests";
      stream.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    sockets.handleUpgrade(request, stream, head, (socket) => {
      if ("id" in verdict) admit(socket, verdict.id);
      else socket.close(verdict.code, verdict.reason);
    });
  }

  let server = createServer();
  async function listen(): Promise<void> {
    server = createServer((_, response) => response.end("A relay for development; it speaks WebSocket.\n"));
    server.on("upgrade", upgrade);
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) =>
        reject(error.code === "EADDRINUSE" ? new PortInUseError(port) : error),
      );
      server.listen(port, "127.0.0.1", resolve);
    });
    const address = server.address();
    if (typeof address === "object" && address) ({ port } = address);
  }
  /** A restart and an end that come together come one after the other. */
  let last: Promise<unknown> = Promise.resolve();
  function inTurn(work: () => Promise<void>): Promise<void> {
    const mine = last.then(work);
    last = mine.catch(() => undefined);
    return mine;
  }
  async function stop(): Promise<void> {
    for (const { socket } of clients) socket.terminate();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    mailboxes.close();
  }

  await listen().catch((error: unknown) => {
    mailboxes.close();
    throw error;
  });
  const timers = [
    setInterval(() => {
      for (const { socket } of clients) socket.ping();
    }, pingMs),
    setInterval(() => {
      for (const client of clients) client.remind(now() - redeliverMs);
    }, redeliverMs / 2),
  ];

  return {
    get url() {
      return `ws://127.0.0.1:${port}`;
    },
    calls,
    get clients() {
      return [...clients].map(({ id }) => id);
    },
    inject: (fault) =>
      faults.inject(fault, () => {
        if (fault.on !== "delivery") return;
        for (const client of clients) for (const letter of mailboxes.all()) offer(client, letter);
      }),
    replay() {
      for (const client of clients)
        for (const letter of mailboxes.all())
          if (client.follows(letter.topic) && letter.from !== client.id) client.deliver(letter);
    },
    disconnect(code, reason) {
      for (const { socket } of clients)
        if (code === undefined) socket.terminate();
        else socket.close(code, reason);
    },
    restart: (downMs = 0) =>
      inTurn(async () => {
        await stop();
        await new Promise((resolve) => setTimeout(resolve, downMs));
        mailboxes = openMailboxes(journal, now);
        await listen();
      }),
    close: () =>
      inTurn(async () => {
        for (const timer of timers) clearInterval(timer);
        await stop();
      }),
  };
}

function seenOf({ id }: RelayClient, method: string, { name, params }: RelayCall): SeenCall {
  // The two calls that carry a session name neither tag nor topic; these are what they stand for.
  if (name === "proposeSession") return { client: id, method, topic: params.pairingTopic, tag: 1100 };
  if (name === "approveSession") return { client: id, method, topic: params.sessionTopic, tag: 1102 };
  const { tag, topic } = params as { readonly tag?: number; readonly topic?: string };
  return {
    client: id,
    method,
    ...(topic === undefined ? {} : { topic }),
    ...(tag === undefined ? {} : { tag }),
  };
}
