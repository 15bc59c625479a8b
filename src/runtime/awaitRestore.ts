import { ask, finalBlock, type Chain } from "../chain/connectChain.ts";
import { longestClaimSeconds } from "../chain/signOperation.ts";
import type { JournalDatabase } from "../journal/openJournal.ts";
import { forgetRestore, restoredAt } from "../journal/restoreJournal.ts";
import { sleep } from "./clock.ts";

/** How often the chain is looked at, in milliseconds. */
const pollMs = 2000;

/**
 * After a restore: waits until no operation that the lost journal signed can be included any more. A claim is at most five minutes
 * long, so it is over once a final block is that much later than the chain's time at the first look. Only then do the chain's
 * nonces tell whether the lost journal had paid anything.
 *
 * @throws the signal's reason
 */
export async function awaitRestore(
  chain: Chain,
  journal: JournalDatabase,
  signal: AbortSignal,
  onWait: (secondsLeft: number) => void,
): Promise<void> {
  for (;;) {
    const { timestamp } = await ask(chain, () => chain.client.getBlock({ blockTag: "latest" }));
    const since = restoredAt(journal, Number(timestamp));
    if (since === undefined) return;
    const left = since + longestClaimSeconds - Number((await finalBlock(chain)).timestamp);
    if (left < 0) return forgetRestore(journal);
    onWait(left);
    await sleep(pollMs, signal);
    signal.throwIfAborted();
  }
}
