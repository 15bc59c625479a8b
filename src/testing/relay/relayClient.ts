import type { WebSocket } from "ws";

import type { FaultBook } from "./relayFaults.ts";
import type { Letter, Mailboxes } from "./mailboxes.ts";
import { topicId } from "./topicId.ts";

/** Topics that one connection may follow. */
const mostTopics = 2000;

export type RelayClient = {
  /** The did:key of its token. Several connections may be of one client. */
  readonly id: string;
  readonly socket: WebSocket;
  follow(topic: string): string;
  unfollow(topic: string): void;
  follows(topic: string): boolean;
  /** Sends a letter, unless a fault has it otherwise. */
  deliver(letter: Letter): void;
  /** The client says that it has what was delivered under this id. */
  acknowledge(deliveryId: string): void;
  /** Sends again what was delivered before `before` (milliseconds) and not acknowledged. */
  remind(before: number): void;
  close(): void;
};

type Options = {
  readonly id: string;
  readonly socket: WebSocket;
  readonly faults: FaultBook;
  readonly mailboxes: Mailboxes;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** A new 19-digit id. */
  readonly nextId: () => string;
};

/** One connection: what it follows, and what was delivered to it and is not acknowledged yet. */
export function openClient({ faults, id, mailboxes, nextId, now, socket }: Options): RelayClient {
  const topics = new Set<string>();
  const unacknowledged = new Map<string, { readonly letter: Letter; readonly at: number }>();
  const timers = new Set<NodeJS.Timeout>();
  let heldBack: Letter[] = [];

  function send(letter: Letter): void {
    const deliveryId = nextId();
    unacknowledged.set(deliveryId, { letter, at: now() });
    const { attestation, message, publishedAt, tag, topic } = letter;
    socket.send(
      JSON.stringify({
        id: deliveryId,
        jsonrpc: "2.0",
        method: "irn_subscription",
        params: { id: topicId(topic, id), data: { topic, message, publishedAt, tag, attestation } },
      }),
    );
  }

  function deliver(letter: Letter): void {
    const fault = faults.meet("delivery", { tag: letter.tag });
    switch (fault?.do) {
      case "withhold":
        return;
      case "drop":
        unacknowledged.set(nextId(), { letter, at: now() });
        return;
      case "reorder":
        heldBack.push(letter);
        unacknowledged.set(nextId(), { letter, at: now() });
        return;
      case "delay": {
        const timer = setTimeout(() => {
          timers.delete(timer);
          send(letter);
        }, fault.ms);
        timers.add(timer);
        return;
      }
      case "duplicate":
        send(letter);
        send(letter);
        break;
      case undefined:
        send(letter);
    }
    const late = heldBack;
    heldBack = [];
    for (const one of late) send(one);
  }

  return {
    id,
    socket,
    deliver,
    follow(topic) {
      if (!topics.has(topic) && topics.size >= mostTopics)
        throw new Error(`too many topics: ${mostTopics} a connection`);
      topics.add(topic);
      return topicId(topic, id);
    },
    unfollow: (topic) => void topics.delete(topic),
    follows: (topic) => topics.has(topic),
    acknowledge(deliveryId) {
      const delivered = unacknowledged.get(deliveryId);
      if (delivered === undefined) return;
      unacknowledged.delete(deliveryId);
      mailboxes.acknowledge(delivered.letter, id);
    },
    remind(before) {
      for (const [deliveryId, { at, letter }] of unacknowledged) {
        if (at > before) continue;
        unacknowledged.delete(deliveryId);
        if (topics.has(letter.topic) && mailboxes.isUnread(letter, id)) deliver(letter);
      }
    },
    close() {
      for (const timer of timers) clearTimeout(timer);
    },
  };
}
