import { join } from "node:path";

import { openWalletLink } from "../delegation/openWalletLink.ts";
import type { WalletLink } from "../core/walletLink.ts";
import { openLinkStore } from "../journal/linkStore.ts";
import type { JournalDatabase } from "../journal/openJournal.ts";
import { now, randomSecret } from "./clock.ts";
import type { Config } from "./config.ts";

/** The key that seals what the link keeps in the journal: a copy of the database alone gives no session away. */
const keyFile = "link.key";

/**
 * Opens the link to wallets; what it has to keep is in the journal.
 *
 * @throws LinkStartError · JournalKeyError
 */
export function openLink(
  journal: JournalDatabase,
  state: string,
  { description, name, projectId, relay, url }: NonNullable<Config["wallets"]>,
): Promise<WalletLink> {
  const { requests, store } = openLinkStore(journal, join(state, keyFile), randomSecret);
  return openWalletLink({
    relayUrl: relay,
    ...(projectId === undefined ? {} : { projectId }),
    metadata: { name, description, url, icons: [] },
    store,
    requests,
    now,
  });
}
