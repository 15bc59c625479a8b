import { realpath } from "node:fs/promises";
import { dirname, resolve } from "node:path";

import type { Agent, TriggerSource } from "../core/agent.ts";
import { ConfigError } from "./configError.ts";
import type { OpenRuntimeOptions } from "./openRuntime.ts";

/**
 * Each agent remembers for itself what it has paid: two that read the same bills would each pay them, also out of two accounts. Who
 * only reads pays nothing, and may read along. Seen is what has one name: not a mailbox that a server has under two.
 *
 * @throws ConfigError
 */
export async function requireOwnInboxes(
  members: readonly Pick<OpenRuntimeOptions, "agent" | "agentFile">[],
): Promise<void> {
  const readers = new Map<string, string>();
  for (const { agent, agentFile } of members) {
    if (!mayPay(agent)) continue;
    for (const inbox of await inboxesOf(agent, agentFile)) {
      const key = JSON.stringify(inbox);
      const other = readers.get(key);
      if (other !== undefined && other !== agent.name)
        throw new ConfigError(
          `The agents ${other} and ${agent.name} read the same inbox: each could pay the same bill, whichever account it pays out of.`,
          {
            remedy: "Give each an inbox of its own, e.g. a folder that the mail server sorts its mail into.",
            facts: { inbox: inbox.join(", ") },
          },
        );
      readers.set(key, agent.name);
    }
  }
}

/** Without actions of its own it pays its policy's payees. */
const mayPay = ({ actions }: Agent): boolean =>
  actions === undefined || Object.values(actions).some(({ calls }) => calls !== undefined);

async function inboxesOf({ triggers }: Agent, agentFile: string): Promise<readonly (readonly string[])[]> {
  const found = await Promise.all(triggers.map((source) => inboxOf(source, dirname(resolve(agentFile)))));
  return found.filter((inbox) => inbox !== undefined);
}

/** Names the place that mails come from; undefined for other sources. */
async function inboxOf(source: TriggerSource, base: string): Promise<readonly string[] | undefined> {
  if (source.kind === "mailFolder") {
    const folder = resolve(base, source.folder);
    // It may not be there yet.
    return [await realpath(folder).catch(() => folder)];
  }
  if (source.kind !== "mailbox") return undefined;
  const { folder = "INBOX", host, user } = source;
  // Hosts and INBOX are written in any case (RFC 9051, 5.1), users on most servers; other folders are not.
  const box = folder.toUpperCase() === "INBOX" ? "INBOX" : folder;
  return [host.toLowerCase(), user.toLowerCase(), box];
}
