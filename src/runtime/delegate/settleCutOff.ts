import { newestBlock, type Chain } from "../../chain/connectChain.ts";
import { readGrantBudget } from "../../chain/readGrantBudget.ts";
import { delegationsIn, setDelegationState } from "../../journal/delegations.ts";
import type { JournalDatabase } from "../../journal/openJournal.ts";
import { spendGrantOf } from "../../policy/spendGrantJson.ts";

/**
 * Says what became of hand-overs that were cut off, by a crash or a power cut, before anything else begins: nobody brings them any more, so
 * they are over, unless the chain has the grant already. Then it is left alone, and shown until somebody ends it there.
 */
export async function settleCutOff(chain: Chain, journal: JournalDatabase): Promise<void> {
  const cutOff = delegationsIn(journal).filter(
    ({ delegation, state }) =>
      state === "asked" && delegation.rung !== "account" && delegation.chainId === chain.chainId,
  );
  if (cutOff.length === 0) return;
  const { number } = await newestBlock(chain);
  for (const { delegation } of cutOff) {
    if (delegation.rung === "account") continue;
    const { contract, grant, id, rung, source } = delegation;
    // What a wallet permitted stands, wherever its bytes are.
    if (rung === "erc7715") {
      setDelegationState(journal, id, "paused");
      continue;
    }
    const { status } = await readGrantBudget(chain, contract, spendGrantOf(grant), source, number);
    setDelegationState(journal, id, status === "granted" ? "paused" : "ended");
  }
}
