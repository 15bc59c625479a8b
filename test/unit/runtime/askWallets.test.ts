import { keccak256, toHex, type Address } from "viem";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import type { Ask } from "../../../src/core/approval.ts";
import { BaseError } from "../../../src/core/errors.ts";
import type {
  KnownRequest,
  RequestOutcome,
  WalletLink,
  WalletSession,
} from "../../../src/core/walletLink.ts";
import { answerAsk, asksIn, putAsk } from "../../../src/journal/asks.ts";
import { putDelegation } from "../../../src/journal/delegations.ts";
import { readEntries } from "../../../src/journal/entries.ts";
import type { JournalDatabase } from "../../../src/journal/openJournal.ts";
import { openWalletDesk } from "../../../src/runtime/askWallets.ts";
import type { GivenAnswer } from "../../../src/runtime/takeAnswer.ts";
import { temporaryJournal } from "../journal/temporary.ts";

const alice: Address = "0x00000000000000000000000000000000000a11ce";
const bob: Address = "0x0000000000000000000000000000000000000b0b";
const nowMs = 1_800_000_000_000;
const leaf = `0x${"1e".repeat(32)}` as const;
const ask: Ask = {
  leaf,
  decision: `0x${"de".repeat(32)}`,
  agent: "clerk",
  chainId: 31337,
  account: "0x00000000000000000000000000000000000acc0e",
  policyId: `0x${"01".repeat(32)}`,
  calls: [],
  callHash: `0x${"ca".repeat(32)}`,
  nonce: `0x${"de".repeat(32)}`,
  deadline: nowMs / 1000 + 3600,
  approvers: [{ name: "alice", address: alice }],
  reasons: [{ code: "needs-approval", words: "It is a lot.", enforcedBy: "chain" }],
  words: "650.00 USDC to acme",
  label: "1.eml",
};
const session = (address: Address, over: Partial<WalletSession> = {}): WalletSession => ({
  topic: `of ${address}`,
  accounts: [{ chainId: 31337, address }],
  methods: ["eth_signTypedData_v4"],
  events: [],
  expiresAt: nowMs / 1000 + 86_400,
  claims: { name: "wallet", url: "" },
  properties: {},
  ...over,
});

/** What a hand-over leaves: the account has signed in over this session. */
const signedIn = (address: Address, topic = `of ${address}`) =>
  putDelegation(journal, {
    id: keccak256(toHex(topic + address)),
    agent: "clerk",
    rung: "spendGrant",
    why: "test",
    chainId: 31337,
    contract: ask.account,
    account: address,
    token: { symbol: "USDC", address: ask.account, decimals: 6 },
    grant: {},
    source: "token",
    topic,
  });

let journal: JournalDatabase;
beforeEach(() => {
  journal = temporaryJournal();
  putAsk(journal, ask);
  signedIn(alice);
});
afterEach(() => journal.close());

type Request = Parameters<WalletLink["requestTypedData"]>;

/** A desk over wallets that answer as told; `asked` is what they were shown, `taken` what came of it. */
function deskOver(
  sessions: readonly WalletSession[],
  outcomes: (RequestOutcome | "held")[],
  why?: string | (() => Promise<string | undefined>),
) {
  const asked: Request[] = [];
  const requests: KnownRequest[] = [];
  let sleeps = 0;
  const taken: GivenAnswer[] = [];
  const desk = openWalletDesk(
    { agents: ["clerk"], journal },
    {
      resume: () => Promise.resolve({ sessions, requests }),
      requestTypedData(...request) {
        asked.push(request);
        const outcome = outcomes.shift() ?? { outcome: "expired" };
        return outcome === "held" ? new Promise(() => {}) : Promise.resolve(outcome);
      },
    },
    (given) => {
      taken.push(given);
      return typeof why === "function" ? why() : Promise.resolve(why);
    },
    {
      now: () => nowMs,
      sleep() {
        sleeps++;
        return new Promise((resolve) => setImmediate(resolve));
      },
    },
  );
  const scan = async () => {
    await desk.scan();
    await new Promise((resolve) => setImmediate(resolve));
  };
  const { close, sent } = desk;
  return { asked, close, requests, scan, sent, sleeps: () => sleeps, taken };
}

describe("what agents ask", () => {
  it("is put before the wallet of who may say yes, as typed data that names the ask, until its deadline", async () => {
    const { asked, scan, taken } = deskOver(
      [session(bob), session(alice)],
      [{ outcome: "approved", answer: "0x51" }],
    );
    await scan();
    expect(asked).toHaveLength(1);
    const [topic, address, typedData, options] = asked[0]!;
    expect({ topic, address }).toEqual({ topic: `of ${alice}`, address: alice });
    expect(typedData).toMatchObject({
      domain: { chainId: 31337, verifyingContract: ask.account },
      primaryType: "Approval",
      message: { approver: alice, callHash: ask.callHash, deadline: String(ask.deadline) },
    });
    expect(options).toEqual({ id: `ask:${leaf}:${alice}`, expirySeconds: 3600 });
    expect(taken).toEqual([
      { leaf, channel: "walletconnect", atMs: nowMs, state: "approved", approver: alice, signature: "0x51" },
    ]);
    await scan();
    expect(asked).toHaveLength(1);
  });

  it("is declined where the wallet's owner says no", async () => {
    const { scan, taken } = deskOver([session(alice)], [{ outcome: "rejected", code: 5000, message: "no" }]);
    await scan();
    expect(taken).toEqual([{ leaf, channel: "walletconnect", atMs: nowMs, state: "declined" }]);
  });

  it.each([{ outcome: "expired" }, { outcome: "lost", why: "the relay is away" }] as const)(
    "stays open, and is asked again under the same id, where nobody knows: $outcome",
    async (unknown) => {
      const { asked, scan, taken } = deskOver(
        [session(alice)],
        [unknown, { outcome: "approved", answer: "0x51" }],
      );
      await scan();
      expect(taken).toEqual([]);
      await scan();
      expect(asked.map(([, , , { id }]) => id)).toEqual([`ask:${leaf}:${alice}`, `ask:${leaf}:${alice}`]);
      expect(taken).toMatchObject([{ state: "approved" }]);
    },
  );

  it("stays open, with a line in the log, where the wallet answers with something else", async () => {
    const hostile = deskOver([session(alice)], [{ outcome: "hostile", why: "It is no signature." }]);
    await hostile.scan();
    expect(hostile.taken).toEqual([]);
    const wrong = deskOver([session(alice)], [{ outcome: "approved", answer: "0x51" }], "She did not sign.");
    await wrong.scan();
    await wrong.scan();
    expect(wrong.asked).toHaveLength(1);
    const told = readEntries(journal).filter(({ kind }) => kind !== "delegation");
    expect(told.map(({ body, kind }) => [kind, body["why"]])).toEqual([
      ["unusable", "It is no signature."],
      ["unusable", "She did not sign."],
    ]);
  });

  it.each([
    ["no wallet of an approver", [session(bob)]],
    ["another chain", [session(alice, { accounts: [{ chainId: 1, address: alice }] })]],
    ["no typed data", [session(alice, { methods: ["personal_sign"] })]],
    ["a wallet that says it is hers, and never signed in", [session(alice, { topic: "of a stranger" })]],
  ])("is put before nobody: %s", async (_, sessions) => {
    const { asked, scan } = deskOver(sessions, []);
    await scan();
    expect(asked).toEqual([]);
  });

  it("is put before her own wallet, not before another payer's that claims her account beside his", async () => {
    signedIn(bob);
    const both = [bob, alice].map((address) => ({ chainId: 31337, address }));
    const { asked, scan, taken } = deskOver(
      [session(bob, { accounts: both }), session(alice)],
      [{ outcome: "approved", answer: "0x51" }],
    );
    await scan();
    expect(asked.map(([topic]) => topic)).toEqual([`of ${alice}`]);
    expect(taken).toMatchObject([{ state: "approved", approver: alice }]);
  });

  it("is not asked any more once it was answered in another way", async () => {
    const { asked, scan } = deskOver([session(alice)], []);
    answerAsk(journal, { leaf, channel: "cli", atMs: nowMs, state: "declined" });
    await scan();
    expect(asked).toEqual([]);
  });

  it("is another request over her next session, and the same one over the same session after a restart", async () => {
    const [old, next] = ["a1".repeat(32), "b2".repeat(32)] as const;
    for (const topic of [old, next]) signedIn(alice, topic);
    const over = async (topic: string, requests: readonly KnownRequest[]) => {
      const desk = deskOver(
        [session(alice, { topic })],
        [{ outcome: "lost", why: "the wallet ended the session" }],
      );
      desk.requests.push(...requests);
      await desk.scan();
      const [, , , { id }] = desk.asked[0]!;
      return { id, topic, method: "eth_signTypedData_v4", digest: leaf, expiresAt: 1, published: true };
    };
    const first = await over(old, []);
    expect(await over(old, [first])).toEqual(first);
    const second = await over(next, [first]);
    expect(second.id).not.toBe(first.id);
    // What a request's id may have.
    expect(second.id.length).toBeLessThanOrEqual(128);
    expect(await over(next, [first, second])).toEqual(second);
  });

  it("is out when the relay has it, or was answered, or the time is over", async () => {
    const none = deskOver([], []);
    await none.scan();
    await none.sent(1000);
    expect(none.sleeps()).toBe(0);
    const answered = deskOver([session(alice)], [{ outcome: "rejected", code: 5000, message: "no" }]);
    await answered.scan();
    await answered.sent(1000);
    expect(answered.sleeps()).toBe(0);
  });

  it("is waited for until the relay has it", async () => {
    const { asked, requests, scan, sent, sleeps } = deskOver([session(alice)], ["held"]);
    await scan();
    await sent(300);
    expect(sleeps()).toBe(3);
    const [topic, , , { id }] = asked[0]!;
    const known = { id, topic, method: "eth_signTypedData_v4", digest: leaf, expiresAt: 1, published: false };
    requests.push(known);
    await sent(300);
    expect(sleeps()).toBe(6);
    requests.splice(0, 1, { ...known, published: true });
    await sent(300);
    expect(sleeps()).toBe(6);
    // An answer that is there is waited for until it is taken in.
    requests.splice(0, 1, { ...known, published: true, outcome: { outcome: "expired" } });
    await sent(300);
    expect(sleeps()).toBe(9);
  });

  const yes = { outcome: "approved", answer: "0x51" } as const;
  const whys = () =>
    readEntries(journal).flatMap(({ body, kind }) => (kind === "unusable" ? [body["why"]] : []));

  it("is asked again, with a line in the log, where taking the answer in fails in a way that nobody foresaw", async () => {
    const failing = () => Promise.reject(new TypeError("It is no function."));
    const { asked, scan } = deskOver([session(alice)], [yes, yes], failing);
    await scan();
    await scan();
    expect(asked).toHaveLength(2);
    expect(whys()).toEqual(["It is no function."]);
  });

  it("is taken in before whoever stops closes the journal", async () => {
    const { close, scan } = deskOver([session(alice)], [yes], async () => {
      for (let look = 0; look < 5; look++) await new Promise((resolve) => setImmediate(resolve));
      answerAsk(journal, { leaf, channel: "test", atMs: nowMs, state: "declined" });
      return undefined;
    });
    await scan();
    await close(2000);
    expect(asksIn(journal)).toMatchObject([{ state: "declined" }]);
  });

  it("keeps nobody from stopping for longer than he waits, and is no fault when it comes after that", async () => {
    const chain = Promise.withResolvers<undefined>();
    const late = Promise.withResolvers<unknown>();
    const { close, scan, sleeps } = deskOver([session(alice)], [yes], async () => {
      await chain.promise;
      try {
        answerAsk(journal, { leaf, channel: "test", atMs: nowMs, state: "declined" });
      } catch (error) {
        late.resolve(error);
        throw error;
      }
      return undefined;
    });
    await scan();
    await close(300);
    expect(sleeps()).toBe(3);
    journal.close();
    chain.resolve(undefined);
    expect(await late.promise).toBeInstanceOf(Error);
    await new Promise((resolve) => setImmediate(resolve));
  });

  it("ends no process where the journal was closed while the answer was on its way", async () => {
    const unheard: unknown[] = [];
    const hear = (error: unknown) => unheard.push(error);
    const before = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection").on("unhandledRejection", hear);
    try {
      const { scan } = deskOver([session(alice)], [yes], () => {
        journal.close();
        return Promise.reject(new BaseError("The chain is away."));
      });
      await scan();
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(unheard).toEqual([]);
    } finally {
      process.off("unhandledRejection", hear);
      for (const listener of before) process.on("unhandledRejection", listener);
    }
  });
});
