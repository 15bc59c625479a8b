import { isAddressEqual, type Address } from "viem";

import { approvalTypedData } from "../chain/checkApproval.ts";
import type { Ask, Approver } from "../core/approval.ts";
import type { Delegation } from "../core/delegation.ts";
import { BaseError, sentenceOf } from "../core/errors.ts";
import type { Now } from "../core/ports.ts";
import type {
  KnownRequest,
  RequestOutcome,
  TypedData,
  WalletLink,
  WalletSession,
} from "../core/walletLink.ts";
import { asksIn } from "../journal/asks.ts";
import { delegationsIn } from "../journal/delegations.ts";
import { noteOnce } from "../journal/entries.ts";
import { approvalNameOf, type AnswerDesk, type GivenAnswer } from "./takeAnswer.ts";

/** WalletConnect's own bounds of how long a wallet may show a request, in seconds. */
const [shortest, longest] = [300, 604_800];

/** How often it is looked whether the relay has taken something, in milliseconds. */
const lookMs = 100;

/** What agents ask is on its way to the wallets of those who may say yes. */
export type WalletDesk = {
  /** Asks what was not asked yet, and asks again for what a crash cut off; a wallet shows each ask once. */
  scan(): Promise<void>;
  /**
   * Resolves when the relay has what is being asked and the answers that are there are taken in, or `mostMs` are over: for whoever
   * stops now and hears the others another time.
   */
  sent(mostMs: number): Promise<void>;
  /**
   * Resolves when every answer that came is taken in, or `mostMs` are over, for whoever has closed the link and closes the journal next.
   * What is still on its way to the chain then is asked again at the next start, and looked up there first.
   */
  close(mostMs: number): Promise<void>;
};

/**
 * Puts what agents ask before the wallets that a session is open with, and takes their answers in. The journal's ask is the authority,
 * never the session: a session's end loses nothing, and an answer by any other way closes the ask here too.
 *
 * @param take takes an answer in; tells why it is none
 */
export function openWalletDesk(
  desk: Pick<AnswerDesk, "agents" | "journal">,
  link: Pick<WalletLink, "resume" | "requestTypedData">,
  take: (given: GivenAnswer) => Promise<string | undefined>,
  { now, sleep }: { readonly now: Now; readonly sleep: (milliseconds: number) => Promise<void> },
): WalletDesk {
  const underWay = new Map<string, "waiting" | "heard">();
  const asking = new Set<Promise<void>>();
  let closing = false;

  async function ask(row: Ask, approver: Approver, topic: string, id: string): Promise<void> {
    if (underWay.has(id)) return;
    underWay.set(id, "waiting");
    try {
      const left = row.deadline - Math.floor(now() / 1000);
      const outcome = await link.requestTypedData(
        topic,
        approver.address,
        typedDataOf(row, approver.address),
        {
          id,
          expirySeconds: Math.min(Math.max(left, shortest), longest),
        },
      );
      await heard(row, approver, outcome);
      // An answer stays what it is. One that did not come may come yet, and the link gives it to whoever asks under the same id.
      if (outcome.outcome === "expired" || outcome.outcome === "lost") underWay.delete(id);
      else underWay.set(id, "heard");
    } catch (error) {
      underWay.delete(id);
      // A wallet, a relay or a chain that is away, or a fault: asked at the next look. The ask waits in the journal either way, and one
      // answer ends no household.
      if (closing) return;
      note(row, approver, error instanceof BaseError ? error.shortMessage : sentenceOf(error));
    }
  }

  /** Nobody waits for a wallet: its answer comes in its own time. */
  function begin(...asked: Parameters<typeof ask>): void {
    const going = ask(...asked)
      // It could not even be told: the journal is closed by now.
      .catch(() => undefined)
      .finally(() => asking.delete(going));
    asking.add(going);
  }

  async function heard(row: Ask, approver: Approver, outcome: RequestOutcome): Promise<void> {
    const given = { leaf: row.leaf, channel: "walletconnect", atMs: now() };
    // Only what a person says is a no. A wallet that fails, or that knows the method no more, has said nothing for him.
    if (outcome.outcome === "rejected")
      return isNo(outcome.code)
        ? void (await take({ ...given, state: "declined" }))
        : note(row, approver, `The wallet failed (${outcome.code}): ${outcome.message}`);
    if (outcome.outcome === "hostile") return note(row, approver, outcome.why);
    // Unknown: nobody has said yes, and nobody has said no.
    if (outcome.outcome !== "approved") return;
    const why = await take({
      ...given,
      state: "approved",
      approver: approver.address,
      signature: outcome.answer,
    });
    if (why !== undefined) note(row, approver, why);
  }

  const note = (row: Ask, { address }: Approver, why: string): void => {
    noteOnce(desk.journal, row.agent, `ask:${row.leaf}:${address}:${why}`, "unusable", {
      ask: row.leaf,
      approver: address,
      why,
    });
  };

  return {
    async scan() {
      const nowSeconds = now() / 1000;
      const open = asksIn(desk.journal).filter(
        ({ ask: { agent, deadline }, state }) =>
          state === "open" && deadline > nowSeconds && desk.agents.includes(agent),
      );
      if (open.length === 0) return;
      const { requests, sessions } = await link.resume();
      const delegations = delegationsIn(desk.journal).map(({ delegation }) => delegation);
      for (const { ask: row } of open)
        for (const approver of row.approvers) {
          const session = sessions.find(
            (one) =>
              speaksFor(one, row.chainId, approver.address) &&
              hasSignedIn(delegations, one, approver.address),
          );
          if (session) begin(row, approver, session.topic, idOf(row, approver, session, requests));
        }
    },
    async sent(mostMs) {
      for (let waited = 0; waited < mostMs; waited += lookMs) {
        const { requests } = await link.resume();
        const isOut = (id: string) =>
          requests.some((one) => one.id === id && one.published && one.outcome === undefined);
        if ([...underWay].every(([id, state]) => state === "heard" || isOut(id))) return;
        await sleep(lookMs);
      }
    },
    async close(mostMs) {
      closing = true;
      for (let waited = 0; waited < mostMs && asking.size > 0; waited += lookMs) await sleep(lookMs);
    },
  };
}

/** A request stays with its session: over the next one of the same approver, the ask is another request. A yes to both is harmless. */
function idOf(
  { leaf }: Ask,
  { address }: Approver,
  { topic }: WalletSession,
  requests: readonly KnownRequest[],
): string {
  const id = `ask:${leaf}:${address}`;
  const isElsewhere = requests.some((one) => one.id === id && one.topic !== topic);
  // An id has 128 characters at most.
  return isElsewhere ? `${id}:${topic.slice(0, 12)}` : id;
}

/** A person's refusal: EIP-1193's code, or WalletConnect's. */
const isNo = (code: number): boolean => code === 4001 || (code >= 5000 && code <= 5003);

const speaksFor = ({ accounts, methods }: WalletSession, chainId: number, address: Address): boolean =>
  methods.includes("eth_signTypedData_v4") &&
  accounts.some((account) => account.chainId === chainId && isAddressEqual(account.address, address));

/**
 * A wallet may put any account into its session. Only the one that signed in there, at a hand-over, is known to be its own: of any other its
 * "no" would be a stranger's, and it would hold up the question that belongs before somebody else.
 */
const hasSignedIn = (
  delegations: readonly Delegation[],
  { topic }: WalletSession,
  address: Address,
): boolean => delegations.some((one) => one.topic === topic && isAddressEqual(one.account, address));

/** An approval as wallets take it: numbers above 2^53 as decimal text. */
function typedDataOf(row: Ask, approver: Address): TypedData {
  const { domain, message, primaryType, types } = approvalTypedData(approvalNameOf(row, approver));
  return {
    domain: { ...domain, chainId: row.chainId },
    types,
    primaryType,
    message: { ...message, nonce: message.nonce.toString(), deadline: message.deadline.toString() },
  };
}
