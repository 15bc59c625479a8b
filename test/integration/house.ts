import { join } from "node:path";

import { treasurer } from "../../src/agents/treasurer.ts";
import type { Agent } from "../../src/core/agent.ts";
import type { Bundler } from "../../src/chain/bundler/bundler.ts";
import { ownBundler } from "../../src/chain/bundler/ownBundler.ts";
import type { BaseError } from "../../src/core/errors.ts";
import type { InferenceEngine } from "../../src/core/inference.ts";
import { allDecisions } from "../../src/journal/decisions.ts";
import { embeddedHost } from "../../src/journal/embeddedHost.ts";
import { openJournal, type JournalDatabase } from "../../src/journal/openJournal.ts";
import { usualAskSeconds } from "../../src/runtime/asking.ts";
import { now, randomSecret, sleep } from "../../src/runtime/clock.ts";
import { runNext, type Passage } from "../../src/runtime/corridor.ts";
import type { House } from "../../src/runtime/house.ts";
import type { OwnerSignatures } from "../../src/runtime/ownerSignatures.ts";
import { reportOf, type DecisionReport } from "../../src/runtime/report.ts";
import { steps } from "../../src/runtime/steps/index.ts";
import { watchMailFolder } from "../../src/runtime/triggers/mailFolder.ts";
import { plainReader, scriptedEngine } from "../doubles/scriptedEngine.ts";
import type { World } from "./world.ts";

export type HouseOptions = {
  /** Folder of journal, inbox and mail settings. */
  readonly state: string;
  readonly agent?: Agent;
  readonly engine?: InferenceEngine;
  readonly bundler?: Bundler;
  readonly journal?: JournalDatabase;
  readonly ownerSignatures?: OwnerSignatures;
};

const defaultAgent = treasurer({ name: "treasurer", inbox: "./inbox", mailSettings: "./mail.json" });

/** The runtime's own parts as `openRuntime` puts them together, with a script in the model's place. */
export function openHouse(world: World, options: HouseOptions): House {
  return {
    agent: options.agent ?? defaultAgent,
    policy: world.policy,
    account: world.account,
    ownerSignatures: options.ownerSignatures ?? {},
    signer: world.agent,
    chain: world.chain,
    bundler: options.bundler ?? ownBundler(world.chain, { executor: world.purse }),
    purse: world.purse,
    engine: options.engine ?? scriptedEngine(plainReader),
    journal: options.journal ?? openJournal(join(options.state, "journal.db")),
    randomSecret,
    now,
    retryPauseMs: 0,
    askSeconds: usualAskSeconds,
    sleep,
  };
}

export type DecideOptions = {
  readonly onPassage?: Passage;
  readonly onUnusable?: (file: string, error: BaseError) => void;
  readonly signal?: AbortSignal;
  readonly backOffMs?: readonly number[];
};

/** Takes in the mail that waits and decides all of it. */
export async function decideAll(
  house: House,
  state: string,
  options: DecideOptions = {},
): Promise<readonly DecisionReport[]> {
  const { agent } = house;
  const source = agent.triggers.find(({ kind }) => kind === "mailFolder");
  if (source?.kind !== "mailFolder") throw new Error("The agent of a test house reads mail.");
  const watcher = await watchMailFolder({
    agent: agent.name,
    journal: house.journal,
    source,
    folder: join(state, "inbox"),
    settingsFile: join(state, "mail.json"),
    now,
    onUnusable: options.onUnusable ?? (() => undefined),
  });
  await watcher.scan();
  const signal = options.signal ?? new AbortController().signal;
  const { backOffMs, onPassage } = options;
  const host = embeddedHost(house.journal);
  while (
    await runNext({
      host,
      house,
      steps,
      signal,
      ...(onPassage ? { onPassage } : {}),
      ...(backOffMs ? { backOffMs } : {}),
    })
  );
  return reportsOf(house);
}

/** Every finished decision, oldest first. */
export function reportsOf({ agent: { name }, journal }: House): readonly DecisionReport[] {
  return allDecisions(journal, name)
    .filter((decision) => decision.done)
    .map((decision) => reportOf(journal, decision));
}
