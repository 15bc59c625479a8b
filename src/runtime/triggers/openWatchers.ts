import { dirname, resolve } from "node:path";

import type { Agent, TriggerSource } from "../../core/agent.ts";
import type { BaseError } from "../../core/errors.ts";
import type { Chain } from "../../chain/connectChain.ts";
import type { JournalDatabase } from "../../journal/openJournal.ts";
import { countWaiting } from "../../journal/triggers.ts";
import { now } from "../clock.ts";
import { watchChainEvent } from "./chainEvent.ts";
import { watchClock } from "./clock.ts";
import { watchDelegations } from "./delegation.ts";
import { watchMailbox } from "./mailbox.ts";
import { watchMailFolder } from "./mailFolder.ts";
import { mostWaiting, type Watcher } from "./watcher.ts";
import { openWebhooks, WebhookError, type WebhookSource } from "./webhook.ts";

export type WatchersOptions = {
  readonly agent: Agent;
  /** File of the agent's declaration: its paths are relative to it. */
  readonly agentFile: string;
  readonly journal: JournalDatabase;
  readonly chain: Chain;
  readonly webhooks: { readonly host: string; readonly port: number } | undefined;
  readonly onUnusable: (file: string, error: BaseError) => void;
  /** A source that does not answer; it is asked again. */
  readonly onWaiting: (error: BaseError) => void;
};

/**
 * Opens every source that an agent's declaration names. While as many triggers wait as may, no source is read: what is outside
 * stays there, and senders of webhooks are told to come back.
 *
 * @throws ScheduleError · EventDeclarationError · WebhookError · MailSettingsFileError · MailboxError
 */
export async function openWatchers(options: WatchersOptions): Promise<readonly Watcher[]> {
  const { agent, journal } = options;
  const hooks = agent.triggers.filter((source) => source.kind === "webhook");
  const others = agent.triggers.filter((source) => source.kind !== "webhook");
  const watchers = await Promise.all(others.map((source) => open(options, source)));
  const patient = watchers.map((watcher): Watcher => ({
    ...watcher,
    scan: () => (countWaiting(journal, agent.name) < mostWaiting ? watcher.scan() : Promise.resolve()),
  }));
  return hooks.length === 0 ? patient : [...patient, await openHooks(options, hooks)];
}

async function open(
  { agent: { name: agent }, agentFile, chain, journal, onUnusable, onWaiting }: WatchersOptions,
  source: Exclude<TriggerSource, WebhookSource>,
): Promise<Watcher> {
  const base = dirname(resolve(agentFile));
  switch (source.kind) {
    case "mailFolder":
      return watchMailFolder({
        agent,
        journal,
        source,
        folder: resolve(base, source.folder),
        settingsFile: resolve(base, source.settings),
        now,
        onUnusable,
      });
    case "mailbox":
      return watchMailbox({
        agent,
        journal,
        source,
        passwordFile: resolve(base, source.passwordFile),
        settingsFile: resolve(base, source.settings),
        now,
        onUnusable,
        onWaiting,
      });
    case "interval":
    case "cron":
      return watchClock({ agent, journal, source, now });
    case "chainEvent":
      return watchChainEvent({ agent, journal, chain, source });
    case "delegation":
      return watchDelegations({ agent, journal });
  }
}

function openHooks(
  { agent, agentFile, journal, webhooks }: WatchersOptions,
  sources: readonly WebhookSource[],
): Promise<Watcher> {
  if (!webhooks)
    throw new WebhookError(`The agent ${agent.name} has webhooks, and nowhere to listen.`, {
      remedy: 'Add "webhooks": { "port": 8787 } to the configuration.',
    });
  const base = dirname(resolve(agentFile));
  return openWebhooks({
    agent: agent.name,
    journal,
    sources,
    secretFiles: sources.map(({ secretFile }) => resolve(base, secretFile)),
    listen: webhooks,
    now,
  });
}
