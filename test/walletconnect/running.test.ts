// People delegate to an agent while it runs: it carries the hand-over out, and `bursar delegate` shows and asks.
import { existsSync, statSync } from "node:fs";
import path from "node:path";

import { expect, test } from "vitest";

import { delegationsIn } from "../../src/journal/delegations.ts";
import { readJournal } from "../../src/journal/readJournal.ts";
import { joinHandOver } from "../../src/runtime/delegate/joinHandOver.ts";
import { writeInbox } from "../integration/mails.ts";
import { paidTo } from "../integration/world.ts";
import { bill, units, untilRelayed } from "./delegateScene.ts";
import { command, delegate, desk, runAgent, type Desk } from "./operator.ts";
import { until } from "./until.ts";

const statesOf = ({ state }: Desk) => {
  const journal = readJournal(path.join(state, "journal.db"));
  try {
    return delegationsIn(journal).map((row) => row.state);
  } finally {
    journal.close();
  }
};

test("delegated, and paid out of, without a restart; whoever stops the command stops the hand-over, and not the agent", async () => {
  const here = await desk("running");
  const { state, wallet, world } = here;
  const agent = await runAgent(here);
  const socket = path.join(state, "delegate.socket");
  expect(statSync(socket).mode & 0o777).toBe(0o600);

  // Killed while the wallet shows the grant: what it signs afterwards is brought by nobody.
  await wallet.do({ do: "mode", onRequest: "hold" });
  const killed = delegate(here, {
    onEvent: (event) => {
      if (event.kind === "asked" && event.what === "sign-in")
        void wallet.says("request").then(() => wallet.do({ do: "release", as: "right" }));
      if (event.kind === "explained") void wallet.do({ do: "mode", onRequest: "hold" });
    },
    killAt: (event) => event.kind === "asked" && event.what === "grant",
  });
  expect((await killed).status).toBe(null);
  await until(() => statesOf(here).at(-1) === "ended", "the hand-over is over");
  await wallet.do({ do: "mode", onRequest: "right" });

  const { errors, events, status } = await delegate(here);
  expect([status, errors]).toEqual([0, expect.not.stringContaining("keystore")]);
  expect(events.at(-1)).toMatchObject({ delegation: { rung: "spendGrant", agent: "treasurer" } });
  expect(statesOf(here)).toEqual(["ended", "inForce"]);

  writeInbox(state, { "1.eml": bill("INV-1", "40.00") });
  await until(() => agent.reports.length > 0, "the agent decides", 60_000);
  expect(agent.reports).toMatchObject([{ outcome: "paid" }]);
  expect(await paidTo(world, "acme")).toBe(40n * units);

  expect((await agent.stop()).status).toBe(0);
  expect(existsSync(socket)).toBe(false);

  // He parts while nothing runs. Whoever is run now and then hears that before he pays anything.
  await untilRelayed("parting", () => wallet.do({ do: "disconnect" }));
  writeInbox(state, { "2.eml": bill("INV-2", "5.00") });
  const { output } = await command(here, "run", "agent.ts", "--once", "--json");
  expect(JSON.parse(output.split("\n")[0]!)).toMatchObject({
    outcome: "refused",
    reasons: [{ code: "no-delegation" }],
  });
  expect(statesOf(here)).toEqual(["ended", "paused"]);
});

test("terms that are none, an agent of another name, and an agent that stops meanwhile: told, and nothing is left", async () => {
  const here = await desk("runningelse");
  const { state, wallet } = here;
  const agent = await runAgent(here);
  const terms = { days: 30, purpose: "Pays bills." };
  await expect(joinHandOver("treasurer", state, { ...terms, days: Number.NaN })).rejects.toThrow(
    "The terms can't be sent to the agent: terms.days",
  );
  const begin = async (name: string, changed: object = {}) => {
    const joined = await joinHandOver(name, state, { ...terms, ...changed });
    const signal = new AbortController().signal;
    return joined!.run({ tell: () => undefined, confirm: () => Promise.resolve(true), signal });
  };
  await expect(begin("somebody")).rejects.toThrow('No agent here is called "somebody".');
  await expect(begin("treasurer", { token: "DAI" })).rejects.toThrow("DAI");
  // Ctrl-C while nobody has scanned the code.
  const stopping = new AbortController();
  const joined = await joinHandOver("treasurer", state, terms);
  const running = joined!.run({
    tell: (event) => event.kind === "uri" && stopping.abort(),
    confirm: () => Promise.resolve(true),
    signal: stopping.signal,
  });
  await expect(running).rejects.toThrow("It was stopped.");
  await wallet.do({ do: "mode", onRequest: "hold" });
  let stopped: ReturnType<typeof agent.stop> | undefined;
  const going = delegate(here, {
    onEvent(event) {
      if (event.kind === "asked") stopped ??= agent.stop();
    },
  });
  const { events, status } = await going;
  expect([status, JSON.stringify(events.at(-1))]).toEqual([
    1,
    expect.stringContaining("The agent that carried it out stopped."),
  ]);
  // The agent is gone as well, and left nothing behind that waits for the wallet.
  expect((await stopped)!.status).toBe(0);
  expect(statesOf(here)).toEqual([]);
  // The place of an agent that was killed is no place of one that runs.
  expect(await joinHandOver("treasurer", state, terms)).toBe(undefined);
});
