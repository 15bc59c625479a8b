import type { Address } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";

import type { AccountOrigin } from "../chain/accountOrigin.ts";
import type { Bundler } from "../chain/bundler/bundler.ts";
import type { Chain } from "../chain/connectChain.ts";
import type { Paymaster } from "../chain/paymaster/paymaster.ts";
import type { Agent } from "../core/agent.ts";
import type { Sure } from "../core/durableHost.ts";
import type { InferenceEngine } from "../core/inference.ts";
import type { Json, JsonObject } from "../core/json.ts";
import type { Now, RandomSecret } from "../core/ports.ts";
import type { Trigger } from "../core/trigger.ts";
import type { JournalDatabase } from "../journal/openJournal.ts";
import type { CompiledPolicy } from "../policy/compile.ts";
import type { DecisionContext, StepSignal } from "./decisionMachine.ts";
import type { OwnerSignatures } from "./ownerSignatures.ts";
import type { Urgency } from "./turns.ts";

/** Everything that a running agent's steps may use. Assembled once by `createRuntime`. */
export type House = {
  readonly agent: Agent;
  readonly policy: CompiledPolicy;
  readonly account: Address;
  /** How the account is made, if it need not be there yet: the agent's first operation makes it. */
  readonly origin?: AccountOrigin;
  /** Grants that the owner signed and nobody brought yet, by policy id. Public once used, and useless to anybody else. */
  readonly ownerSignatures: OwnerSignatures;
  /** The agent's key. Only `sign` uses it. */
  readonly signer: PrivateKeyAccount;
  readonly chain: Chain;
  readonly bundler: Bundler;
  /** The service of the policy's paymaster; without one the account pays its own gas. */
  readonly paymaster?: Paymaster;
  /** The operator's gas purse (the in-process bundler's executor), if this process holds one. */
  readonly purse: PrivateKeyAccount | null;
  readonly engine: InferenceEngine;
  readonly journal: JournalDatabase;
  readonly randomSecret: RandomSecret;
  readonly now: Now;
  /** Milliseconds before a payment that came to nothing is decided again for the first time. */
  readonly retryPauseMs: number;
  /** Seconds, by the chain's clock, for which a yes to what the agent asks may be used. */
  readonly askSeconds: number;
  /** Takes in what the operator says while a decision is under way. */
  readonly listen?: () => Promise<void>;
  readonly sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
};

/** What one run of one step knows. */
export type StepContext = {
  readonly house: House;
  readonly decision: string;
  readonly trigger: Trigger;
  readonly signal: AbortSignal;
  /** What an earlier step handed on. */
  output(step: string): Json;
  maybeOutput(step: string): Json | undefined;
  /** What the machine keeps: how the decision ended, and when. */
  machineContext(): DecisionContext;
};

/** What a step hands on: `value` to later steps, `signal` to the machine, `entry` to the audit log, `rows` to the tables. */
export type StepResult = {
  readonly value: Json;
  readonly signal?: StepSignal;
  readonly entry: { readonly kind: string; readonly body: JsonObject };
  /** Further rows of the same transaction. */
  readonly rows?: () => void;
  /** `now` when not given. `soon`: where the step may well run a second time and nothing rests on its result. */
  readonly sure?: Sure;
};

/**
 * A step of a decision. `now` steps are pure and run inside the transaction that triggered them; `later` steps reach
 * outside, may be cut off at any instant, and are run again until their result is recorded: each is safe to repeat.
 */
export type Step =
  | { readonly when: "now"; run(context: StepContext): StepResult }
  | {
      readonly when: "later";
      /** Which turn it waits for among the steps of all agents; `none`: it only waits for the chain, and takes nobody's. */
      readonly turn?: Urgency | "none";
      run(context: StepContext): Promise<StepResult>;
    };
