// A payer whose wallet parts while his account is handed over.
import path from "node:path";

import type { TypedDataDefinition } from "viem";
import { expect, test } from "vitest";

import { accountOf } from "../../src/chain/accountOrigin.ts";
import type { WalletLink, WalletSession } from "../../src/core/walletLink.ts";
import { delegationsIn } from "../../src/journal/delegations.ts";
import { openJournal } from "../../src/journal/openJournal.ts";
import { randomSecret, sleep } from "../../src/runtime/clock.ts";
import { accountBy } from "../../src/runtime/delegate/accountBy.ts";
import { originFor } from "../../src/runtime/delegate/payersAccount.ts";
import { openTurns } from "../../src/runtime/turns.ts";
import { ownScene } from "./ownAccountScene.ts";

test("a wallet that has signed, and parts before all is written down, has delegated nothing", async () => {
  const { anna, name, state, world } = await ownScene("ownparted");
  const session: WalletSession = {
    topic: "ab".repeat(32),
    accounts: [{ chainId: 31337, address: anna.address }],
    methods: ["personal_sign", "eth_signTypedData_v4"],
    events: [],
    expiresAt: 4_000_000_000,
    claims: { name: "a wallet", url: "https://localhost" },
    properties: {},
  };
  // Signs what it is asked, and is gone by then.
  const link = {
    connect: () =>
      Promise.resolve({
        uri: "wc:",
        settled: Promise.resolve({ outcome: "approved", session }),
        cancel: () => undefined,
      }),
    requestText: async (_topic, _account, message) => ({
      outcome: "approved",
      answer: await anna.signMessage({ message }),
    }),
    requestTypedData: async (_topic, _account, typedData) => ({
      outcome: "approved",
      answer: await anna.signTypedData(typedData as unknown as TypedDataDefinition),
    }),
    resume: () => Promise.resolve({ sessions: [], requests: [] }),
    disconnect: () => Promise.resolve(),
  } satisfies Partial<WalletLink> as unknown as WalletLink;
  const journal = openJournal(path.join(state, "parted.db"));
  const origin = originFor(anna.address, world.policy);
  let written = 0;
  const going = accountBy({
    chain: world.chain,
    journal,
    link,
    purse: null,
    purseTurns: openTurns(1),
    agent: { name, account: accountOf(origin), key: world.agent.address },
    policy: world.policy,
    account: accountOf(origin),
    origin,
    expected: anna.address,
    warnings: [],
    signatures: {},
    write: () => Promise.resolve(void written++),
    funds: [],
    site: "https://localhost",
    randomSecret,
    sleep,
    tell: () => undefined,
    confirm: () => Promise.resolve(true),
    signal: new AbortController().signal,
  });
  await expect(going).rejects.toThrow("The wallet parted before its grant was in force.");
  expect([written, delegationsIn(journal).map((row) => row.state)]).toEqual([0, ["asked", "asked"]]);
  journal.close();
});
