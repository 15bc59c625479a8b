import { createServer } from "node:net";

import { zeroAddress, type Address } from "viem";

import { requireOrigin } from "../../chain/accountOrigin.ts";
import { rpcBundler, servesEntryPoint } from "../../chain/bundler/rpcBundler.ts";
import { ask, connectChain, requireCode, type Chain } from "../../chain/connectChain.ts";
import { depositOf } from "../../chain/gasFunds.ts";
import { openKeystore } from "../../chain/keystore.ts";
import { readDecimals } from "../../chain/readDecimals.ts";
import { requireAgentAccount } from "../../chain/requireAgentAccount.ts";
import { etherUp } from "../../core/amount.ts";
import { compilePolicy, type CompiledPolicy } from "../../policy/compile.ts";
import { parsePolicy } from "../../policy/parse.ts";
import { registryOf } from "../../policy/registry.ts";
import type { PolicyDocument } from "../../policy/schema.ts";
import { now } from "../clock.ts";
import { bundlersOf, type OneBundler } from "../bundlerSchema.ts";
import { readConfig, type Config } from "../config.ts";
import { readCarriedSignatures } from "../ownerSignatures.ts";
import { passwordFor, readText } from "../password.ts";
import { bad, good, looking, unseen, type Check } from "./check.ts";
import { checkAccount, checkClock } from "./chain.ts";
import { checkNoRelay, checkRelay } from "./wallets.ts";
import { checkDisk, checkFiles, checkJournal, checkModel, checkNode } from "./house.ts";

/** Coin of the gas purse under which the in-process bundler will soon stand still: some hundred bundles at 1 gwei. */
const leastPurseWei = 10_000_000_000_000_000n;

/**
 * Looks at everything that a run of this configuration needs and changes nothing. What it finds is data: each check says what is
 * wrong and the way out. Keystores are opened only where their password is in a file.
 */
export async function examine(
  configFile: string,
  onCheck: (check: Check) => void = () => undefined,
): Promise<readonly Check[]> {
  const checks: Check[] = [];
  const add = (check: Check): Check => {
    checks.push(check);
    onCheck(check);
    return check;
  };
  add(checkNode(process.versions.node));
  let config: Config | undefined;
  add(
    await looking("configuration", async () => {
      config = await readConfig(configFile);
      return good("configuration", configFile);
    }),
  );
  if (!config) {
    for (const name of ["files", "disk", "journal", "model", "policy", "rpc", "account", "bundler"])
      add(unseen(name, "configuration"));
    return checks;
  }
  const known = config;
  add(await checkFiles(known));
  add(await checkDisk(known));
  add(await checkJournal(known));
  add(await checkModel(known));
  if (known.webhooks) add(await checkPort(known.webhooks));
  const { wallets } = known;
  if (wallets) add(await looking("wallets", () => checkRelay(wallets)));

  let document: PolicyDocument | undefined;
  let noRelay: Check | undefined;
  add(
    await looking("policy", async () => {
      document = parsePolicy(await readText(known.policy, "policy"), known.policy);
      const compiled = compilePolicy(document, zeroAddress);
      if (!wallets) noRelay = checkNoRelay(compiled);
      return document.chain === known.chain.chainId
        ? good("policy", compiled.name)
        : bad(
            "policy",
            `It is for chain ${document.chain}, the configuration for ${known.chain.chainId}.`,
            "Correct one of the two.",
          );
    }),
  );
  if (noRelay) add(noRelay);
  let chain: Chain | undefined;
  add(
    await looking("rpc", async () => {
      chain = await connectChain(known.chain);
      return good("rpc", `chain ${chain.chainId}, EntryPoint 0.8 is there`);
    }),
  );
  if (!chain) {
    for (const name of ["clock", "account", "bundler"]) add(unseen(name, "rpc"));
    return checks;
  }
  const connected = chain;
  add(await looking("clock", () => checkClock(connected, Math.floor(now() / 1000))));
  const agent = await openKey(known, add);
  for (const check of await lookAtAccount(connected, known, document, agent)) add(check);
  if (known.paymaster) {
    const url = known.paymaster.url;
    add(await looking("paymaster", () => checkPaymaster(connected, url, document)));
  }
  for (const [index, bundler] of bundlersOf(known.bundler).entries()) {
    const name = index === 0 ? "bundler" : `bundler ${index + 1}`;
    add(await looking(name, () => checkBundler(name, connected, bundler)));
  }
  return checks;
}

async function openKey(config: Config, add: (check: Check) => Check): Promise<Address | undefined> {
  let address: Address | undefined;
  add(
    await looking("key", async () => {
      if (config.passwordFile === undefined)
        return good("key", `${config.keystore}; its password is asked at the start, so it was not opened.`);
      ({ address } = await openKeystore(config.keystore, await passwordFor(config, undefined)));
      return good("key", `the agent is ${address}`);
    }),
  );
  return address;
}

async function lookAtAccount(
  chain: Chain,
  config: Config,
  document: PolicyDocument | undefined,
  agent: Address | undefined,
): Promise<readonly Check[]> {
  const found: Check[] = [];
  const first = await looking("account", async () => {
    if (!config.origin || (await requireOrigin(chain, config.account, config.origin)))
      await requireAgentAccount(chain, config.account);
    if (!document) return unseen("account", "policy");
    if (agent === undefined)
      return good("account", `${config.account}; without the agent's key its grants can't be told.`);
    const decimals = await readDecimals(chain, registryOf(document).tokens);
    const policy: CompiledPolicy = compilePolicy(document, agent, decimals);
    const { ownerSignatures: file } = config;
    const signatures = file === undefined ? {} : await readCarriedSignatures(file);
    const [account, ...grants] = await checkAccount(chain, config, policy, signatures);
    found.push(...grants);
    return account!;
  });
  return [first, ...found];
}

/** The service is not asked: it would count an operation. Its contract has to have something to pay with. */
async function checkPaymaster(
  chain: Chain,
  url: string,
  document: PolicyDocument | undefined,
): Promise<Check> {
  if (!document) return unseen("paymaster", "policy");
  const { paymaster } = compilePolicy(document, zeroAddress).limits[0]!.grant.extras;
  if (paymaster === zeroAddress)
    return bad("paymaster", "The policy allows none.", "Name its contract in the policy, and install that.");
  await requireCode(chain, "paymaster", paymaster);
  const deposit = await depositOf(chain, paymaster);
  const words = `${paymaster} by ${new URL(url).host}; ${etherUp(deposit)} ETH in the EntryPoint.`;
  return deposit > 0n
    ? good("paymaster", words)
    : bad("paymaster", words, "Whoever runs it has to deposit for it in the EntryPoint.");
}

async function checkBundler(name: string, chain: Chain, bundler: OneBundler): Promise<Check> {
  if (bundler.kind === "rpc") {
    const { host } = new URL(bundler.url);
    if (!(await servesEntryPoint(bundler.url)))
      return bad(name, `${host} serves other EntryPoints than 0.8.`, "Name a bundler that serves it.");
    const { maxFeePerGasWei } = await rpcBundler(chain, bundler.url).gasPrice();
    return good(name, `${host} answers; ${maxFeePerGasWei / 1_000_000n} mwei a gas`);
  }
  if (bundler.passwordFile === undefined)
    return good(name, `In the process; the purse's password is asked at the start, so it was not opened.`);
  const { address } = await openKeystore(bundler.keystore, await passwordFor(bundler, undefined));
  const balance = await ask(chain, () => chain.client.getBalance({ address }));
  const words = `In the process; the purse ${address} holds ${etherUp(balance)} ETH.`;
  return balance >= leastPurseWei ? good(name, words) : bad(name, words, `Send coin to ${address}.`);
}

function checkPort({ host, port }: { readonly host: string; readonly port: number }): Promise<Check> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", ({ message }) =>
      resolve(
        bad(
          "webhooks",
          message,
          "If the agent runs, this is its own port. Else choose another, or stop who has it.",
        ),
      ),
    );
    server.listen(port, host, () => server.close(() => resolve(good("webhooks", `${host}:${port} is free`))));
  });
}
