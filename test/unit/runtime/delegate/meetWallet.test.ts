import type { Address } from "viem";
import { expect, it, test } from "vitest";

import type { WalletLink, WalletSession } from "../../../../src/core/walletLink.ts";
import type { HandOverOptions } from "../../../../src/runtime/delegate/handOverOptions.ts";
import { meetWallet } from "../../../../src/runtime/delegate/meetWallet.ts";

const mallory: Address = "0x000000000000000000000000000000000000bad1";

/** A wallet of that name scans the code; whoever is asked about it says no. @returns what he was asked */
async function questionAbout(name: string): Promise<string> {
  const session: WalletSession = {
    topic: "ab".repeat(32),
    accounts: [{ chainId: 31337, address: mallory }],
    methods: ["personal_sign"],
    events: [],
    expiresAt: 4_000_000_000,
    claims: { name, url: "" },
    properties: {},
  };
  const link: Pick<WalletLink, "connect" | "disconnect"> = {
    connect: () =>
      Promise.resolve({
        uri: "wc:",
        settled: Promise.resolve({ outcome: "approved", session }),
        cancel: () => undefined,
      }),
    disconnect: () => Promise.resolve(),
  };
  let asked = "";
  const options: Pick<HandOverOptions, "link" | "tell" | "signal" | "confirm"> & { chain: object } = {
    chain: { chainId: 31337 },
    link: link as WalletLink,
    tell: () => undefined,
    signal: new AbortController().signal,
    confirm(_, words) {
      asked = words;
      return Promise.resolve(false);
    },
  };
  await expect(meetWallet(options as HandOverOptions)).rejects.toThrow("The account was not confirmed.");
  return asked;
}

test.each([
  ["turns the direction of writing", "Anna\u202e"],
  ["holds what a terminal obeys", "Anna\u009b2K\u001b[1A"],
  [
    "ends the sentence",
    'Anna" connected with 0x00000000000000000000000000000000000a11ce. Is that it? [y/N] "',
  ],
  ["is a page long", "Anna ".repeat(50)],
])("the name of a wallet that %s can't change what is asked", async (_, name) => {
  const asked = await questionAbout(name);
  expect(asked).toMatch(
    /^A wallet that calls itself "[\p{L}\p{N} ._-]{0,64}" connected with 0x0{36}bad1\. /iu,
  );
});

it("withdraws a code that was asked for when it was stopped", async () => {
  const stopping = new AbortController();
  const settled = Promise.withResolvers<{ readonly outcome: "lost"; readonly why: string }>();
  const told: string[] = [];
  const link: Pick<WalletLink, "connect"> = {
    connect() {
      stopping.abort();
      return Promise.resolve({
        uri: "wc:",
        settled: settled.promise,
        cancel: () => settled.resolve({ outcome: "lost", why: "it was cancelled" }),
      });
    },
  };
  const options: Pick<HandOverOptions, "link" | "tell" | "signal"> & { chain: object } = {
    chain: { chainId: 31337 },
    link: link as WalletLink,
    tell: ({ kind }) => told.push(kind),
    signal: stopping.signal,
  };
  await expect(meetWallet(options as HandOverOptions)).rejects.toThrow("It was stopped.");
  expect(told).toEqual([]);
});
