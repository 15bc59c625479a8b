import { isAddressEqual } from "viem";

import type { Chain } from "../chain/connectChain.ts";
import type { WalletLink, WalletSession } from "../core/walletLink.ts";
import { delegationsIn, setDelegationState } from "../journal/delegations.ts";
import type { JournalDatabase } from "../journal/openJournal.ts";
import { openWalletDesk } from "./askWallets.ts";
import { now, sleep } from "./clock.ts";
import type { Config } from "./config.ts";
import { settleCutOff } from "./delegate/settleCutOff.ts";
import { openLink } from "./openLink.ts";
import type { GivenAnswer } from "./takeAnswer.ts";

/** How long whoever stops waits for what is on its way, in milliseconds. */
const mostSendingMs = 20_000;
/** How long a run waits for what wallets said while nothing ran, in milliseconds: partings above all. */
const mostCatchingUpMs = 10_000;

/** The wallets of people, while agents run. */
export type Wallets = {
  readonly link: WalletLink;
  /** Puts before them what agents ask. */
  scan(): Promise<void>;
  /**
   * Hears what wallets said while nothing ran, before anything is decided: who parted is left alone, who said yes is heard.
   *
   * @returns whether that is done; a relay that is away holds nobody up for longer than ten seconds
   */
  catchUp(): Promise<boolean>;
  /** Leaves alone what came into force while its session ended. */
  settle(): Promise<void>;
  /** Resolves when the relay has all of it; after twenty seconds at the latest. */
  sent(): Promise<void>;
  close(): Promise<void>;
};

/**
 * Opens the link while agents run: what they ask goes to wallets, and a delegation whose session ends is left alone at once. That stops
 * only this honest runtime; on the chain the grant is what it was until its payer ends it there.
 */
export async function openWallets(
  wallets: NonNullable<Config["wallets"]>,
  place: {
    readonly agents: readonly string[];
    readonly chain: Chain;
    readonly journal: JournalDatabase;
    readonly state: string;
  },
  take: (given: GivenAnswer) => Promise<string | undefined>,
): Promise<Wallets> {
  const { chain, journal } = place;
  await settleCutOff(chain, journal);
  const link = await openLink(journal, place.state, wallets);
  const stop = link.watch((event) => {
    if (event.kind === "ended") pauseAll(journal, ({ topic }) => topic === event.topic);
    if (event.kind === "changed")
      pauseAll(journal, (one) => one.topic === event.session.topic && !has(event.session, one));
  });
  try {
    await pauseWhatEnded(journal, link);
  } catch (error) {
    await link.close();
    throw error;
  }
  const desk = openWalletDesk(place, link, take, { now, sleep });
  return {
    link,
    scan: () => desk.scan(),
    catchUp: () => link.caughtUp(mostCatchingUpMs),
    async sent() {
      await link.caughtUp(mostCatchingUpMs);
      await desk.sent(mostSendingMs);
    },
    settle: () => pauseWhatEnded(journal, link),
    async close() {
      stop();
      await link.close();
      await desk.close(mostSendingMs);
    },
  };
}

/** Sessions that ended while nothing ran. */
async function pauseWhatEnded(journal: JournalDatabase, link: WalletLink): Promise<void> {
  const { sessions } = await link.resume();
  pauseAll(journal, (one) => {
    const session = sessions.find(({ topic }) => topic === one.topic);
    return session === undefined || !has(session, one);
  });
}

type Held = ReturnType<typeof delegationsIn>[number]["delegation"];

function pauseAll(journal: JournalDatabase, isOver: (delegation: Held) => boolean): void {
  for (const { delegation, state } of delegationsIn(journal))
    if (state === "inForce" && isOver(delegation)) setDelegationState(journal, delegation.id, "paused");
}

const has = ({ accounts }: WalletSession, { account, chainId }: Held): boolean =>
  accounts.some((one) => one.chainId === chainId && isAddressEqual(one.address, account));
