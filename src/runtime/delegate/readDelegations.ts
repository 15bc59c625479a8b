import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { ask, connectChain, type Chain } from "../../chain/connectChain.ts";
import { isDeployed } from "../../chain/isDeployed.ts";
import { readGrantBudget } from "../../chain/readGrantBudget.ts";
import { readPermissionBudget } from "../../chain/readPermissionBudget.ts";
import type { Delegation, DelegationState } from "../../core/delegation.ts";
import { BaseError, sentenceOf } from "../../core/errors.ts";
import { delegationsIn, type DelegationRow } from "../../journal/delegations.ts";
import { readJournal } from "../../journal/readJournal.ts";
import type { GrantBudget } from "../../policy/grantReasons.ts";
import { grantOf } from "../../policy/grantJson.ts";
import { permissionOf } from "../../policy/permission.ts";
import type { PermissionBudget } from "../../policy/permissionReasons.ts";
import { spendGrantOf } from "../../policy/spendGrantJson.ts";
import type { Config } from "../config.ts";
import { readAccountBudget, type AccountBudget } from "./readAccountBudget.ts";

/** A delegation as it stands now: what the journal says, and what the chain says, which counts. */
export type StandingDelegation = {
  readonly delegation: Delegation;
  readonly state: DelegationState;
  /** Unix seconds. */
  readonly validUntil: number;
  /** Of a grant, or of an account's limit; undefined where the chain was not asked. */
  readonly budget: GrantBudget | AccountBudget | undefined;
  /** The same of a wallet's permission; undefined also while the agent's contract is not on the chain. */
  readonly permission?: PermissionBudget | undefined;
  /** Why the chain could not be asked how it stands: nothing is known then but what the journal says. */
  readonly unknown?: string;
};

/** Where a state folder keeps the accounts of payers, each with a state folder of its own in it. */
export const accountsIn = (state: string): string => join(state, "accounts");

/** A journal that could not be read: what is delegated by it is not known here. */
export type Unread = { readonly journal: string; readonly why: string };

/**
 * The delegations of a state folder, those of payers' own accounts in it too, with what each leaves on the chain; also while the agents run.
 *
 * One that the chain could not be asked for is `unknown`.
 *
 * @param unread is told of each journal that can't be read, and the others are read; without it that is thrown
 * @throws JournalOpenError, and what chains throw
 */
export async function readDelegations(
  { chain: where, state }: Pick<Config, "chain" | "state">,
  unread?: (journal: Unread) => void,
): Promise<readonly StandingDelegation[]> {
  const own = join(state, "journal.db");
  const accounts = existsSync(accountsIn(state)) ? readdirSync(accountsIn(state)) : [];
  const others = accounts
    .map((name) => join(accountsIn(state), name, "state", "journal.db"))
    .filter((file) => existsSync(file));
  const rows = [...(existsSync(own) ? [own] : []), ...others].flatMap((file) => {
    try {
      return rowsIn(file);
    } catch (error) {
      if (!unread) throw error;
      unread({ journal: file, why: sentenceOf(error) });
      return [];
    }
  });
  if (rows.length === 0) return [];
  const chain = await connectChain(where);
  const block = await ask(chain, () => chain.client.getBlock({ blockTag: "latest" }));
  return Promise.all(rows.map((row) => standingOf(chain, row, block)));
}

function rowsIn(file: string): readonly DelegationRow[] {
  const journal = readJournal(file);
  try {
    return delegationsIn(journal);
  } finally {
    journal.close();
  }
}

/** What can't be read of one hides no other. */
async function standingOf(
  chain: Chain,
  { delegation, state }: DelegationRow,
  block: Block,
): Promise<StandingDelegation> {
  const told = { delegation, state, validUntil: lastSecondOf(delegation), budget: undefined };
  if (delegation.chainId !== chain.chainId)
    return {
      ...told,
      unknown: `it is on chain ${delegation.chainId}, and the configuration's is ${chain.chainId}`,
    };
  try {
    return { ...told, ...(await budgetsOf(chain, delegation, block)) };
  } catch (error) {
    return { ...told, unknown: sentenceOf(error) };
  }
}

type Block = { readonly number: bigint; readonly timestamp: bigint };

function lastSecondOf({ grant, rung }: Delegation): number {
  if (rung === "account") return Number(grantOf(grant).expiry);
  // A permission ends before its expiry.
  return rung === "erc7715" ? permissionOf(grant).expiry - 1 : spendGrantOf(grant).validUntil;
}

async function budgetsOf(
  chain: Chain,
  delegation: Delegation,
  block: Block,
): Promise<Pick<StandingDelegation, "budget" | "permission">> {
  if (delegation.rung === "account") return { budget: await readAccountBudget(chain, delegation, block) };
  if (delegation.rung === "erc7715") {
    const permission = permissionOf(delegation.grant);
    return {
      budget: undefined,
      permission: (await isDeployed(chain, permission.spender))
        ? await readPermissionBudget(chain, permission, block.number)
        : undefined,
    };
  }
  const { contract, grant, source } = delegation;
  return { budget: await readGrantBudget(chain, contract, spendGrantOf(grant), source, block.number) };
}

/** The one that somebody means by the first digits of its hash. @throws BaseError */
export function delegationNamed(all: readonly StandingDelegation[], word: string): StandingDelegation {
  const found = /^0x[0-9a-f]{4,64}$/i.test(word)
    ? all.filter(({ delegation }) => delegation.id.startsWith(word.toLowerCase()))
    : [];
  const [one] = found;
  if (one && found.length === 1) return one;
  throw new BaseError(
    found.length > 1 ? `${found.length} delegations begin with ${word}.` : `There is no delegation ${word}.`,
    { remedy: "`bursar delegations` names them; the first digits do, at least four after 0x." },
  );
}
