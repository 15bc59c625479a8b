import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import type { Hex } from "viem";

import type { LinkEvent, WalletSession } from "../../src/core/walletLink.ts";
import { openWalletLink, type OpenWalletLinkOptions } from "../../src/delegation/openWalletLink.ts";
import { openLinkStore } from "../../src/journal/linkStore.ts";
import { openJournal } from "../../src/journal/openJournal.ts";
import { now, randomSecret } from "../../src/runtime/clock.ts";
import { startRelay, type LocalRelay } from "../../src/testing/index.ts";
import { chainId } from "./documents.ts";
import { startWallet, type TestWallet } from "./startWallet.ts";
import { until } from "./until.ts";
import type { WalletOptions } from "./walletMessages.ts";

export const keys = { anna: `0x${"11".repeat(32)}`, ben: `0x${"77".repeat(32)}` } as const satisfies Record<
  string,
  Hex
>;
export const methods = ["personal_sign", "eth_signTypedData_v4", "eth_sendTransaction"] as const;

export type Link = Awaited<ReturnType<typeof openWalletLink>> & { readonly events: LinkEvent[] };

/** A relay, a place where links keep their things, and whatever of wallets and links a test opens; all of it gone at the end. */
export type World = {
  readonly relay: LocalRelay;
  /** Every wallet that was started, the dead ones too. */
  readonly wallets: readonly TestWallet[];
  readonly folder: string;
  link(options?: Partial<OpenWalletLinkOptions>): Promise<Link>;
  wallet(options?: Partial<WalletOptions>): Promise<TestWallet>;
  /** Connects a link to a wallet. */
  pair(link: Link, wallet: TestWallet): Promise<WalletSession>;
  close(): Promise<void>;
};

export async function openWorld(redeliverMs = 500): Promise<World> {
  const folder = mkdtempSync(path.join(tmpdir(), "bursar-link-"));
  const relay = await startRelay({ journal: path.join(folder, "relay.ndjson"), redeliverMs });
  const journal = openJournal(path.join(folder, "journal.db"));
  const links: Link[] = [];
  const wallets: TestWallet[] = [];
  return {
    relay,
    wallets,
    folder,
    async link(options = {}) {
      const opened = await openWalletLink({
        relayUrl: relay.url,
        metadata: { name: "Bursar", description: "an agent", url: "http://localhost", icons: [] },
        ...openLinkStore(journal, path.join(folder, "link.key"), randomSecret),
        now,
        ...options,
      });
      const events: LinkEvent[] = [];
      opened.watch((event) => events.push(event));
      // The process may be another one later: the getter stays one.
      const link: Link = Object.assign(Object.create(opened) as typeof opened, { events });
      links.push(link);
      return link;
    },
    async wallet(options = {}) {
      const wallet = await startWallet({
        relayUrl: relay.url,
        key: keys.anna,
        chains: [chainId],
        database: path.join(folder, `wallet${options.key ?? ""}`),
        ...options,
      });
      wallets.push(wallet);
      return wallet;
    },
    async pair(link, wallet) {
      const { settled, uri } = await link.connect({ chains: [chainId], methods, deadlineMs: 30_000 });
      await wallet.do({ do: "pair", uri });
      const settledAs = await settled;
      if (settledAs.outcome !== "approved") throw new Error(`not paired: ${JSON.stringify(settledAs)}`);
      return settledAs.session;
    },
    async close() {
      await Promise.all([...links.map((link) => link.close()), ...wallets.map((wallet) => wallet.kill())]);
      journal.close();
      await relay.close();
      rmSync(folder, { recursive: true });
    },
  };
}

export const eventually = <K extends LinkEvent["kind"]>(link: Link, kind: K, milliseconds?: number) =>
  until(
    () => link.events.find((event): event is Extract<LinkEvent, { kind: K }> => event.kind === kind),
    `the link tells ${kind}; it told ${link.events.map((event) => event.kind).join(" ")}`,
    milliseconds,
  );
