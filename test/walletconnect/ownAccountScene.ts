// What the tests of accounts of payers' own share: Anna with her wallet and her money, and an operator who has an agent and no account.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { parseEther, zeroAddress, type Address } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll } from "vitest";

import { ChainRefusalError } from "../../src/chain/errors.ts";
import { connectChain } from "../../src/chain/connectChain.ts";
import { ensureContracts, ensureDeployed, sendTransaction } from "../../src/chain/deploy.ts";
import { demoTokenBytecode } from "../../src/chain/abi/bytecode.ts";
import { readAccount } from "../../src/chain/readAccount.ts";
import { signOperation } from "../../src/chain/signOperation.ts";
import type { Call } from "../../src/core/operation.ts";
import { compilePolicy } from "../../src/policy/compile.ts";
import { parsePolicy } from "../../src/policy/parse.ts";
import { paymentCall } from "../../src/policy/paymentCall.ts";
import { proveCalls } from "../../src/policy/proveCalls.ts";
import { decodeCounters } from "../../src/policy/usage.ts";
import { claimAt } from "../../src/runtime/claim.ts";
import { readConfig, type Config } from "../../src/runtime/config.ts";
import type { HandOverEvent } from "../../src/runtime/delegate/handOverOptions.ts";
import { openAccountHandOver } from "../../src/runtime/delegate/openAccountHandOver.ts";
import type { House } from "../../src/runtime/house.ts";
import { readCarriedSignatures } from "../../src/runtime/ownerSignatures.ts";
import { requireSignatures } from "../../src/runtime/requireSignatures.ts";
import { requireWholeJournal } from "../../src/runtime/requireWholeJournal.ts";
import { localFaucet } from "../../src/testing/localChain.ts";
import { readFileSync } from "node:fs";
import { configure } from "../integration/configure.ts";
import { openHouse } from "../integration/house.ts";
import { writeInbox } from "../integration/mails.ts";
import { keyOf, mint, tokenAddress, type World } from "../integration/world.ts";
import { annaOf, relayOf, served, units } from "./delegateScene.ts";
import { startWallet, type TestWallet } from "./startWallet.ts";
import type { WalletOptions } from "./walletMessages.ts";

const folder = mkdtempSync(path.join(tmpdir(), "bursar-own-"));
const wallets: TestWallet[] = [];
afterAll(async () => {
  await Promise.all(wallets.map((wallet) => wallet.kill()));
  rmSync(folder, { recursive: true, force: true });
});

/** 50 USDC and 0.2 ETH a payment. */
const policyTextOf = (name: string, escalates: boolean) => `policy: ${name}
version: 1
chain: 31337
tokens:
  USDC: { address: "${tokenAddress}", decimals: 6 }
payees:
  acme: { address: "${acmeOf(name)}", senders: [acme.example] }
limits:
  - { perPayment: "0.2 ETH", perWindow: "1 ETH", window: 24h, lifetime: "2 ETH" }
  - { perPayment: "50.00 USDC", perWindow: "1000.00 USDC", window: 24h, lifetime: "20000.00 USDC"${escalates ? ', escalation: { upTo: "120.00 USDC" }' : ""} }
${escalates ? `approvers: { anna: { address: "${annaOf(name).address}" } }` : ""}
gas: { budget: "0.5 ETH", perOperation: "0.02 ETH" }
expires: "2036-12-31T00:00:00Z"
`;
export const acmeOf = (name: string): Address => privateKeyToAccount(keyOf(name, "acme")).address;

/** @param options `escalates`: 120 USDC with Anna's yes; `purse`: the operator has a purse; else a bundler somewhere, which is not asked here */
export async function ownScene(
  name: string,
  options: Pick<WalletOptions, "contractAccount"> & {
    readonly purse?: boolean;
    readonly escalates?: boolean;
  } = {},
) {
  const chain = await connectChain({ rpc: served.chain, chainId: 31337, finality: { depth: 0 } });
  await ensureContracts(chain, localFaucet);
  await ensureDeployed(chain, localFaucet, { address: tokenAddress, initCode: demoTokenBytecode });
  const [anna, agent, purse] = [annaOf(name), "agent", "purse"].map((who) =>
    typeof who === "string" ? privateKeyToAccount(keyOf(name, who)) : who,
  ) as [ReturnType<typeof annaOf>, World["agent"], World["purse"]];
  const policyText = policyTextOf(name, options.escalates === true);
  const world: World = {
    name,
    chain,
    account: zeroAddress,
    owner: anna,
    agent,
    purse,
    policyText,
    policy: compilePolicy(parsePolicy(policyText), agent.address),
  };
  for (const { address } of [anna, purse])
    await sendTransaction(chain, localFaucet, { to: address, valueWei: parseEther("2") });
  await mint(world, anna.address, 1000n * units);
  const wallet = await startWallet({
    relayUrl: relayOf().relay,
    key: keyOf(name, "anna"),
    chains: [31337],
    rpc: served.url,
    ...(options.contractAccount ? { contractAccount: options.contractAccount } : {}),
  });
  wallets.push(wallet);
  const state = path.join(folder, name);
  const { config } = await configure(world, served.url, state, {
    config: {
      wallets: relayOf(),
      ...(options.purse === false ? { bundler: { kind: "rpc", url: "http://127.0.0.1:9" } } : {}),
    },
  });
  return { anna, config, name, state, wallet, world };
}
export type OwnScene = Awaited<ReturnType<typeof ownScene>>;

/** Hands over as `bursar delegate` does, with the wallet scanning what is shown. */
export async function handAccount(
  { anna, config, wallet }: OwnScene,
  options: {
    readonly payer?: Address;
    readonly fund?: string;
    readonly confirm?: () => boolean | Promise<boolean>;
    readonly onEvent?: (event: HandOverEvent) => void;
  } = {},
) {
  const events: HandOverEvent[] = [];
  const terms = { payer: options.payer ?? anna.address, fund: options.fund };
  const desk = await openAccountHandOver("treasurer", config, terms, undefined);
  try {
    const own = await desk.run({
      tell(event) {
        events.push(event);
        options.onEvent?.(event);
        if (event.kind === "uri") void wallet.do({ do: "pair", uri: event.uri });
      },
      confirm: async () => (await options.confirm?.()) ?? true,
      signal: new AbortController().signal,
    });
    return { own, events, file: desk.config };
  } finally {
    await desk.close();
  }
}

export const askedIn = (events: readonly HandOverEvent[]) =>
  events.flatMap((event) => (event.kind === "asked" ? [event.what] : []));

/** The agent on the account, as `bursar run` opens it, with a script in the model's place. */
export async function houseOn(
  { world }: OwnScene,
  file: string,
): Promise<{ readonly house: House; readonly state: string; readonly config: Config }> {
  const config = await readConfig(file);
  const { account, origin, ownerSignatures: signed, policy, state } = config;
  const text = readFileSync(policy, "utf8");
  const ownerSignatures = signed === undefined ? {} : await readCarriedSignatures(signed);
  const on = { ...world, account, policy: compilePolicy(parsePolicy(text), world.agent.address) };
  writeInbox(state, {});
  const house: House = { ...openHouse(on, { state, ownerSignatures }), ...(origin ? { origin } : {}) };
  await requireWholeJournal(house);
  await requireSignatures(house.chain, account, house.policy, ownerSignatures, origin);
  return { house, state, config };
}

/**
 * Pays with the agent's own key and no runtime in the way: what a thief of the key would do.
 *
 * @returns why the chain refused it; null when it paid
 */
export async function payAnyway(
  house: House,
  symbol: string,
  amount: bigint,
  to: Address,
): Promise<string | null> {
  const { token } = house.policy.limits.find((limit) => limit.token.symbol === symbol)!;
  return callAnyway(house, symbol, [paymentCall(token, to, amount)]);
}

/** The same for calls of any kind. @param symbol of the limit that they are counted in */
export async function callAnyway(
  house: House,
  symbol: string,
  calls: readonly Call[],
): Promise<string | null> {
  const { account, bundler, chain, ownerSignatures: _, policy, signer } = house;
  const index = policy.limits.findIndex(({ token }) => token.symbol === symbol);
  const limit = policy.limits[index]!;
  const state = await readAccount(chain, account, policy);
  const claim = claimAt(Number(state.blockTimestamp));
  try {
    const operation = await signOperation({
      chainId: chain.chainId,
      account,
      signer,
      limit,
      calls,
      proofs: proveCalls(calls, limit, policy.payeeTree, account),
      nonce: state.nonce,
      commitment: {
        validAfter: Number(claim.validAfter),
        validUntil: Number(claim.validUntil),
        treeSize: decodeCounters(state.limits[index]!.countersWord).treeSize + 1,
        treeRoot: `0x${"ab".repeat(32)}`,
      },
      bundler,
    });
    await bundler.send(operation.userOp);
    return null;
  } catch (error) {
    if (error instanceof ChainRefusalError) return error.refusal.error;
    throw error;
  }
}
