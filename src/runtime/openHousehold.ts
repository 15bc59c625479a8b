import { setMaxListeners } from "node:events";

import { JournalWriteError } from "../journal/errors.ts";
import { ConfigError, type Config } from "./config.ts";
import type { Passage } from "./corridor.ts";
import { openAgent, type OpenRuntimeOptions, type Runtime, type RuntimeEvent } from "./openRuntime.ts";
import { openPlace } from "./openPlace.ts";
import type { AskPassword } from "./password.ts";
import { LaneHeldError, laneName } from "./lane.ts";
import { requireOwnInboxes } from "./requireOwnInboxes.ts";
import { JournalBehindChainError } from "./requireWholeJournal.ts";

/** What tells one agent of a household from another. */
export type Member = Pick<OpenRuntimeOptions, "agent" | "agentFile" | "config">;

export type HouseholdEvent = RuntimeEvent | { readonly kind: "stopped"; readonly error: Error };

export type OpenHouseholdOptions = {
  /** In the order in which they are opened. Their configurations name the same state folder and the same chain. */
  readonly members: readonly Member[];
  /** Steps of decisions that run at once, over all agents. One agent never decides two things at once. */
  readonly mostAtOnce?: number;
  readonly askPassword?: AskPassword;
  readonly onEvent?: (event: HouseholdEvent, agent: string) => void;
  readonly onPassage?: Passage;
  readonly signal?: AbortSignal;
};

export type Household = Pick<Runtime, "runUntilIdle" | "watch" | "close"> & {
  readonly runtimes: readonly Runtime[];
  /** Publishes the decision tree of each agent that has something new. */
  anchor(): Promise<void>;
};

/** More than models and most RPCs answer at once; what waits is in order. */
const usuallyAtOnce = 64;

/**
 * Opens several agents in one process, on one journal: one writer, one flush of the disk for what they decide in the same moment, one
 * connection to each chain, one copy of each model. They decide beside each other, each one thing at a time, and take turns. An agent
 * that fails stops, or does not begin where its own nonces were used by somebody else, and the others go on; a journal that fails stops
 * all of them.
 *
 * @throws ConfigError for agents that can't live together, and what `openRuntime` throws
 */
export async function openHousehold(options: OpenHouseholdOptions): Promise<Household> {
  const { members, onEvent } = options;
  const [first] = members;
  if (!first) throw new ConfigError("There is no agent to run.", { remedy: "Name one." });
  requireOneHome(members);
  await requireOwnInboxes(members);
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  // Each agent listens to it wherever it waits.
  setMaxListeners(0, signal);
  const names = members.map(({ agent }) => agent.name);
  const place = openPlace(first.config.state, names, options.mostAtOnce ?? usuallyAtOnce);
  const runtimes: Runtime[] = [];
  /** Why some did not begin. */
  const troubles: Error[] = [];
  const close = async (): Promise<void> => {
    for (const runtime of runtimes.splice(0).reverse()) await runtime.close();
    await place.close();
  };
  // While the others are opened one after the other. A mistake shows when it is their turn; who has to be asked is asked then.
  for (const { config } of members)
    if (config.passwordFile !== undefined) place.signer(config, undefined).catch(() => undefined);
  try {
    for (const member of members) {
      const { onPassage, askPassword } = options;
      const opening = openAgent(
        {
          ...member,
          ...(askPassword ? { askPassword } : {}),
          ...(onPassage ? { onPassage } : {}),
          onEvent: (event) => onEvent?.(event, member.agent.name),
          signal,
        },
        place,
      );
      const runtime = await opening.catch((error: unknown) => {
        if (!(error instanceof LaneHeldError || error instanceof JournalBehindChainError)) throw error;
        troubles.push(error);
        onEvent?.({ kind: "stopped", error }, member.agent.name);
      });
      if (!runtime) continue;
      runtimes.push(runtime);
      requireOwnLane(runtimes);
    }
    if (runtimes.length === 0) throw troubles[0]!;
  } catch (error) {
    await close();
    throw error;
  }

  /** Each agent for itself. @throws the first error, when all are done; that of an agent that did not begin comes first */
  async function each(live: (runtime: Runtime) => Promise<unknown>): Promise<void> {
    const failures: unknown[] = [...troubles];
    await Promise.all(
      runtimes.map(async (runtime) => {
        try {
          await live(runtime);
        } catch (error) {
          failures.push(error);
          if (error instanceof JournalWriteError) stop.abort(error);
          onEvent?.(
            { kind: "stopped", error: error instanceof Error ? error : new Error(String(error)) },
            runtime.house.agent.name,
          );
        }
      }),
    );
    if (failures.length > 0) throw failures[0];
  }

  return {
    runtimes,
    runUntilIdle: () => each((runtime) => runtime.runUntilIdle()),
    watch: () => each((runtime) => runtime.watch()),
    async anchor() {
      for (const runtime of runtimes) await runtime.anchor();
    },
    close,
  };
}

/** One journal, whose agents have names of their own; one chain, by whose time a restored journal waits; one link to wallets. */
function requireOneHome(members: readonly Member[]): void {
  const [first] = members;
  const refuse = (words: string, remedy: string, facts: Readonly<Record<string, string | number>>) => {
    throw new ConfigError(words, { remedy, facts });
  };
  const names = new Set<string>();
  const linked = members.find(({ config }) => config.wallets);
  for (const { agent, config } of members) {
    if (config.state !== first!.config.state)
      refuse("The agents have different state folders.", "Give all their configurations the same `state`.", {
        first: first!.config.state,
        other: config.state,
      });
    if (config.chain.chainId !== first!.config.chain.chainId)
      refuse("The agents are on different chains.", "Run those of another chain in a process of their own.", {
        first: first!.config.chain.chainId,
        other: config.chain.chainId,
      });
    if (config.wallets && lineOf(config.wallets) !== lineOf(linked!.config.wallets!))
      refuse(
        "The agents reach wallets by different relays, or call themselves differently there.",
        "Give all their configurations the same `wallets`; only its `permissions` may differ.",
        { first: linked!.agent.name, other: agent.name },
      );
    if (names.has(agent.name))
      refuse(`Two agents are called ${agent.name}.`, "Give each a name of its own.", {});
    names.add(agent.name);
  }
}

/** What a link to wallets is opened with: there is one in a process. */
const lineOf = ({ description, name, projectId, relay, url }: NonNullable<Config["wallets"]>): string =>
  JSON.stringify([relay, projectId, name, description, url]);

/** Two agents with one key would sign at the same nonces. */
function requireOwnLane(runtimes: readonly Runtime[]): void {
  const newest = runtimes.at(-1)!.house;
  const other = runtimes.slice(0, -1).find(({ house }) => laneName(house) === laneName(newest));
  if (!other) return;
  throw new ConfigError(
    `The agents ${other.house.agent.name} and ${newest.agent.name} have the same key on the same account.`,
    { remedy: "Give each agent a key of its own, with a grant of its own." },
  );
}
