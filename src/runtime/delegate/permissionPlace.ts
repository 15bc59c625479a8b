import { isAddressEqual, type Address } from "viem";

import { permissionSpenderDeployment } from "../../chain/deploy.ts";
import type { CompiledLimit } from "../../policy/compile.ts";
import { ConfigError, type Config } from "../config.ts";
import { grantContractOf, spenderOf } from "../payer.ts";
import type { PermissionPlace } from "./permissionBy.ts";

/**
 * Where the agent spends under wallets' own permissions: the manager that is trusted for it, and the agent's own contract for that manager.
 * The policy names that contract, at the address that follows from its code, the account, the key and the manager, or none.
 *
 * @param key the agent's
 * @returns undefined where the policy or the configuration does without permissions
 * @throws ConfigError
 */
export function permissionPlace(
  limit: CompiledLimit,
  { account, wallets }: Pick<Config, "account" | "wallets">,
  key: Address,
): PermissionPlace | undefined {
  const spender = spenderOf(limit);
  if (spender === undefined) return undefined;
  const places = (wallets?.permissions?.managers ?? []).map((manager) => ({
    manager,
    deployment: permissionSpenderDeployment(account, key, manager),
  }));
  const place = places.find(({ deployment }) => isAddressEqual(deployment.address, spender));
  if (place) return place;
  if (places.length === 0) {
    if (grantContractOf(limit) !== undefined) return undefined;
    throw new ConfigError(
      "The policy pays under permissions of wallets, and nobody is trusted to enforce them.",
      {
        remedy:
          'Add "permissions": { "managers": ["0x…"] } to the wallets of the configuration: the delegation managers that are trusted.',
      },
    );
  }
  const addresses = places
    .map(({ deployment, manager }) => `${deployment.address} (for the manager ${manager})`)
    .join(", ");
  throw new ConfigError(
    `The policy pays under permissions through ${spender}, which is not the contract of this account, this key and a manager that is trusted.`,
    { remedy: `Name ${addresses} in the policy, and install that.` },
  );
}
