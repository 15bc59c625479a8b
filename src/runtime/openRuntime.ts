import { zeroAddress, type Hex } from "viem";

import { requireOrigin } from "../chain/accountOrigin.ts";
import { requireCode } from "../chain/connectChain.ts";
import { rpcPaymaster } from "../chain/paymaster/rpcPaymaster.ts";
import { recordApproval } from "../chain/recordApproval.ts";
import { readDecimals } from "../chain/readDecimals.ts";
import type { Agent } from "../core/agent.ts";
import { BaseError } from "../core/errors.ts";
import type { InferenceEngine } from "../core/inference.ts";
import { decisionOf, openDecision } from "../journal/decisions.ts";
import { embeddedHost } from "../journal/embeddedHost.ts";
import { isPaused } from "../journal/pauses.ts";
import { untilNextTrigger } from "../journal/triggers.ts";
import { compilePolicy } from "../policy/compile.ts";
import { parsePolicy } from "../policy/parse.ts";
import { registryOf } from "../policy/registry.ts";
import { anchorDecisions } from "./anchorDecisions.ts";
import { usualAskSeconds } from "./asking.ts";
import { awaitRestore } from "./awaitRestore.ts";
import { now, randomSecret, sleep } from "./clock.ts";
import { ConfigError, type Config } from "./config.ts";
import { runNext, type Passage } from "./corridor.ts";
import { grammarOf } from "./deliberation.ts";
import type { House } from "./house.ts";
import { openModel } from "./openModel.ts";
import { handOverBy, planHandOver } from "./delegate/openHandOver.ts";
import { openPlace, type BeginHandOver, type Place } from "./openPlace.ts";
import { readCarriedSignatures } from "./ownerSignatures.ts";
import { readText } from "./password.ts";
import { requireGasFunds } from "./requireGasFunds.ts";
import { requireDrivable } from "./requireDrivable.ts";
import { requireSignatures } from "./requireSignatures.ts";
import { requireWholeJournal } from "./requireWholeJournal.ts";
import { reportOf, type DecisionReport } from "./report.ts";
import { usualFirstPauseMs } from "./retryPause.ts";
import { steps } from "./steps/index.ts";
import { takeAnswer, type AnswerDesk } from "./takeAnswer.ts";
import { verifyDecisions, type DecisionCheck, type Verification } from "./verifyDecisions.ts";
import { openWatchers } from "./triggers/openWatchers.ts";
import type { Watcher } from "./triggers/watcher.ts";
import type { Wallets } from "./openWallets.ts";
import type { Turns } from "./turns.ts";

/** What a running agent tells: progress while things load, then one report a decision. */
export type RuntimeEvent =
  | { readonly kind: "opening"; readonly what: "journal" | "chain" | "keystore" | "model" }
  | { readonly kind: "model"; readonly phase: string; readonly fraction: number | null }
  | {
      readonly kind: "ready";
      readonly engine: InferenceEngine;
      readonly account: string;
      readonly resumed: boolean;
    }
  | { readonly kind: "unusable"; readonly file: string; readonly error: BaseError }
  /** Something outside does not answer; it is tried again. */
  | { readonly kind: "waiting"; readonly error: BaseError }
  /** The journal came from a backup; what was signed meanwhile could still be included for so long. */
  | { readonly kind: "restored"; readonly secondsLeft: number }
  /** The operator has paused the agent: triggers are taken in, nothing is decided. */
  | { readonly kind: "paused" }
  | { readonly kind: "decision"; readonly report: DecisionReport };

export type OpenRuntimeOptions = {
  readonly agent: Agent;
  /** File of the agent's declaration: its paths are relative to it. */
  readonly agentFile: string;
  readonly config: Config;
  /** Asked when a keystore has no password file. */
  readonly askPassword?: (keystore: string) => Promise<string>;
  readonly onEvent?: (event: RuntimeEvent) => void;
  readonly onPassage?: Passage;
  readonly signal?: AbortSignal;
};

/** Steps of one agent's decisions at once: there is only ever one. */
const alone = 1;

export type Runtime = {
  readonly house: House;
  /** Takes in what is waiting and decides it, until nothing is left; what is to be tried again later is waited for. */
  runUntilIdle(): Promise<void>;
  /** Publishes the decision tree, decisions not to act included; undefined when there is no purse or nothing new. */
  anchor(): Promise<Hex | undefined>;
  /** Checks every finished decision against the chain and the model. */
  verify(options?: { readonly onChecked?: (check: DecisionCheck) => void }): Promise<Verification>;
  /** Watches until the signal aborts. */
  watch(): Promise<void>;
  close(): Promise<void>;
};

const watchMs = 1000;
/** How long decisions not to act may stay off the chain while nothing is paid. */
const anchorEveryMs = 3_600_000;

/** Opens one agent, with a state folder to itself. */
export async function openRuntime(options: OpenRuntimeOptions): Promise<Runtime> {
  const { agent, config } = options;
  const place = openPlace(config.state, [agent.name], alone);
  try {
    const runtime = await openAgent(options, place);
    return {
      ...runtime,
      async close() {
        await runtime.close();
        await place.close();
      },
    };
  } catch (error) {
    await place.close();
    throw error;
  }
}

/** Opens everything one agent needs, in an order in which a mistake costs nothing: policy, journal, chain, keys, model. */
export async function openAgent(options: OpenRuntimeOptions, place: Place): Promise<Runtime> {
  const { agent, config } = options;
  const emit = options.onEvent ?? (() => undefined);
  const signal = options.signal ?? new AbortController().signal;
  const closers: (() => void | Promise<void>)[] = [];
  try {
    const document = parsePolicy(await readText(config.policy, "policy"), config.policy);
    if (document.chain !== config.chain.chainId)
      throw new ConfigError(
        `The policy is for chain ${document.chain}, the configuration for chain ${config.chain.chainId}.`,
        { remedy: "Correct one of the two." },
      );
    const readable = compilePolicy(document, zeroAddress);
    requireDrivable(readable, agent, { sponsored: config.paymaster !== undefined });
    // What no grammar can hold, a schema or too many payees, is told now, not at the first mail.
    grammarOf({ agent, policy: readable }, true);

    const ownerSignatures =
      config.ownerSignatures === undefined ? {} : await readCarriedSignatures(config.ownerSignatures);

    emit({ kind: "opening", what: "journal" });
    const journal = place.journal();

    emit({ kind: "opening", what: "chain" });
    const chain = await place.chain(config.chain);
    if (config.origin) await requireOrigin(chain, config.account, config.origin);
    else await requireCode(chain, "account", config.account);

    emit({ kind: "opening", what: "keystore" });
    const signer = await place.signer(config, options.askPassword);
    const { bundler, purse, purseTurns } = await place.carrier(config, options.askPassword);
    const decimals = await readDecimals(chain, registryOf(document).tokens);
    const policy = compilePolicy(document, signer.address, decimals);

    await awaitRestore(chain, journal, signal, (secondsLeft) => emit({ kind: "restored", secondsLeft }));
    const origin = config.origin ? { origin: config.origin } : {};
    await requireWholeJournal({ account: config.account, ...origin, agent, chain, journal, policy, purse });

    await requireSignatures(chain, config.account, policy, ownerSignatures, config.origin);
    if (config.origin && !config.paymaster) await requireGasFunds(chain, config.account, config.origin);

    emit({ kind: "opening", what: "model" });
    const engine = await openModel(config.model, {
      onProgress: (event) =>
        emit({ kind: "model", phase: event.phase, fraction: "fraction" in event ? event.fraction : null }),
      signal,
    });
    closers.push(() => engine.close());

    const house: House = {
      agent,
      policy,
      account: config.account,
      ...origin,
      ownerSignatures,
      signer,
      chain,
      bundler,
      purse,
      ...(config.paymaster
        ? { paymaster: rpcPaymaster(chain, config.paymaster.url, config.paymaster.context) }
        : {}),
      engine,
      journal,
      randomSecret,
      now,
      retryPauseMs: config.retryPauseMs ?? usualFirstPauseMs,
      askSeconds: config.approvals?.seconds ?? usualAskSeconds,
      sleep,
    };
    const watchers = await openWatchers({
      agent,
      agentFile: options.agentFile,
      journal,
      chain,
      webhooks: config.webhooks,
      onUnusable: (file, error) => emit({ kind: "unusable", file, error }),
      onWaiting: (error) => emit({ kind: "waiting", error }),
    });
    for (const watcher of watchers) if (watcher.close) closers.push(() => watcher.close!());
    const desk: AnswerDesk = { agents: place.agents, chain, journal, ...recorderOf(house, purseTurns) };
    place.answers(agent.name, (given) => takeAnswer(desk, given));
    const wallets = await place.wallets(agent.name, config);
    if (wallets) await place.offer(agent.name, beginOf(house, config, wallets, purseTurns));
    emit({
      kind: "ready",
      engine,
      account: config.account,
      resumed: openDecision(journal, agent.name) !== undefined,
    });
    return runtimeOf(
      options,
      house,
      { place, purseTurns, watchers, wallets, commands: place.commands() },
      signal,
      closers,
    );
  } catch (error) {
    await closeAll(closers);
    throw error;
  }
}

function runtimeOf(
  options: OpenRuntimeOptions,
  house: House,
  parts: {
    readonly place: Place;
    readonly purseTurns: Turns;
    readonly watchers: readonly Watcher[];
    readonly wallets: Wallets | undefined;
    readonly commands: Watcher;
  },
  signal: AbortSignal,
  closers: (() => void | Promise<void>)[],
): Runtime {
  const { commands, place, purseTurns, wallets, watchers } = parts;
  const { deciding, looking } = place;
  const { agent, journal } = house;
  const host = embeddedHost(journal);
  let anchoredAtMs = now();
  /** Before each decision: a pause holds from the next one on. */
  const mayDecide = async (): Promise<boolean> => {
    await commands.scan();
    return !signal.aborted && !isPaused(journal, agent.name);
  };
  let told = false;
  /** Takes in what is waiting and decides what is due. */
  async function decideDue(): Promise<void> {
    for (const watcher of watchers) await looking.take("usual", () => watcher.scan());
    while (await mayDecide()) {
      told = false;
      const decision = await runNext({
        host,
        house: { ...house, listen: () => commands.scan() },
        steps,
        signal,
        turns: deciding,
        ...(options.onPassage ? { onPassage: options.onPassage } : {}),
      });
      if (!decision) return;
      options.onEvent?.({
        kind: "decision",
        report: reportOf(journal, decisionOf(journal, decision), options.config.prices),
      });
    }
    if (signal.aborted || told) return;
    told = true;
    options.onEvent?.({ kind: "paused" });
  }
  /** Whoever parted while nothing ran has to be heard before anything is paid out of his account. */
  async function hearWallets(): Promise<void> {
    if (wallets === undefined) return;
    const stopped = new Promise<boolean>((resolve) => {
      if (signal.aborted) resolve(true);
      signal.addEventListener("abort", () => resolve(true), { once: true });
    });
    if (await Promise.race([wallets.catchUp(), stopped])) return;
    const error = new BaseError("The relay to wallets does not answer, so whoever parted is not heard yet.", {
      remedy: "Check `wallets.relay` and the network. What is not over on the chain is spent meanwhile.",
      retry: "safe",
    });
    options.onEvent?.({ kind: "waiting", error });
  }
  /** @returns whether their answers have given the agent something to decide */
  async function askWallets(): Promise<boolean> {
    await wallets?.scan();
    await wallets?.sent();
    return wallets !== undefined && untilNextTrigger(journal, agent.name, now()) !== undefined;
  }
  const runtime: Runtime = {
    house,
    async runUntilIdle() {
      await hearWallets();
      for (;;) {
        await decideDue();
        const left = untilNextTrigger(journal, agent.name, now());
        // What is under way and goes no further is the operator's to release.
        if (signal.aborted || isPaused(journal, agent.name) || openDecision(journal, agent.name)) break;
        if (left !== undefined) await sleep(Math.min(left, watchMs), signal);
        // Who stops here hears the wallets at the next run, with the questions out by then.
        else if (!(await askWallets())) break;
      }
    },
    anchor: () => anchorDecisions(house, { turns: purseTurns }),
    verify: (verifyOptions = {}) => verifyDecisions(house, { ...verifyOptions, signal }),
    async watch() {
      await hearWallets();
      while (!signal.aborted) {
        try {
          await decideDue();
          await wallets?.scan();
          if (now() - anchoredAtMs > anchorEveryMs) {
            anchoredAtMs = now();
            await runtime.anchor();
          }
        } catch (error) {
          // A chain that is away comes back; the decision waits in the journal.
          if (!(error instanceof BaseError) || error.retry !== "safe") throw error;
          options.onEvent?.({ kind: "waiting", error });
        }
        await sleep(watchMs, signal);
      }
    },
    close: () => closeAll(closers),
  };
  return runtime;
}

/** What a hand-over to an agent that runs is done with. */
function beginOf(
  { agent, chain, journal, purse, signer }: House,
  config: Config,
  wallets: Wallets,
  purseTurns: Turns,
): BeginHandOver {
  return async ({ expected, terms }, talk) => {
    const plan = await planHandOver(agent.name, config, terms, { chain, key: signer.address });
    const parts = { chain, journal, link: wallets.link, purse, purseTurns };
    try {
      return await handOverBy(plan, parts, { ...talk, expected });
    } finally {
      await wallets.settle();
    }
  };
}

/** The purse pays for putting a contract's yes on record. */
function recorderOf({ chain, purse }: House, purseTurns: Turns): Pick<AnswerDesk, "record"> {
  if (!purse) return {};
  return {
    record: (name, signature) => purseTurns.take("last", () => recordApproval(chain, purse, name, signature)),
  };
}

async function closeAll(closers: (() => void | Promise<void>)[]): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close();
}
