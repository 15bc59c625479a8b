import { join } from "node:path";

import { isAddressEqual, type Address } from "viem";

import { connectChain, type Chain } from "../../chain/connectChain.ts";
import { spendGrantDeployment } from "../../chain/deploy.ts";
import { openKeystore } from "../../chain/keystore.ts";
import { readDecimals } from "../../chain/readDecimals.ts";
import type { GrantDelegation } from "../../core/delegation.ts";
import { openJournal } from "../../journal/openJournal.ts";
import { compilePolicy, limitFor } from "../../policy/compile.ts";
import { parsePolicy } from "../../policy/parse.ts";
import { registryOf, tokenOf, unitsOf } from "../../policy/registry.ts";
import { randomSecret, sleep } from "../clock.ts";
import { ConfigError, type Config } from "../config.ts";
import { openBundlers } from "../openBundlers.ts";
import { openLink } from "../openLink.ts";
import { passwordFor, readText, type AskPassword } from "../password.ts";
import { openTurns } from "../turns.ts";
import { grantContractOf, paysForOthers } from "../payer.ts";
import { handOver } from "./handOver.ts";
import { permissionPlace } from "./permissionPlace.ts";
import type { HandOverOptions } from "./handOverOptions.ts";
import { settleCutOff } from "./settleCutOff.ts";

/** What whoever runs the agent says about a delegation; amounts as people write them, "100.00 USDC". */
export type HandOverTerms = {
  readonly token?: string | undefined;
  readonly total?: string | undefined;
  readonly perPayment?: string | undefined;
  readonly perWindow?: string | undefined;
  readonly days: number;
  readonly purpose: string;
  /** Asked for: then a wallet's own permissions are left aside. */
  readonly rung?: "spendGrant" | undefined;
};

/** A hand-over that can begin: everything is open that it needs. */
export type OpenHandOver = {
  run(caller: HandOverCaller): Promise<GrantDelegation>;
  close(): Promise<void>;
};

/** What a hand-over is about. */
type Plan = Pick<
  HandOverOptions,
  "site" | "agent" | "policy" | "limit" | "contract" | "permissions" | "onlyGrants" | "terms"
>;

/** What it is done with. */
export type HandOverParts = Pick<HandOverOptions, "chain" | "journal" | "link" | "purse" | "purseTurns">;

/** Whom it asks and tells. */
export type HandOverCaller = Pick<HandOverOptions, "tell" | "confirm" | "signal" | "expected">;

/**
 * Reads the terms against the policy. Nothing is opened for it but the chain, so that a mistake costs nothing.
 *
 * @param key address of the agent's key
 * @throws ConfigError · whatever policies and chains throw
 */
export async function planHandOver(
  agent: string,
  config: Config,
  terms: HandOverTerms,
  { chain, key }: { readonly chain: Chain; readonly key: Address },
): Promise<Plan> {
  const { wallets } = config;
  if (!wallets)
    throw new ConfigError("The configuration names no relay to wallets.", {
      remedy:
        'Add "wallets": { "relay": "wss://…", "projectId": "…" }; `bursar relay` runs one to try things on.',
    });
  const document = parsePolicy(await readText(config.policy, "policy"), config.policy);
  const decimals = await readDecimals(chain, registryOf(document).tokens);
  const policy = compilePolicy(document, key, decimals);
  const limit = terms.token === undefined ? policy.limits.find(paysForOthers) : limitFor(policy, terms.token);
  if (!limit || !paysForOthers(limit))
    throw new ConfigError(
      terms.token === undefined
        ? "The policy lets the agent spend nothing under somebody's grant."
        : `The policy lets the agent spend no ${terms.token} under somebody's grant.`,
      { remedy: "Add the call of policies/delegated.yaml to it, and install that." },
    );
  const contract = grantContractOf(limit);
  // The payer will allow this very contract to pull his tokens: it is ours, at the address that follows from its code, or none.
  if (contract !== undefined && !isAddressEqual(contract, spendGrantDeployment.address))
    throw new ConfigError(
      `The policy pays through ${contract}, which is not the SpendGrant contract of this program.`,
      {
        remedy: `Name ${spendGrantDeployment.address} in the policy, and install that. Ask nobody to sign for another contract.`,
      },
    );
  const onlyGrants = terms.rung === "spendGrant";
  if (onlyGrants && contract === undefined)
    throw new ConfigError(`The policy pays ${limit.token.symbol} under permissions of wallets alone.`, {
      remedy: "Leave out --rung, or add the call of policies/delegated.yaml to the policy, and install that.",
    });
  const permissions = permissionPlace(limit, config, key);
  const units = (amount: string | undefined) =>
    amount === undefined ? undefined : unitsOf(amount, tokenOf(amount, policy.tokens));
  return {
    site: wallets.url,
    agent: { name: agent, account: config.account, key },
    policy,
    limit,
    contract,
    permissions,
    onlyGrants,
    terms: {
      total: units(terms.total),
      perCall: units(terms.perPayment),
      perWindow: units(terms.perWindow),
      days: terms.days,
      purpose: terms.purpose,
    },
  };
}

export const handOverBy = (
  plan: Plan,
  parts: HandOverParts,
  caller: HandOverCaller,
): Promise<GrantDelegation> => handOver({ ...plan, ...parts, ...caller, randomSecret, sleep });

/**
 * Opens what a hand-over needs for itself, in an order in which a mistake costs nothing.
 *
 * @throws JournalLockedError while the agent runs: it has to be joined then · ConfigError · whatever policies, chains and keystores throw
 */
export async function openHandOver(
  agent: string,
  config: Config,
  terms: HandOverTerms,
  askPassword: AskPassword | undefined,
): Promise<OpenHandOver> {
  const chain = await connectChain(config.chain);
  const signer = await openKeystore(config.keystore, await passwordFor(config, askPassword));
  const plan = await planHandOver(agent, config, terms, { chain, key: signer.address });
  const { purse } = await openBundlers(chain, config.bundler, askPassword);
  const journal = openJournal(join(config.state, "journal.db"));
  try {
    await settleCutOff(chain, journal);
    const link = await openLink(journal, config.state, config.wallets!);
    const parts = { chain, journal, link, purse, purseTurns: openTurns(1) };
    return {
      run: (caller) => handOverBy(plan, parts, caller),
      async close() {
        await link.close();
        journal.close();
      },
    };
  } catch (error) {
    journal.close();
    throw error;
  }
}
