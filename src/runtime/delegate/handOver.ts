import { requireCode } from "../../chain/connectChain.ts";
import type { GrantDelegation } from "../../core/delegation.ts";
import { DelegationError } from "./answers.ts";
import { chooseRung } from "./chooseRung.ts";
import { grantBy } from "./grantBy.ts";
import type { HandOverOptions } from "./handOverOptions.ts";
import { meetWallet } from "./meetWallet.ts";
import { permissionBy } from "./permissionBy.ts";

/**
 * From a QR code to a grant in force: pair, confirm who it is, sign in, explain, sign, bring to the chain, and look there. Whatever a
 * wallet answers is verified by our own node before anything is made of it. Cut off, it has widened nothing: what was signed and
 * not brought is known to nobody but the wallet and this journal.
 *
 * @throws DelegationError · GrantTermsError · what the link and the chain throw
 */
export async function handOver(options: HandOverOptions): Promise<GrantDelegation> {
  const { chain, contract, link, onlyGrants = false, permissions, tell, terms } = options;
  if (contract !== undefined) await requireCode(chain, "SpendGrant contract", contract);
  const { account, session } = await meetWallet(options);
  try {
    const { method, rung, why } = chooseRung(session, {
      beyondTokens: false,
      onlyGrants,
      managers: permissions ? [permissions.manager] : [],
      noGrants: contract === undefined,
      perPayment: terms.perCall !== undefined,
    });
    tell({ kind: "rung", rung, why });
    if (permissions && method !== undefined && rung === "erc7715")
      return await permissionBy(options, permissions, session.topic, account, { method, why });
    if (contract === undefined)
      throw new DelegationError(
        "The policy pays under permissions of wallets alone, and this one gives none.",
        {
          remedy:
            "Use a wallet that offers ERC-7715, or add the call of policies/delegated.yaml to the policy.",
          facts: { why },
        },
      );
    return await grantBy({ ...options, contract }, session.topic, account, why);
  } catch (error) {
    await link.disconnect(session.topic).catch(() => undefined);
    throw error;
  }
}
