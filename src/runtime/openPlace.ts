import { join } from "node:path";

import type { PrivateKeyAccount } from "viem/accounts";

import { connectChain, type Chain } from "../chain/connectChain.ts";
import { openKeystore } from "../chain/keystore.ts";
import type { GrantDelegation } from "../core/delegation.ts";
import { askOfLeaf } from "../journal/asks.ts";
import { openJournal, type JournalDatabase } from "../journal/openJournal.ts";
import { now, randomSecret } from "./clock.ts";
import type { Config } from "./config.ts";
import { DelegationError } from "./delegate/answers.ts";
import type { AskedHandOver } from "./delegate/handOverLine.ts";
import { serveHandOvers, type HandOverTalk } from "./delegate/serveHandOvers.ts";
import type { House } from "./house.ts";
import { openBundlers } from "./openBundlers.ts";
import { openWallets, type Wallets } from "./openWallets.ts";
import { passwordFor, type AskPassword } from "./password.ts";
import type { GivenAnswer } from "./takeAnswer.ts";
import { watchCommands } from "./triggers/commands.ts";
import type { Watcher } from "./triggers/watcher.ts";
import { openTurns, type Turns } from "./turns.ts";

/** Sources of triggers that are looked at at once. */
const mostLooking = 16;

/** Keystores that are opened at once: each takes one of Node's four threads, and 256 MiB where a person chose the password. */
const mostUnlocking = 4;

/** Who carries operations, and the purse that pays for it: one transaction of a purse is made at a time. */
export type Carrier = Pick<House, "bundler" | "purse"> & { readonly purseTurns: Turns };

/** Carries out a hand-over that somebody asked a running agent for. */
export type BeginHandOver = (asked: AskedHandOver, talk: HandOverTalk) => Promise<GrantDelegation>;

/** Takes an answer in; tells why it is none. */
type TakeAnswer = (given: GivenAnswer) => Promise<string | undefined>;

/** What the agents of one process have in common. Whatever two configurations name alike is opened once. */
export type Place = {
  /** Names of the agents. */
  readonly agents: readonly string[];
  journal(): JournalDatabase;
  chain(config: Config["chain"]): Promise<Chain>;
  carrier(config: Config, askPassword: AskPassword | undefined): Promise<Carrier>;
  /** An agent's key, of a keystore that is opened once. */
  signer(
    config: Pick<Config, "keystore" | "passwordFile">,
    askPassword: AskPassword | undefined,
  ): Promise<PrivateKeyAccount>;
  /** What takes in the answers to what an agent asks, with the purse that is its own. */
  answers(agent: string, take: TakeAnswer): void;
  /** What the operator put into the state folder, for all the agents. */
  commands(): Watcher;
  /** The wallets of people, if the agent's configuration names a relay; what it asks is put before them from then on. */
  wallets(agent: string, config: Config): Promise<Wallets | undefined>;
  /** Lets people delegate to an agent while it runs. */
  offer(agent: string, begin: BeginHandOver): Promise<void>;
  /** Steps of decisions, as many at once as may be. */
  readonly deciding: Turns;
  readonly looking: Turns;
  close(): Promise<void>;
};

/** @param mostAtOnce steps of decisions at once, over all agents; waiting for the chain is none */
export function openPlace(state: string, agents: readonly string[], mostAtOnce: number): Place {
  let journal: JournalDatabase | undefined;
  let commands: Watcher | undefined;
  let wallets: Promise<Wallets> | undefined;
  let serving: ReturnType<typeof serveHandOvers> | undefined;
  const offered = new Map<string, BeginHandOver>();
  const desks = new Map<string, TakeAnswer>();
  /** The agents that ask wallets. */
  const asking: string[] = [];
  const chains = new Map<string, Promise<Chain>>();
  const carriers = new Map<string, Promise<Carrier>>();
  const signers = new Map<string, Promise<PrivateKeyAccount>>();
  const unlocking = openTurns(mostUnlocking);
  /** What an agent asked that did not begin, any other takes in. */
  const answer: TakeAnswer = (given) => {
    const asked = askOfLeaf(place.journal(), given.leaf)?.ask.agent;
    const [any] = desks.values();
    return ((asked === undefined ? undefined : desks.get(asked)) ?? any!)(given);
  };
  const place: Place = {
    agents,
    journal: () => (journal ??= openJournal(join(state, "journal.db"))),
    chain: (config) => onceFor(chains, JSON.stringify(config), () => connectChain(config)),
    carrier(config, askPassword) {
      const { bundler, chain } = config;
      return onceFor(carriers, JSON.stringify([bundler, chain]), async () =>
        openCarrier(bundler, await place.chain(chain), askPassword),
      );
    },
    signer: (config, askPassword) =>
      onceFor(signers, config.keystore, () =>
        unlocking.take("usual", async () =>
          openKeystore(config.keystore, await passwordFor(config, askPassword)),
        ),
      ),
    answers: (agent, take) => void desks.set(agent, take),
    commands: () => (commands ??= watchCommands({ agents, journal: place.journal(), state, now, answer })),
    deciding: openTurns(mostAtOnce),
    looking: openTurns(mostLooking),
    async wallets(agent, { chain: where, wallets: relay }) {
      if (!relay) return undefined;
      const chain = await place.chain(where);
      asking.push(agent);
      return (wallets ??= openWallets(
        relay,
        { agents: asking, chain, journal: place.journal(), state },
        answer,
      ));
    },
    async offer(agent, begin) {
      offered.set(agent, begin);
      await (serving ??= serveHandOvers(state, randomSecret, async (asked, talk) => {
        const chosen = offered.get(asked.agent);
        if (!chosen)
          throw new DelegationError(`No agent here is called ${JSON.stringify(asked.agent)}.`, {
            remedy: `Name one that runs on this state folder: ${[...offered.keys()].join(", ")}.`,
          });
        return chosen(asked, talk);
      }));
    },
    async close() {
      await (await serving?.catch(() => undefined))?.close();
      await (await wallets?.catch(() => undefined))?.close();
      journal?.close();
    },
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
