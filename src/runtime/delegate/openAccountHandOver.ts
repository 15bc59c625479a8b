import { join } from "node:path";

import type { Address } from "viem";

import { accountOf } from "../../chain/accountOrigin.ts";
import { connectChain } from "../../chain/connectChain.ts";
import { openKeystore } from "../../chain/keystore.ts";
import { otherSymbols } from "../../chain/otherSymbols.ts";
import { readDecimals } from "../../chain/readDecimals.ts";
import { openJournal } from "../../journal/openJournal.ts";
import { compilePolicy, type CompiledPolicy } from "../../policy/compile.ts";
import { parsePolicy } from "../../policy/parse.ts";
import { registryOf, tokenOf, unitsOf } from "../../policy/registry.ts";
import { now, randomSecret, sleep } from "../clock.ts";
import { ConfigError, type Config } from "../config.ts";
import { refuseLintErrors } from "../installPolicy.ts";
import { openBundlers } from "../openBundlers.ts";
import { openLink } from "../openLink.ts";
import { passwordFor, readText, type AskPassword } from "../password.ts";
import { openTurns } from "../turns.ts";
import { accountBy } from "./accountBy.ts";
import { accountFolder, openAccountFolder, signaturesIn, writeAccountFolder } from "./accountFolder.ts";
import type { Funds } from "./fundAccount.ts";
import type { HandOverOptions } from "./handOverOptions.ts";
import type { OwnAccount } from "./ownAccount.ts";
import { originFor, requireSignable } from "./payersAccount.ts";
import { accountsIn } from "./readDelegations.ts";

/** What whoever runs the agent says about an account of a payer's own. */
export type AccountTerms = {
  /** The payer: his account's address follows from it. */
  readonly payer: Address;
  /** Folder for the account's configuration and journal; beside the other accounts of the state folder when not given. */
  readonly out?: string | undefined;
  /** What his wallet is asked to send there, as people write it: "0.05 ETH, 100.00 USDC". */
  readonly fund?: string | undefined;
};

/** A hand-over that can begin: everything is open that it needs. */
export type OpenAccountHandOver = {
  /** The configuration that it will leave. */
  readonly config: string;
  run(options: Pick<HandOverOptions, "tell" | "confirm" | "signal">): Promise<OwnAccount>;
  close(): Promise<void>;
};

/**
 * Opens what the hand-over of an account of the payer's own needs, in an order in which a mistake costs nothing. It has a journal of its
 * own, the account's: the agent may run on others meanwhile, and not on this one.
 *
 * @throws ConfigError · NotInstallableError · JournalLockedError while the agent runs on it · whatever policies, chains and keystores throw
 */
export async function openAccountHandOver(
  agent: string,
  config: Config,
  terms: AccountTerms,
  askPassword: AskPassword | undefined,
): Promise<OpenAccountHandOver> {
  const { wallets } = config;
  if (!wallets)
    throw new ConfigError("The configuration names no relay to wallets.", {
      remedy:
        'Add "wallets": { "relay": "wss://…", "projectId": "…" }; `bursar relay` runs one to try things on.',
    });
  const policyText = await readText(config.policy, "policy");
  const document = parsePolicy(policyText, config.policy);
  if (document.chain !== config.chain.chainId)
    throw new ConfigError(
      `The policy is for chain ${document.chain}, the configuration for chain ${config.chain.chainId}.`,
      { remedy: "Correct one of the two." },
    );
  const chain = await connectChain(config.chain);
  const signer = await openKeystore(config.keystore, await passwordFor(config, askPassword));
  refuseLintErrors({ document, agent: signer.address, now: Math.floor(now() / 1000) });
  const policy = compilePolicy(
    document,
    signer.address,
    await readDecimals(chain, registryOf(document).tokens),
  );
  requireSignable(policy, terms.payer);
  const funds = fundsOf(terms.fund, policy);
  const misnamed = await otherSymbols(chain, policy.tokens);
  const { purse } = await openBundlers(chain, config.bundler, askPassword);
  const origin = originFor(terms.payer, policy);
  const account = accountOf(origin);
  const folder = terms.out ?? join(accountsIn(config.state), account.slice(2, 14).toLowerCase());
  const files = await openAccountFolder(folder, account);
  const journal = openJournal(join(files.state, "journal.db"));
  try {
    const signatures = await signaturesIn(files);
    const link = await openLink(journal, files.state, wallets);
    return {
      config: accountFolder(folder).config,
      run: (options) =>
        accountBy({
          ...options,
          site: wallets.url,
          chain,
          journal,
          link,
          purse,
          purseTurns: openTurns(1),
          agent: { name: agent, account, key: signer.address },
          policy,
          account,
          origin,
          expected: origin.owner,
          warnings: misnamed.map(
            ({ says, token }) =>
              `Warning: the policy calls the token at ${token.address} ${token.symbol}; the token calls itself ${JSON.stringify(says.slice(0, 32))}.`,
          ),
          signatures,
          write: (installs, epoch) =>
            writeAccountFolder(files, config, account, origin, policyText, installs, epoch),
          funds,
          randomSecret,
          sleep,
        }),
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

/** @throws ConfigError · whatever amounts throw that are none */
function fundsOf(text: string | undefined, { tokens }: CompiledPolicy): readonly Funds[] {
  if (text === undefined) return [];
  return text.split(",").map((part) => {
    const amount = part.trim();
    if (!/^\S+ \S+$/.test(amount))
      throw new ConfigError(`"${amount}" is no amount.`, {
        remedy: 'Write a number and a token, several with commas: --fund "0.05 ETH, 100.00 USDC".',
      });
    const token = tokenOf(amount, tokens);
    return { token, units: unitsOf(amount, token) };
  });
}
