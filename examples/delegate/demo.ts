import { fork, type ChildProcess } from "node:child_process";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { BaseError, openRuntime, readConfig, treasurer, type DecisionReport, type Runtime } from "bursar";
import { localChainId, localFaucet, startChainProcess, startRelay } from "bursar/testing";
import { encodeFunctionData, keccak256, parseEther, toHex, type Address, type Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import manifest from "../../models/clerk/manifest.json" with { type: "json" };
import { demoTokenAbi } from "../../src/chain/abi/demoToken.ts";
import { ensureDeployed, sendTransaction, spendGrantDeployment } from "../../src/chain/deploy.ts";
import { formatUnitsExact } from "../../src/core/amount.ts";
import type { GrantDelegation } from "../../src/core/delegation.ts";
import { actionWords } from "../../src/core/action.ts";
import { revokeCall } from "../../src/runtime/delegate/endDelegation.ts";
import { openHandOver } from "../../src/runtime/delegate/openHandOver.ts";
import { readDelegations } from "../../src/runtime/delegate/readDelegations.ts";
import { stopsOf } from "../../src/runtime/delegate/stopCard.ts";
import { openScreen } from "../treasury/screen.ts";
import { demoTokenAddress, prepareWorld, type World } from "../treasury/world.ts";
import { spendAnyway } from "./spendAnyway.ts";
import type { WalletStart, WalletWord } from "./wallet.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const help = `npm run demo:delegate [-- options]

A person delegates to an agent with a WalletConnect wallet (Reown's WalletKit) over a relay on this machine: scans, signs in, signs a
grant, allows, and approves what is above it. The agent reads real mail with llama.cpp and pays out of the person's own account, until
the person revokes. Everything stays on this machine.

  --json          one JSON document on stdout, everything else on stderr
  --state DIR     where journal and keys are kept (default .state/delegate); begins afresh each time
  --help`;

const options = readOptions();
if (options.help) {
  process.stdout.write(`${help}\n`);
  process.exit(0);
}
const screen = openScreen(options.json ? process.stderr : process.stdout);
const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const)
  process.once(name, () => {
    screen.line("\nStopping.");
    interrupted.abort();
    process.exitCode = 130;
  });

const agent = treasurer({ name: "bill-payer", inbox: "./inbox", mailSettings: "./mail.json" });
const token = { symbol: "USDC", decimals: 6 } as const;
const show = (units: bigint) => `${formatUnitsExact(units, token.decimals, 2)} ${token.symbol}`;
const units = 1_000_000n;
/** Play money of the payer. */
const payerKey = keccak256(toHex("the payer of the demo"));
const payer = privateKeyToAccount(payerKey);
/** Longest that the demo waits for the agent to get somewhere, in milliseconds. */
const patienceMs = 120_000;

try {
  await play();
} catch (error) {
  if (!interrupted.signal.aborted) {
    screen.line(
      error instanceof BaseError ? error.message : String(error instanceof Error ? error.stack : error),
    );
    process.exitCode = 1;
  }
}

async function play(): Promise<void> {
  const state = resolve(options.state);
  await rm(state, { recursive: true, force: true });
  await mkdir(join(state, "inbox"), { recursive: true, mode: 0o700 });
  screen.title("Bursar · people delegate to an agent with the wallet they have");
  screen.line("Everything happens on this machine; nothing leaves it.");
  screen.title("Setting up");
  const chain = await startChainProcess({
    stateFile: join(state, "chain.ndjson"),
    blockTimeMs: 1000,
    port: 0,
  });
  const relay = await startRelay({ journal: join(state, "relay.ndjson") });
  let wallet: ChildProcess | undefined;
  try {
    screen.line(`    chain: a local EVM with the real EntryPoint 0.8; relay: ${relay.url}`);
    const world = await prepare(state, chain.url, relay.url);
    wallet = await startWallet({ relay: relay.url, rpc: chain.url, key: payerKey, chainId: localChainId });
    screen.line(
      `    wallet: Reown's WalletKit 1.2.10 in a process of its own, account ${payer.address}, ${show(1000n * units)}`,
    );

    const delegation = await delegate(world, wallet);
    const approvals = { asked: 0, approved: 0 };
    const reports = await pay(world, state, approvals);

    screen.title("The payer revokes, by a plain transaction from his own wallet");
    await sendTransaction(world.chain, payer, { to: delegation.contract, data: revokeCall(delegation).data });
    screen.line("    revoked on the chain");
    screen.title("The agent's key is in the worst hands, and spends all the same");
    const refusal = await spendAnyway(world, delegation, payeeOf(world));
    screen.line(
      `    ${refusal === null ? "PAID: the revocation did not hold" : `refused by the chain: ${refusal}`}`,
    );

    const [standing] = await readDelegations(await readConfig(world.configFile));
    const spent = standing?.budget?.spent ?? 0n;
    screen.title("The book");
    screen.line(
      `    ${reports.filter(({ outcome }) => outcome === "paid").length} bills paid out of the payer's account, ${show(spent)} counted; ${approvals.approved} approved above the limit; after the revocation ${refusal === null ? "still paying" : "nothing"}`,
    );
    if (options.json)
      process.stdout.write(
        `${JSON.stringify(
          {
            rung: delegation.rung,
            grant: { hash: delegation.id, limits: limitsOf(delegation), stops: stopsOf(delegation) },
            spent: spent.toString(),
            approvals,
            decisions: reports.map(({ action, leaf, outcome, receipt, trigger, verdict }) => ({
              trigger: trigger.label,
              action,
              verdict,
              outcome,
              leaf,
              transaction: receipt?.transaction ?? null,
            })),
            afterRevoke: refusal === null ? "paid" : "refused by chain",
            refusal,
          },
          null,
          2,
        )}\n`,
      );
    if (refusal === null) process.exitCode = 1;
  } finally {
    wallet?.disconnect();
    wallet?.kill();
    await relay.close();
    await chain.close();
  }
}

async function prepare(state: string, rpc: string, relay: string): Promise<World> {
  const policyFile = join(state, "policy.yaml");
  const text = await readFile(here("./policy.yaml"), "utf8");
  await writeFile(policyFile, text.replace("0x0000000000000000000000000000000000000001", payer.address));
  const world = await prepareWorld({
    state,
    rpc,
    policyFile,
    modelFile: here("../../models/clerk/clerk-q8_0.gguf"),
    modelSha256: manifest.sha256 as Hex,
    say: (what) => screen.line(`    ${what}`),
  });
  await ensureDeployed(world.chain, localFaucet, spendGrantDeployment);
  await sendTransaction(world.chain, localFaucet, { to: payer.address, valueWei: parseEther("1") });
  await sendTransaction(world.chain, localFaucet, {
    to: demoTokenAddress,
    data: encodeFunctionData({
      abi: demoTokenAbi,
      functionName: "mint",
      args: [payer.address, 1000n * units],
    }),
  });
  const config = JSON.parse(await readFile(world.configFile, "utf8")) as object;
  await writeFile(world.configFile, JSON.stringify({ ...config, wallets: { relay } }, null, 2), {
    mode: 0o600,
  });
  await copyFile(here("../treasury/mail.json"), join(state, "mail.json"));
  return world;
}

async function startWallet(start: WalletStart): Promise<ChildProcess> {
  const child = fork(here("./wallet.ts"), [JSON.stringify(start)], {
    execArgv: ["--disable-warning=ExperimentalWarning", "--conditions=source"],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  await new Promise<void>((done, fail) => {
    child.once("exit", () => fail(new Error("The wallet's process ended.")));
    child.on("message", (word: WalletWord) => {
      if (word.word === "ready") done();
      else screen.line(`    the wallet shows: ${word.what} (${word.method}), and its owner agrees`);
    });
  });
  child.removeAllListeners("exit");
  return child;
}

/** What `bursar delegate` does, with the wallet scanning what it shows. */
async function delegate(world: World, wallet: ChildProcess): Promise<GrantDelegation> {
  screen.title("The hand-over");
  const config = await readConfig(world.configFile);
  const terms = {
    total: "400.00 USDC",
    perPayment: undefined,
    perWindow: undefined,
    token: undefined,
    days: 30,
    purpose: "Pay the bills of the office.",
  };
  const desk = await openHandOver(agent.name, config, terms, undefined);
  try {
    const delegation = await desk.run({
      expected: payer.address,
      signal: interrupted.signal,
      confirm: () => Promise.resolve(true),
      tell(event) {
        if (event.kind === "uri") {
          screen.line("    a QR code is shown, and scanned");
          wallet.send({ uri: event.uri });
        }
        if (event.kind === "connected")
          screen.line(`    connected: ${event.account}, the account that was expected`);
        if (event.kind === "rung") screen.line(`    by ${event.rung}: ${event.why}`);
        if (event.kind === "explained") {
          for (const words of event.sentences) screen.line(`      - ${words}`);
          if (event.hash !== undefined) screen.line(`      hash ${event.hash}`);
        }
        if (event.kind === "sent")
          screen.line(`    the ${event.what} is brought to the chain: ${event.transaction}`);
        if (event.kind === "inForce")
          screen.line("    in force: the chain knows the grant, and the allowance covers it");
      },
    });
    for (const { link, words } of stopsOf(delegation)) screen.line(`    stop card · ${words}: ${link}`);
    return delegation;
  } finally {
    await desk.close();
  }
}

/** Runs the agent on two bills: one within its limit, one above it that the wallet approves. */
async function pay(
  world: World,
  state: string,
  approvals: { asked: number; approved: number },
): Promise<readonly DecisionReport[]> {
  screen.title("The agent pays");
  for (const mail of ["01.eml", "02.eml"])
    await copyFile(here(`../treasury/inbox/${mail}`), join(state, "inbox", mail));
  const reports: DecisionReport[] = [];
  const enough = new AbortController();
  const late = setTimeout(() => enough.abort(), patienceMs);
  const runtime: Runtime = await openRuntime({
    agent,
    agentFile: join(state, "agent.ts"),
    config: await readConfig(world.configFile),
    signal: AbortSignal.any([interrupted.signal, enough.signal]),
    onEvent(event) {
      if (event.kind !== "decision") return;
      const { report } = event;
      reports.push(report);
      const why = report.reasons[0] ? `: ${report.reasons[0].words}` : "";
      screen.line(`    ${report.trigger.label}  ${actionWords(report.action)} → ${report.outcome}${why}`);
      if (report.outcome === "asked") approvals.asked++;
      if (report.approved) approvals.approved++;
      // Two bills, and nothing left that somebody is asked about.
      if (reports.length >= 2 + approvals.asked) enough.abort();
    },
  });
  try {
    await runtime.watch();
  } finally {
    clearTimeout(late);
    await runtime.close();
  }
  return reports;
}

function payeeOf({ policy }: World): Address {
  return policy.payees[0]!.address;
}

function limitsOf({ grant }: GrantDelegation): object {
  const names = ["perCall", "perWindow", "window", "total", "validAfter", "validUntil", "payees"];
  return Object.fromEntries(names.map((name) => [name, grant[name]]));
}

function readOptions() {
  try {
    return parseArgs({
      options: {
        json: { type: "boolean", default: false },
        state: { type: "string", default: here("../../.state/delegate") },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${help}\n`);
    process.exit(2);
  }
}
