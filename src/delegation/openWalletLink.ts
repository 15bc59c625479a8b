import { fileURLToPath } from "node:url";

import { numberToHex, stringToHex } from "viem";

import { isJsonObject, type Json } from "../core/json.ts";
import type { LinkRequests, LinkStore } from "../core/linkStore.ts";
import type { Now } from "../core/ports.ts";
import type {
  ConnectOutcome,
  ConnectRequest,
  LinkEvent,
  LinkMetadata,
  RequestOutcome,
  WalletLink,
  WalletSession,
} from "../core/walletLink.ts";
import { openCatchUp } from "./catchUp.ts";
import { countConnections } from "./countConnections.ts";
import { LinkBusyError, LinkClosedError, LinkRequestError, RelayUnreachableError } from "./errors.ts";
import type { FromLink, OpenLink, RawSession } from "./linkMessages.ts";
import { isOther, misfit, readSession } from "./readSession.ts";
import { onlyHex } from "./readAnswer.ts";
import { openRequestDesk } from "./requestDesk.ts";
import { superviseLink, type LinkSupervisor } from "./superviseLink.ts";

export type OpenWalletLinkOptions = {
  /** wss://…, or ws:// on this machine. */
  readonly relayUrl: string;
  /** The public relay wants one, 32 hexadecimal digits; others take any. */
  readonly projectId?: string;
  readonly metadata: LinkMetadata;
  readonly store: LinkStore;
  readonly requests: LinkRequests;
  readonly now: Now;
  /** How long the relay may take to take something, in milliseconds. */
  readonly publishMs?: number;
  /** How long before its end a session is extended, in seconds; a session lives 7 days. */
  readonly extendSeconds?: number;
  /** After how long without a connection the process is replaced, in milliseconds. */
  readonly stuckMs?: number;
};

/** WalletConnect ends a proposal after this, in milliseconds. */
const longestProposalMs = 300_000;
const mostProposals = 4;
/** How long the wallet's own copy of a session may hold up its end here, in milliseconds. */
const disconnectMs = 5000;
const sessionSeconds = 7 * 24 * 3600;
const extendEveryMs = 3600_000;
/** Sessions that were ended here and that the wallet does not know of yet; under this key in the store. */
const endedKey = "bursar//ended";
const mostEnded = 200;

type OpenProposal = { readonly asked: ConnectRequest; settle(outcome: ConnectOutcome): void };

/**
 * Opens the link to wallets: WalletConnect by sign-client 2.21.8, in a process of its own that may crash without loss.
 *
 * @throws LinkStartError
 */
export async function openWalletLink(
  options: OpenWalletLinkOptions,
): Promise<WalletLink & { readonly pid: number | null }> {
  const { metadata, now, publishMs = 20_000, relayUrl, store, stuckMs = 60_000 } = options;
  const sessions = new Map<string, WalletSession>();
  const proposals = new Map<string, OpenProposal>();
  const listeners = new Set<(event: LinkEvent) => void>();
  const ended = new Set<string>(readEnded(await store.get(endedKey)));
  let proposing = 0;
  let waiting = 0;
  let closed = false;
  let stuck: NodeJS.Timeout | undefined;
  let relayUp = false;
  const catchUp = openCatchUp();
  const isStorm = countConnections();

  const tell = (event: LinkEvent): void => {
    for (const listener of listeners) listener(event);
  };
  const onWaiting = (change: 1 | -1): void => {
    waiting += change;
    link.hold(waiting > 0);
  };
  const desk = await openRequestDesk({
    requests: options.requests,
    sessions,
    now,
    publishMs,
    link: () => link,
    onWaiting,
    onAnswer: (id, topic, outcome) => tell({ kind: "answer", id, topic, outcome }),
  });
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const link: LinkSupervisor = superviseLink({
    workerPath: fileURLToPath(new URL(`./linkWorker.${extension}`, import.meta.url)),
    store,
    open: (): OpenLink => ({
      type: "open",
      relayUrl,
      projectId: options.projectId ?? "0".repeat(32),
      metadata: { ...metadata, icons: [...metadata.icons] },
      proposals: [...proposals.keys()],
      requests: [...desk.open()],
      ended: [...ended],
    }),
    onMessage: hear,
    onEnd(how, restartMs, refused) {
      setRelay(false);
      clearTimeout(stuck);
      if (refused) tell({ kind: "relay", state: "refused", why: how });
      tell({ kind: "crashed", how, restartMs });
    },
  });

  function setRelay(up: boolean): void {
    if (!up) catchUp.lost();
    if (relayUp === up) return;
    relayUp = up;
    tell({ kind: "relay", state: up ? "up" : "down" });
  }

  function hear(message: FromLink): void {
    switch (message.type) {
      case "ready":
        for (const raw of message.sessions) takeIn(raw);
        for (const topic of sessions.keys())
          if (!message.sessions.some((raw) => raw.topic === topic)) over(topic, "wallet");
        return extend();
      case "relay":
        setRelay(message.state === "up");
        if (relayUp && isStorm()) return link.replace();
        clearTimeout(stuck);
        // The SDK tries again by itself, and sometimes it only says so.
        if (!relayUp) stuck = setTimeout(() => link.replace(), stuckMs).unref();
        return;
      case "session":
        return takeIn(message.session);
      case "ended":
        return over(message.topic, message.why);
      case "proposalRejected":
        return settle(message.pairingTopic, {
          outcome: "rejected",
          code: message.code,
          message: message.message,
        });
      case "proposalExpired":
        return settle(message.pairingTopic, { outcome: "expired" });
      case "answer":
      case "refusal":
        return catchUp.writing(desk.answered(message).catch(() => link.replace()));
      case "caughtUp":
        return catchUp.reached();
      case "announced": {
        const { name, topic } = message;
        const data: unknown = JSON.parse(message.data);
        if (sessions.has(topic) && isJsonObject({ data }))
          tell({ kind: "announced", topic, name, data: data as Json });
        return;
      }
      case "breach":
        return tell({ kind: "breach", what: message.what });
      case "booted":
      case "store":
      case "proposed":
      case "done":
      case "failed":
      case "fatal":
        // The supervisor's.
        return;
    }
  }

  function settle(pairingTopic: string, outcome: ConnectOutcome): void {
    const proposal = proposals.get(pairingTopic);
    if (proposal === undefined) return;
    proposals.delete(pairingTopic);
    proposal.settle(outcome);
  }

  function takeIn(raw: RawSession): void {
    const { pairingTopic, topic } = raw;
    if (ended.has(topic)) return;
    const session = readSession(raw);
    const before = sessions.get(topic);
    const proposal = proposals.get(pairingTopic);
    const why =
      session === undefined || proposal !== undefined ? misfit(session, proposal?.asked ?? none) : undefined;
    if (why !== undefined || session === undefined) {
      sessions.delete(topic);
      void end(topic);
      settle(pairingTopic, { outcome: "unfit", why: why ?? "the wallet approved no EVM account" });
      if (before !== undefined) {
        desk.ended(topic, "the wallet left no account in the session");
        tell({ kind: "ended", topic, why: "unfit" });
      }
      return;
    }
    sessions.set(topic, session);
    if (proposal !== undefined) settle(pairingTopic, { outcome: "approved", session });
    else if (before === undefined) tell({ kind: "session", session });
    else if (isOther(before, session)) tell({ kind: "changed", session, before });
  }

  function over(topic: string, why: "wallet" | "expired" | "here"): void {
    if (!sessions.delete(topic)) return;
    desk.ended(
      topic,
      why === "here"
        ? "the session was ended here"
        : why === "wallet"
          ? "the wallet ended the session"
          : "the session expired",
    );
    tell({ kind: "ended", topic, why });
  }

  /** Ends a session at the wallet; what the relay does not take now is tried again with the next process. */
  async function end(topic: string): Promise<void> {
    ended.add(topic);
    await keepEnded();
    const { type } = await link.call({ type: "disconnect", topic }, disconnectMs);
    if (type !== "done") return;
    ended.delete(topic);
    await keepEnded();
  }
  const keepEnded = (): Promise<void> => store.set(endedKey, JSON.stringify([...ended].slice(-mostEnded)));

  function extend(): void {
    const soon = now() / 1000 + (options.extendSeconds ?? 2 * 24 * 3600);
    for (const { expiresAt, topic } of sessions.values())
      if (expiresAt < soon) {
        const expiry = Math.floor(now() / 1000) + sessionSeconds;
        link.send({ type: "extend", wireId: desk.newWireId(), topic, expiry });
      }
  }
  const extending = setInterval(extend, extendEveryMs).unref();

  const ask = async (...given: Parameters<typeof desk.ask>): Promise<RequestOutcome> =>
    onlyHex(await desk.ask(...given));

  onWaiting(1);
  try {
    await link.started;
  } catch (error) {
    await link.close();
    clearInterval(extending);
    throw error;
  } finally {
    onWaiting(-1);
  }

  return {
    get pid() {
      return link.pid;
    },
    caughtUp: async (mostMs) => sessions.size === 0 || catchUp.wait(mostMs),
    async connect(asked) {
      if (closed) throw new LinkClosedError();
      const {
        chains,
        deadlineMs = longestProposalMs,
        events = ["accountsChanged", "chainChanged"],
        methods,
      } = asked;
      if (
        chains.length === 0 ||
        methods.length === 0 ||
        !chains.every((id) => Number.isSafeInteger(id) && id > 0)
      )
        throw new LinkRequestError("a proposal names chains and methods");
      if (proposals.size + proposing >= mostProposals) throw new LinkBusyError("proposals", mostProposals);
      proposing++;
      onWaiting(1);
      const reply = await link
        .call(
          {
            type: "connect",
            chains: chains.map((id) => `eip155:${id}`),
            methods: [...methods],
            events: [...events],
          },
          publishMs,
        )
        .finally(() => proposing--);
      if (reply.type !== "proposed") {
        onWaiting(-1);
        throw new RelayUnreachableError(
          relayUrl,
          reply.type === "failed" ? reply.why : `nothing within ${publishMs} ms`,
        );
      }
      const { pairingTopic, uri } = reply;
      const { promise, resolve } = Promise.withResolvers<ConnectOutcome>();
      const giveUp = (outcome: ConnectOutcome): void => {
        if (!proposals.has(pairingTopic)) return;
        settle(pairingTopic, outcome);
        link.send({ type: "cancel", pairingTopic });
      };
      const timer = setTimeout(() => giveUp({ outcome: "expired" }), Math.min(deadlineMs, longestProposalMs));
      proposals.set(pairingTopic, {
        asked,
        settle(outcome) {
          clearTimeout(timer);
          onWaiting(-1);
          resolve(outcome);
        },
      });
      return {
        uri,
        settled: promise,
        cancel: () => giveUp({ outcome: "lost", why: "it was cancelled" }),
      };
    },
    resume: () => Promise.resolve({ sessions: [...sessions.values()], requests: desk.known() }),
    requestTypedData(topic, address, typedData, asked) {
      const { chainId } = typedData.domain;
      const params = [address, JSON.stringify(withDomainType(typedData))];
      return ask(
        { topic, chainId, account: { chainId, address }, method: "eth_signTypedData_v4", params },
        asked,
      );
    },
    requestText(topic, account, text, asked) {
      const params = [stringToHex(text), account.address];
      return ask({ topic, chainId: account.chainId, account, method: "personal_sign", params }, asked);
    },
    send(topic, from, { data, to, value }, asked) {
      const transaction = {
        from: from.address,
        to,
        ...(value === undefined ? {} : { value: numberToHex(value) }),
        ...(data === undefined ? {} : { data }),
      };
      return ask(
        { topic, chainId: from.chainId, account: from, method: "eth_sendTransaction", params: [transaction] },
        asked,
      );
    },
    requestPermissions: (topic, account, { method, request }, asked) =>
      desk.ask({ topic, chainId: account.chainId, account, method, params: [request] }, asked),
    request: (topic, { chainId, method, params }, asked) =>
      desk.ask({ topic, chainId, method, params }, asked),
    forget: desk.forget,
    async disconnect(topic) {
      if (closed) throw new LinkClosedError();
      if (!sessions.has(topic)) return;
      over(topic, "here");
      onWaiting(1);
      await end(topic).finally(() => onWaiting(-1));
    },
    watch(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async close() {
      if (closed) return;
      closed = true;
      clearInterval(extending);
      clearTimeout(stuck);
      desk.close();
      catchUp.close();
      for (const pairingTopic of proposals.keys())
        settle(pairingTopic, { outcome: "lost", why: "the link was closed" });
      await link.close();
    },
  };
}

const none: ConnectRequest = { chains: [], methods: [] };

/** `EIP712Domain` as wallets want it to be spelled out, of the fields that are there. */
function withDomainType({
  domain,
  message,
  primaryType,
  types,
}: Parameters<WalletLink["requestTypedData"]>[2]): object {
  const fields = [
    ["name", "string"],
    ["version", "string"],
    ["chainId", "uint256"],
    ["verifyingContract", "address"],
    ["salt", "bytes32"],
  ] as const;
  const EIP712Domain = fields
    .filter(([name]) => domain[name] !== undefined)
    .map(([name, type]) => ({ name, type }));
  return { types: { EIP712Domain, ...types }, primaryType, domain, message };
}

function readEnded(text: string | undefined): readonly string[] {
  return text === undefined ? [] : (JSON.parse(text) as string[]);
}
