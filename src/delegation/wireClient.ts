import { Core } from "@walletconnect/core";
import { SignClient } from "@walletconnect/sign-client";

import type { OpenLink } from "./linkMessages.ts";
import type { RemoteStorage } from "./remoteStorage.ts";

type Client = Awaited<ReturnType<typeof SignClient.init>>;
type Payload = { readonly method?: string };
type Listener = (event: { readonly error?: { readonly code?: number; readonly message?: string } }) => void;

/** What the pinned release calls private and we need: sending under an id of our own, without its own promises, which crash. */
export type Engine = {
  readonly events: { once(name: string, listener: Listener): void };
  sendRequest(request: {
    readonly clientRpcId: number;
    readonly relayRpcId: string;
    readonly topic: string;
    readonly method: string;
    readonly params: object;
    readonly expiry?: number;
    readonly throwOnFailedPublish: true;
  }): Promise<number>;
  deleteProposal(id: number): Promise<void>;
  setExpiry(topic: string, expiry: number): Promise<void>;
};
type Relayer = {
  readonly messages: {
    readonly messages: unknown;
    readonly messagesWithoutClientAck: unknown;
    getWithoutAck(topics: readonly string[]): Readonly<Record<string, readonly string[]>>;
    persist(): Promise<void>;
    setRelayerMessages(messages: unknown): Promise<void>;
    setRelayerMessagesWithoutClientAck(messages: unknown): Promise<void>;
  };
  acknowledgePayload(payload: Payload): Promise<void>;
  onProviderPayload(payload: Payload): Promise<void>;
};

export type WireClient = {
  readonly client: Client;
  readonly engine: Engine;
  /** Something was worked on: what the relay had kept may not have come yet. */
  readonly heard: () => void;
};

/**
 * After this much silence, in milliseconds, what lay at the relay has come: it pushes it as soon as it is asked for, and does not say when
 * that is all. What the SDK writes down is no silence: it tells of a message when that is done.
 */
const quietMs = 500;
/** What came before its listeners were there the SDK works on a second after its start. What is not worked on by now, in milliseconds, never is. */
const longestBacklogMs = 3000;

/** Tells once a connection that what the relay had kept has come and is worked on. */
function tellCaughtUp(
  relayer: Client["core"]["relayer"],
  storage: RemoteStorage,
  tell: () => void,
): { heard(): void; begun(hasBacklog: () => boolean): void } {
  let quiet: NodeJS.Timeout | undefined;
  let isOpen = (): boolean => true;
  const wait = (): void => {
    clearTimeout(quiet);
    quiet = setTimeout(() => {
      if (!storage.isIdle() || isOpen()) return wait();
      quiet = undefined;
      tell();
    }, quietMs);
  };
  relayer.subscriber.on("subscription_resubscribed", wait);
  relayer.on("relayer_disconnect", () => {
    clearTimeout(quiet);
    quiet = undefined;
  });
  return {
    heard() {
      if (quiet !== undefined) wait();
    },
    begun(hasBacklog) {
      isOpen = hasBacklog;
      setTimeout(() => (isOpen = () => false), longestBacklogMs).unref();
    },
  };
}

/**
 * Opens the SDK. The SDK acknowledges a message to the relay and then writes it down; killed in between, it would have lost an answer
 * that the relay takes for delivered. Here it is written down first.
 */
export async function openWireClient(
  { metadata, projectId, relayUrl }: OpenLink,
  storage: RemoteStorage,
  onCaughtUp: () => void,
): Promise<WireClient> {
  const core = new Core({
    projectId,
    relayUrl,
    logger: "silent",
    telemetryEnabled: false,
    storage: storage as unknown as Client["core"]["storage"],
  });
  const relayer = core.relayer as unknown as Relayer;
  const { messages } = relayer;
  const mailbox = tellCaughtUp(core.relayer, storage, onCaughtUp);
  // Known messages are dropped, those to be worked on are worked on after a restart: a kill between the two must not make one only known.
  messages.persist = async () => {
    await messages.setRelayerMessagesWithoutClientAck(messages.messagesWithoutClientAck);
    await messages.setRelayerMessages(messages.messages);
  };
  const receive = relayer.onProviderPayload.bind(relayer);
  const acknowledge = relayer.acknowledgePayload.bind(relayer);
  relayer.acknowledgePayload = () => Promise.resolve();
  relayer.onProviderPayload = async (payload) => {
    mailbox.heard();
    await receive(payload);
    // A connection that is gone meanwhile: the relay delivers again.
    if (payload.method?.endsWith("_subscription")) await acknowledge(payload).catch(() => undefined);
  };
  const client = await SignClient.init({
    core: core as unknown as Client["core"],
    metadata: { ...metadata, icons: [...metadata.icons] },
  });
  const engine = client.engine as unknown as Engine;
  mailbox.begun(() =>
    Object.values(messages.getWithoutAck(client.session.keys)).some(({ length }) => length > 0),
  );
  for (const method of ["sendRequest", "deleteProposal", "setExpiry"] as const)
    if (typeof engine[method] !== "function")
      throw new Error(`sign-client has no ${method}: this is not the release that it was written for`);
  return { client, engine, heard: () => mailbox.heard() };
}
