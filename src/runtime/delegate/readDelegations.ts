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
};

/** Where a state folder keeps the accounts of payers, each with a state folder of its own in it. */
export const accountsIn = (state: string): string => join(state, "accounts");

/** A journal that could not be read: what is delegated by it is not known here. */
export type Unread = { readonly journal: string; readonly why: string };

/**
 * The delegations of a state folder, those of payers' own accounts in it too, with what each leaves on the chain; also while the agents run.
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

async function standingOf(
  chain: Chain,
  { delegation, state }: DelegationRow,
  block: { readonly number: bigint; readonly timestamp: bigint },
): Promise<StandingDelegation> {
  const here = delegation.chainId === chain.chainId;
  if (delegation.rung === "account")
    return {
      delegation,
      state,
      validUntil: Number(grantOf(delegation.grant).expiry),
      budget: here ? await readAccountBudget(chain, delegation, block) : undefined,
    };
  if (delegation.rung === "erc7715") {
    const permission = permissionOf(delegation.grant);
    return {
      delegation,
      state,
      // The last second, as grants say it.
      validUntil: permission.expiry - 1,
      budget: undefined,
      permission:
        here && (await isDeployed(chain, permission.spender))
          ? await readPermissionBudget(chain, permission, block.number)
          : undefined,
    };
  }
  const grant = spendGrantOf(delegation.grant);
  const { contract, source } = delegation;
  return {
    delegation,
    state,
    validUntil: grant.validUntil,
    budget: here ? await readGrantBudget(chain, contract, grant, source, block.number) : undefined,
  };
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
