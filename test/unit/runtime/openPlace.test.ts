import { afterEach, beforeEach, expect, it } from "vitest";

import type { Ask } from "../../../src/core/approval.ts";
import { putAsk } from "../../../src/journal/asks.ts";
import { now, sleep } from "../../../src/runtime/clock.ts";
import { openPlace, type Place } from "../../../src/runtime/openPlace.ts";
import { sendCommand } from "../../../src/runtime/triggers/commands.ts";
import { temporaryFolder } from "../journal/temporary.ts";

let state: string;
let place: Place;
beforeEach(() => {
  state = temporaryFolder();
  place = openPlace(state, ["clerk", "buyer", "cook"], 1);
});
afterEach(() => place.close());

/** Each agent's ask has a leaf of its own digit. */
const askOf = (agent: string, digit: string): Ask => ({
  leaf: `0x${digit.repeat(64)}`,
  decision: `0x${digit.repeat(64)}`,
  agent,
  chainId: 31337,
  account: `0x${"ac".repeat(20)}`,
  policyId: `0x${"01".repeat(32)}`,
  calls: [],
  callHash: `0x${"ca".repeat(32)}`,
  nonce: `0x${"de".repeat(32)}`,
  deadline: 4_000_000_000,
  approvers: [],
  reasons: [],
  words: "650.00 USDC to acme",
  label: "1.eml",
});

it("an answer is taken in by whoever asked, with his own purse, and by another where he did not begin", async () => {
  const taken: string[] = [];
  for (const agent of ["clerk", "buyer"])
    place.answers(agent, ({ leaf }) => {
      taken.push(`${agent} ${leaf[2]!}`);
      return Promise.resolve(undefined);
    });
  let commands = 0;
  for (const [agent, digit] of [
    ["buyer", "b"],
    ["clerk", "c"],
    ["cook", "d"],
  ] as const) {
    const ask = askOf(agent, digit);
    putAsk(place.journal(), ask);
    const on = { now: () => now() + commands, chance: () => String(commands++), sleep, waitMs: 0 };
    await sendCommand(state, { command: "decline", ask: ask.leaf }, on);
  }
  await place.commands().scan();
  expect(taken).toEqual(["buyer b", "clerk c", "clerk d"]);
});
