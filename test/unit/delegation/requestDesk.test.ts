import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { WalletSession } from "../../../src/core/walletLink.ts";
import { openRequestDesk, type Question } from "../../../src/delegation/requestDesk.ts";
import type { LinkSupervisor } from "../../../src/delegation/superviseLink.ts";
import { now } from "../../../src/runtime/clock.ts";
import { memoryLinkStore } from "../../doubles/memoryLinkStore.ts";

const topic = "ab".repeat(32);
const address = `0x${"11".repeat(20)}` as const;
const session: WalletSession = {
  topic,
  accounts: [{ chainId: 1, address }],
  methods: ["personal_sign"],
  events: [],
  expiresAt: 4_000_000_000,
  claims: { name: "wallet", url: "https://wallet.example" },
  properties: {},
};
const question: Question = { topic, chainId: 1, method: "personal_sign", params: ["0x00", address] };

/** Wallets on WalletConnect's SDK look for expired requests so often, in milliseconds. */
const pulseMs = 5000;

beforeEach(() => void vi.useFakeTimers({ now: 1_900_000_000_000 }));
afterEach(() => void vi.useRealTimers());

/** A desk whose relay takes everything, and when each request was handed to it. */
async function openDesk() {
  const begun = now();
  const sent: number[] = [];
  const link = {
    call: () => {
      sent.push(now() - begun);
      return Promise.resolve({ type: "done", call: 0 });
    },
    send: () => {},
  } as unknown as LinkSupervisor;
  const desk = await openRequestDesk({
    requests: memoryLinkStore().requests,
    sessions: new Map([[topic, session]]),
    link: () => link,
    now,
    publishMs: 1000,
    onWaiting: () => {},
    onAnswer: () => {},
  });
  return { desk, sent };
}

test("what comes after an expired request reaches the wallet when that one has left its queue", async () => {
  const { desk, sent } = await openDesk();
  const first = desk.ask(question, { id: "one", expirySeconds: 300 });
  const second = desk.ask(question, { id: "two", expirySeconds: 600 });
  await vi.advanceTimersByTimeAsync(300_000 + pulseMs);
  expect(sent).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(pulseMs);
  expect(await first).toEqual({ outcome: "expired" });
  expect(sent).toHaveLength(2);
  // A second for a busy wallet, and for clocks that differ.
  expect(sent[1]).toBeGreaterThan(300_000 + pulseMs + 1000);
  desk.close();
  expect(await second).toEqual({ outcome: "lost", why: "the link was closed" });
});

test("what comes after an answered request is sent at once", async () => {
  const { desk, sent } = await openDesk();
  const first = desk.ask(question, { id: "one" });
  const second = desk.ask(question, { id: "two" });
  await vi.advanceTimersByTimeAsync(2000);
  const [wireId] = desk.open();
  await desk.answered({ type: "refusal", topic, wireId: wireId!, code: 5000, message: "no" });
  expect(await first).toEqual({ outcome: "rejected", code: 5000, message: "no" });
  await vi.advanceTimersByTimeAsync(0);
  expect(sent).toEqual([0, 2000]);
  desk.close();
  await second;
});
