import { canonicalize } from "../core/canonical.ts";
import { sha256Hex } from "../core/hash.ts";
import type { Json } from "../core/json.ts";
import type { LinkRequest, LinkRequests } from "../core/linkStore.ts";
import type { Now } from "../core/ports.ts";
import type {
  KnownRequest,
  RequestOptions,
  RequestOutcome,
  WalletAccount,
  WalletSession,
} from "../core/walletLink.ts";
import { LinkBusyError, LinkClosedError, LinkRequestError } from "./errors.ts";
import type { FromLink } from "./linkMessages.ts";
import { readAnswer } from "./readAnswer.ts";
import { hasAccount } from "./readSession.ts";
import type { LinkSupervisor } from "./superviseLink.ts";

/** WalletConnect's own bounds of an expiry, in seconds. */
const shortestExpiry = 300;
const longestExpiry = 604_800;
/** Requests that wait for the one before them to be answered, of one session. */
const mostWaiting = 8;
/**
 * How long after its expiry a request is over, in milliseconds: an answer may arrive late, or wait at the relay when a request is taken
 * up again. And wallets on the same SDK look for expired requests every five seconds only, and go idle then: what reaches them before
 * that waits behind the expired one and is never shown (`deletePendingSessionRequest` leaves their queue as it is).
 */
const graceMs = 9000;
/** A settled or expired request that nobody has forgotten is known for so long after its expiry, in seconds. */
const keptSeconds = 90 * 24 * 3600;
/** With less of its wait left than this a request is not begun any more: nobody could answer it, in milliseconds. */
const leastMs = 1000;
/** Between two attempts to publish, while the process is started anew, in milliseconds. */
const betweenMs = 200;

export type Question = {
  readonly topic: string;
  readonly chainId: number;
  readonly method: string;
  /** Who has to answer; undefined when the method names nobody. */
  readonly account?: WalletAccount;
  readonly params: Json;
};

type Waiter = { settle(outcome: RequestOutcome<Json>): void; readonly topic: string };
type Answered = Extract<FromLink, { type: "answer" | "refusal" }>;

export type RequestDesk = {
  ask(question: Question, options: RequestOptions): Promise<RequestOutcome<Json>>;
  /** An answer from the wire: recorded, handed on, and only then dropped by the process. */
  answered(message: Answered): Promise<void>;
  /** Nobody will answer any more: the session is over. */
  ended(topic: string, why: string): void;
  /** Ids on the wire of requests without an outcome. */
  open(): readonly number[];
  known(): readonly KnownRequest[];
  forget(id: string): Promise<void>;
  newWireId(): number;
  close(): void;
};

export type RequestDeskOptions = {
  readonly requests: LinkRequests;
  readonly sessions: ReadonlyMap<string, WalletSession>;
  readonly link: () => LinkSupervisor;
  readonly now: Now;
  readonly publishMs: number;
  /** Called when somebody begins or ends to wait. */
  readonly onWaiting: (change: 1 | -1) => void;
  readonly onAnswer: (id: string, topic: string, outcome: RequestOutcome<Json>) => void;
};

/** Requests to wallets: written down before they are sent, one at a time for each wallet, each answer recorded once. */
export async function openRequestDesk(options: RequestDeskOptions): Promise<RequestDesk> {
  const { link, now, onAnswer, onWaiting, publishMs, requests, sessions } = options;
  const byId = new Map<string, LinkRequest>();
  const idOnWire = new Map<number, string>();
  const waiters = new Map<string, Waiter>();
  const underWay = new Map<
    string,
    { readonly digest: string; readonly outcome: Promise<RequestOutcome<Json>> }
  >();
  const turns = new Map<string, { waiting: number; last: Promise<unknown> }>();
  /** Answers that are being written down. */
  const settling = new Set<number>();
  let lastWireId = 0;
  let closed = false;

  const keep = (request: LinkRequest): void => {
    byId.set(request.id, request);
    idOnWire.set(request.wireId, request.id);
    lastWireId = Math.max(lastWireId, request.wireId);
  };
  async function forget(id: string): Promise<void> {
    const request = byId.get(id);
    if (request === undefined) return;
    byId.delete(id);
    idOnWire.delete(request.wireId);
    await requests.forget(id);
  }
  for (const request of await requests.all()) keep(request);
  for (const { expiresAt, id } of byId.values()) if (expiresAt + keptSeconds < now() / 1000) await forget(id);

  /** As the SDK makes them: milliseconds and three digits, growing. */
  const newWireId = (): number => (lastWireId = Math.max(now() * 1000, lastWireId + 1));

  /** Waits until the requests to the same wallet that came before have ended. */
  async function inTurn<T>(topic: string, work: () => Promise<T>): Promise<T> {
    const turn = turns.get(topic) ?? { waiting: 0, last: Promise.resolve() };
    if (turn.waiting > mostWaiting) throw new LinkBusyError("requests to this wallet", mostWaiting);
    turns.set(topic, turn);
    turn.waiting++;
    const mine = turn.last.then(work);
    turn.last = mine.catch(() => undefined);
    try {
      return await mine;
    } finally {
      if (--turn.waiting === 0) turns.delete(topic);
    }
  }

  function requireAllowed({ account, chainId, method, topic }: Question): WalletSession | undefined {
    const session = sessions.get(topic);
    if (session === undefined) return undefined;
    if (!session.methods.includes(method))
      throw new LinkRequestError("the wallet did not approve this method", { method });
    if (!session.accounts.some((one) => one.chainId === chainId))
      throw new LinkRequestError("the wallet has no account on this chain in the session", { chainId });
    if (account !== undefined && !hasAccount(session, account))
      throw new LinkRequestError("the account is not one of the session", { account: account.address });
    return session;
  }

  /** Sends until the relay has taken it, the answer is there, or the time is over. */
  async function publish(
    question: Question,
    request: LinkRequest,
  ): Promise<RequestOutcome<Json> | undefined> {
    const end = performance.now() + publishMs;
    for (;;) {
      const left = end - performance.now();
      if (closed) return { outcome: "lost", why: "the link was closed" };
      if (left <= 0) return { outcome: "lost", why: `the relay did not take it within ${publishMs} ms` };
      if (byId.get(request.id)?.outcome !== null) return undefined;
      const seconds = Math.max(1, request.expiresAt - Math.floor(now() / 1000));
      const reply = await link().call(
        {
          type: "request",
          wireId: request.wireId,
          topic: question.topic,
          chainId: question.chainId,
          method: question.method,
          params: JSON.stringify(question.params),
          seconds,
          expiresAt: request.expiresAt,
        },
        left,
      );
      if (reply.type === "done") {
        await requests.published(request.id);
        const stored = byId.get(request.id);
        if (stored?.outcome === null) keep({ ...stored, published: true });
        return undefined;
      }
      if (reply.type === "failed") return { outcome: "lost", why: reply.why };
      await new Promise((resolve) => setTimeout(resolve, Math.min(betweenMs, Math.max(0, left))));
    }
  }

  async function carryOut(
    question: Question,
    digest: LinkRequest["digest"],
    options: RequestOptions,
  ): Promise<RequestOutcome<Json>> {
    const { deadlineMs = Infinity, expirySeconds = shortestExpiry, id } = options;
    const { promise, resolve } = Promise.withResolvers<RequestOutcome<Json>>();
    waiters.set(id, { topic: question.topic, settle: resolve });
    const deadline =
      deadlineMs === Infinity ? undefined : setTimeout(() => resolve({ outcome: "expired" }), deadlineMs);
    const begun = performance.now();
    let expiry: NodeJS.Timeout | undefined;
    let over = false;
    const work = async (): Promise<RequestOutcome<Json>> => {
      // The wait may be over before its turn has come: then it was never sent.
      const left = deadlineMs - (performance.now() - begun);
      if (over || left < Math.min(leastMs, deadlineMs / 2)) return { outcome: "expired" };
      let request = byId.get(id);
      if (request === undefined) {
        if (requireAllowed(question) === undefined)
          return { outcome: "lost", why: "there is no such session" };
        request = {
          id,
          wireId: newWireId(),
          topic: question.topic,
          chainId: question.chainId,
          method: question.method,
          account: question.account?.address ?? null,
          digest,
          expiresAt: Math.floor(now() / 1000) + expirySeconds,
          published: false,
          outcome: null,
        };
        keep(request);
        if (!(await requests.begin(request))) throw new LinkRequestError("the id is taken", { id });
      }
      if (request.outcome !== null) return request.outcome;
      const leftMs = Math.max(request.expiresAt * 1000 - now(), 0) + graceMs;
      expiry = setTimeout(() => resolve({ outcome: "expired" }), leftMs);
      if (!request.published && request.expiresAt * 1000 > now())
        void publish(question, request).then(
          (lost) => lost && resolve(lost),
          () => undefined,
        );
      return await promise;
    };
    onWaiting(1);
    try {
      return await Promise.race([inTurn(question.topic, work), promise]);
    } finally {
      over = true;
      onWaiting(-1);
      clearTimeout(deadline);
      clearTimeout(expiry);
      waiters.delete(id);
      // Lets the turn go on when the wait ended before it.
      resolve({ outcome: "expired" });
    }
  }

  /** Only the first answer is recorded, and only what is recorded is told. */
  async function record(request: LinkRequest, message: Answered): Promise<void> {
    const { id, topic, wireId } = request;
    const outcome = outcomeOf(request, message, sessions.get(topic));
    settling.add(wireId);
    try {
      if (!(await requests.settle(id, outcome))) return;
    } finally {
      settling.delete(wireId);
    }
    if (byId.has(id)) keep({ ...request, outcome });
    const waiter = waiters.get(id);
    if (waiter === undefined) onAnswer(id, topic, outcome);
    else waiter.settle(outcome);
  }

  return {
    newWireId,
    ask(question, asked) {
      if (closed) return Promise.reject(new LinkClosedError());
      const { expirySeconds = shortestExpiry, id } = asked;
      const { chainId, method, params, topic } = question;
      try {
        if (id.length < 1 || id.length > 128) throw new LinkRequestError("an id has 1 to 128 characters");
        if (!(
          expirySeconds >= shortestExpiry &&
          expirySeconds <= longestExpiry &&
          Number.isInteger(expirySeconds)
        ))
          throw new LinkRequestError(`an expiry is ${shortestExpiry} to ${longestExpiry} whole seconds`, {
            expirySeconds,
          });
        const account = question.account?.address.toLowerCase() ?? null;
        const digest = sha256Hex(canonicalize({ topic, chainId, method, account, params }));
        const known = underWay.get(id)?.digest ?? byId.get(id)?.digest;
        if (known !== undefined && known !== digest)
          throw new LinkRequestError("the id belongs to another request", { id });
        const same = underWay.get(id);
        if (same !== undefined) return same.outcome;
        if (known === undefined) requireAllowed(question);
        const outcome = carryOut(question, digest, asked).finally(() => underWay.delete(id));
        underWay.set(id, { digest, outcome });
        return outcome;
      } catch (error) {
        return Promise.reject(error);
      }
    },
    async answered(message) {
      const { topic, wireId } = message;
      const id = idOnWire.get(wireId);
      const request = id === undefined ? undefined : byId.get(id);
      if (request !== undefined && request.topic === topic) {
        if (settling.has(wireId)) return;
        if (request.outcome === null) await record(request, message);
      }
      link().send({ type: "recorded", topic, wireId });
    },
    ended(topic, why) {
      for (const waiter of waiters.values())
        if (waiter.topic === topic) waiter.settle({ outcome: "lost", why });
    },
    open: () => [...byId.values()].filter(({ outcome }) => outcome === null).map(({ wireId }) => wireId),
    known: () =>
      [...byId.values()].map(({ digest, expiresAt, id, method, outcome, published, topic }) => ({
        id,
        topic,
        method,
        digest,
        expiresAt,
        published,
        ...(outcome === null ? {} : { outcome }),
      })),
    forget,
    close() {
      closed = true;
      for (const waiter of waiters.values()) waiter.settle({ outcome: "lost", why: "the link was closed" });
    },
  };
}

function outcomeOf(
  { account, chainId, method }: LinkRequest,
  message: Answered,
  session: WalletSession | undefined,
): RequestOutcome<Json> {
  if (message.type === "refusal")
    return { outcome: "rejected", code: message.code, message: message.message };
  const gone =
    account !== null &&
    session !== undefined &&
    !session.accounts.some(
      (one) => one.chainId === chainId && one.address.toLowerCase() === account.toLowerCase(),
    );
  return gone
    ? { outcome: "hostile", why: "the account that was asked had left the session when the answer came" }
    : readAnswer(method, message.result);
}
