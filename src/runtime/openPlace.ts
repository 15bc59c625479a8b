import { join } from "node:path";

import { connectChain, type Chain } from "../chain/connectChain.ts";
import { openJournal, type JournalDatabase } from "../journal/openJournal.ts";
import type { Config } from "./config.ts";
import type { House } from "./house.ts";
import { openBundlers } from "./openBundlers.ts";
import type { AskPassword } from "./password.ts";
import { watchCommands } from "./triggers/commands.ts";
import type { Watcher } from "./triggers/watcher.ts";
import { openTurns, type Turns } from "./turns.ts";

/** Sources of triggers that are looked at at once. */
const mostLooking = 16;

/** Who carries operations, and the purse that pays for it: one transaction of a purse is made at a time. */
export type Carrier = Pick<House, "bundler" | "purse"> & { readonly purseTurns: Turns };

/** What the agents of one process have in common. Whatever two configurations name alike is opened once. */
export type Place = {
  journal(): JournalDatabase;
  chain(config: Config["chain"]): Promise<Chain>;
  carrier(config: Config, askPassword: AskPassword | undefined): Promise<Carrier>;
  /** What the operator put into the state folder, for all the agents. */
  commands(): Watcher;
  /** Steps of decisions, as many at once as may be. */
  readonly deciding: Turns;
  readonly looking: Turns;
  close(): void;
};

/** @param mostAtOnce steps of decisions at once, over all agents; waiting for the chain is none */
export function openPlace(state: string, agents: readonly string[], mostAtOnce: number): Place {
  let journal: JournalDatabase | undefined;
  let commands: Watcher | undefined;
  const chains = new Map<string, Promise<Chain>>();
  const carriers = new Map<string, Promise<Carrier>>();
  const place: Place = {
    journal: () => (journal ??= openJournal(join(state, "journal.db"))),
    chain: (config) => onceFor(chains, JSON.stringify(config), () => connectChain(config)),
    carrier(config, askPassword) {
      const { bundler, chain } = config;
      return onceFor(carriers, JSON.stringify([bundler, chain]), async () =>
        openCarrier(bundler, await place.chain(chain), askPassword),
      );
    },
    commands: () => (commands ??= watchCommands({ agents, journal: place.journal(), state })),
    deciding: openTurns(mostAtOnce),
    looking: openTurns(mostLooking),
    close: () => journal?.close(),
  };
  return place;
}

async function openCarrier(
  config: Config["bundler"],
  chain: Chain,
  askPassword: AskPassword | undefined,
): Promise<Carrier> {
  const purseTurns = openTurns(1);
  const { bundler, purse } = await openBundlers(chain, config, askPassword);
  if (!purse) return { bundler, purse, purseTurns };
  return {
    bundler: {
      ...bundler,
      send: (userOp, attempt) => purseTurns.take("first", () => bundler.send(userOp, attempt)),
    },
    purse,
    purseTurns,
  };
}

function onceFor<T>(known: Map<string, Promise<T>>, key: string, open: () => Promise<T>): Promise<T> {
  let opening = known.get(key);
  if (!opening) known.set(key, (opening = open()));
  return opening;
}
