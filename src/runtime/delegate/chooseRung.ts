import type { Rung } from "../../core/delegation.ts";
import { permissionMethods, type PermissionMethod, type WalletSession } from "../../core/walletLink.ts";

/** What the agent is to do. */
export type Wanted = {
  /** Native coin, or calls beyond payments: nobody can pull that out of a plain account. */
  readonly beyondTokens: boolean;
  /** Contracts that enforce a wallet's own permissions, are trusted to, and that the policy pays under. */
  readonly managers: readonly string[];
  /** A signed grant was asked for. */
  readonly onlyGrants?: boolean;
  /** The policy pays under no signed grants. */
  readonly noGrants?: boolean;
  /** An amount per payment is asked for: grants say one, permissions do not. */
  readonly perPayment?: boolean;
};

export type Chosen = { readonly rung: Rung; readonly why: string; readonly method?: PermissionMethod };

/** The first rung that the wallet and what is wanted allow, and why none before it. Pure. */
export function chooseRung(
  { methods }: Pick<WalletSession, "methods">,
  { beyondTokens, managers, noGrants = false, onlyGrants = false, perPayment = false }: Wanted,
): Chosen {
  const method = permissionMethods.find((name) => methods.includes(name));
  if (beyondTokens)
    return {
      rung: "account",
      why: "The agent needs more than one token's payments, which nobody can pull out of a plain account: it takes an account of its own that the wallet owns.",
    };
  if (onlyGrants) return { rung: "spendGrant", why: "A signed grant was asked for." };
  if (method !== undefined && managers.length > 0 && (!perPayment || noGrants))
    return { rung: "erc7715", method, why: `The wallet offers permissions of its own (${method}).` };
  const instead = noGrants ? "and the policy pays under nothing else" : "so it signs a grant";
  return {
    rung: "spendGrant",
    why:
      method === undefined
        ? `The wallet offers no permissions of its own (ERC-7715), ${instead}${noGrants ? "" : " that a contract enforces"}.`
        : managers.length === 0
          ? `The wallet offers permissions of its own (${method}), and no contract that would enforce them is trusted here and paid under by the policy, ${instead}.`
          : `The wallet offers permissions of its own (${method}), which know no amount per payment, ${instead}.`,
  };
}
