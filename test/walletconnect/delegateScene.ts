// What the tests of hand-overs share: a chain, a relay, Anna with her wallet, and an agent that she knows nothing of.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { parseEther, type Address } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll } from "vitest";

import { ensureDeployed, sendTransaction, spendGrantDeployment } from "../../src/chain/deploy.ts";
import type { WalletLink } from "../../src/core/walletLink.ts";
import { openJournal, type JournalDatabase } from "../../src/journal/openJournal.ts";
import { randomSecret, sleep } from "../../src/runtime/clock.ts";
import { handOver } from "../../src/runtime/delegate/handOver.ts";
import type { HandOverEvent, HandOverOptions } from "../../src/runtime/delegate/handOverOptions.ts";
import type { PermissionPlace } from "../../src/runtime/delegate/permissionBy.ts";
import { openLink } from "../../src/runtime/openLink.ts";
import { openWallets } from "../../src/runtime/openWallets.ts";
import { grantContractOf } from "../../src/runtime/payer.ts";
import { openTurns } from "../../src/runtime/turns.ts";
import { takeAnswer } from "../../src/runtime/takeAnswer.ts";
import { startRelay, type LocalRelay } from "../../src/testing/index.ts";
import { localFaucet } from "../../src/testing/localChain.ts";
import { serveChain, type ServedChain } from "../../src/testing/serveChain.ts";
import { reportsOf, type openHouse } from "../integration/house.ts";
import { billMail, writeInbox } from "../integration/mails.ts";
import { keyOf, makeWorld, mint, tokenAddress, type World } from "../integration/world.ts";
import { startWallet, type TestWallet } from "./startWallet.ts";
import { until } from "./until.ts";
import type { WalletOptions } from "./walletMessages.ts";

const folder = mkdtempSync(path.join(tmpdir(), "bursar-delegate-"));
export const contract = spendGrantDeployment.address;
export const units = 1_000_000n;
export let served: ServedChain;
export let relay: LocalRelay;
const wallets: TestWallet[] = [];
beforeAll(async () => {
  served = await serveChain();
  relay = await startRelay({ journal: path.join(folder, "relay.ndjson") });
});
afterAll(async () => {
  await Promise.all(wallets.map((wallet) => wallet.kill()));
  await relay.close();
  await served.close();
  rmSync(folder, { recursive: true, force: true });
});

export const annaOf = (name: string) => privateKeyToAccount(keyOf(name, "anna"));
export const payeeOf = (name: string, who: string): Address => privateKeyToAccount(keyOf(name, who)).address;

/** 50 USDC a payment, 120 with Anna's yes. */
const policyTextOf = (name: string, token: Address) => `policy: ${name}
version: 1
chain: 31337
tokens:
  USDC: { address: "${token}", decimals: 6 }
payees:
  acme: { address: "${payeeOf(name, "acme")}", senders: [acme.example] }
contracts:
  grants: { address: "${contract}" }
limits:
  - perPayment: "50.00 USDC"
    perWindow: "1000.00 USDC"
    window: 24h
    lifetime: "20000.00 USDC"
    escalation: { upTo: "120.00 USDC" }
approvers:
  anna: { address: "${annaOf(name).address}" }
calls:
  - to: grants
    function: function spend((address account, address agent, address agentKey, address token, uint160 perCall, uint160 perWindow, uint48 window, uint160 total, uint48 validAfter, uint48 validUntil, address[] payees, bool anyPayee, uint64 epoch, uint256 salt, bytes32 purpose, bytes32 policyHash) grant, address payee, uint256 amount, uint8 source)
    counts: USDC
    spends: amount
    where: { payee: { equals: acme } }
gas: { budget: "0.5 ETH", perOperation: "0.02 ETH" }
expires: "2036-12-31T00:00:00Z"
`;

/** The protocol's numbers for what a wallet says. */
const tags = { answer: 1109, parting: 1112 } as const;

/** Has the wallet do something, and waits until the relay has what it says by it. */
export async function untilRelayed(what: keyof typeof tags, work: () => Promise<unknown>): Promise<void> {
  const relayed = () => relay.calls.filter(({ tag }) => tag === tags[what]).length;
  const before = relayed();
  await work();
  await until(() => relayed() > before, `the relay has the ${what}`);
}

export const relayOf = () => ({
  relay: relay.url,
  name: "Bursar",
  description: "an agent",
  url: "https://localhost",
});

/** Anna with 1,000 USDC and a wallet, and an agent that she knows nothing of. */
export async function scene(
  name: string,
  key = keyOf(name, "anna"),
  more: Pick<WalletOptions, "contractAccount" | "permissions"> & {
    readonly token?: Address;
    readonly policyText?: string;
  } = {},
) {
  const { policyText, token = tokenAddress, ...walletOptions } = more;
  const world = await makeWorld(served.chain, name, { policyText: policyText ?? policyTextOf(name, token) });
  await ensureDeployed(world.chain, localFaucet, spendGrantDeployment);
  const anna = annaOf(name);
  await sendTransaction(world.chain, localFaucet, { to: anna.address, valueWei: parseEther("1") });
  await mint(world, anna.address, 1000n * units);
  const wallet = await startWallet({
    relayUrl: relay.url,
    key,
    chains: [31337],
    rpc: served.url,
    ...walletOptions,
  });
  wallets.push(wallet);
  const state = path.join(folder, name);
  writeInbox(state, {});
  return { anna, journal: openJournal(path.join(state, "journal.db")), state, wallet, world };
}

const totalOf = (total?: bigint) =>
  total === undefined ? { total: 1000n * units } : { total, perWindow: total, perCall: total };

/** Hands over as `bursar delegate` does, with the wallet scanning what is shown. */
export async function hand(
  { journal, state, wallet, world }: Awaited<ReturnType<typeof scene>>,
  options: {
    readonly expected?: Address;
    /** USDC in all, which is also the most in a window and at a time. */
    readonly total?: bigint;
    readonly confirm?: (question: "account" | "grant") => boolean | Promise<boolean>;
    readonly signal?: AbortSignal;
    readonly onEvent?: (event: HandOverEvent, link: WalletLink) => void;
    /** In the place of grants, or beside them. */
    readonly permissions?: PermissionPlace | undefined;
    readonly terms?: Partial<HandOverOptions["terms"]>;
    /** Nobody here pays for what is brought. */
    readonly noPurse?: boolean;
  } = {},
) {
  const link = await openLink(journal, state, relayOf());
  const events: HandOverEvent[] = [];
  const limit = world.policy.limits[0]!;
  try {
    const delegation = await handOver({
      chain: world.chain,
      journal,
      link,
      purse: options.noPurse ? null : world.purse,
      purseTurns: openTurns(1),
      agent: { name: "treasurer", account: world.account, key: world.agent.address },
      policy: world.policy,
      limit,
      contract: grantContractOf(limit),
      permissions: options.permissions,
      terms: { days: 30, purpose: "Pays Anna's bills.", ...(options.terms ?? totalOf(options.total)) },
      expected: options.expected,
      site: relayOf().url,
      randomSecret,
      sleep,
      tell(event) {
        events.push(event);
        options.onEvent?.(event, link);
        if (event.kind === "uri") void wallet.do({ do: "pair", uri: event.uri });
      },
      confirm: async (question) => (await options.confirm?.(question)) ?? true,
      signal: options.signal ?? new AbortController().signal,
    });
    return { delegation, events };
  } finally {
    await link.close();
  }
}

export const bill = (reference: string, amount: string) => billMail({ to: "acme", amount, reference });
export const inShort = (house: ReturnType<typeof openHouse>) =>
  reportsOf(house).map(({ outcome, reasons, verdict }) => [
    verdict,
    outcome,
    ...reasons.map(({ code }) => code),
  ]);

/** The wallets as they are while an agent runs on the journal. */
export const openDesk = (world: World, journal: JournalDatabase, state: string) =>
  openWallets(relayOf(), { agents: ["treasurer"], chain: world.chain, journal, state }, (given) =>
    takeAnswer({ agents: ["treasurer"], chain: world.chain, journal }, given),
  );
