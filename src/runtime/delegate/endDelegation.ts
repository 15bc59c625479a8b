import { encodeFunctionData, type Address, type Hex } from "viem";

import { permissionSpenderAbi } from "../../chain/abi/permissionSpender.ts";
import { spendGrantAbi } from "../../chain/abi/spendGrant.ts";
import { ask, connectChain, newestBlock, type Chain } from "../../chain/connectChain.ts";
import { sendTransaction } from "../../chain/deploy.ts";
import { isDeployed } from "../../chain/isDeployed.ts";
import { openKeystore } from "../../chain/keystore.ts";
import { readGrantBudget } from "../../chain/readGrantBudget.ts";
import { readPermissionBudget } from "../../chain/readPermissionBudget.ts";
import { creationOf } from "../../chain/accountOrigin.ts";
import { ownerCall } from "../../chain/ownerCall.ts";
import type { Delegation, GrantDelegation } from "../../core/delegation.ts";
import { BaseError } from "../../core/errors.ts";
import type { Call } from "../../core/operation.ts";
import { permissionOf } from "../../policy/permission.ts";
import { spendGrantArgument } from "../../policy/spendGrant.ts";
import { spendGrantOf } from "../../policy/spendGrantJson.ts";
import type { Config } from "../config.ts";
import { openBundlers } from "../openBundlers.ts";
import { passwordFor, type AskPassword } from "../password.ts";
import type { StandingDelegation } from "./readDelegations.ts";

/** The payer's own call that ends a grant or a permission, from any wallet of his: both contracts have the same one. */
export const revokeCall = ({ contract, id }: Pick<Delegation, "contract" | "id">): Call => ({
  to: contract,
  valueWei: 0n,
  data: encodeFunctionData({ abi: spendGrantAbi, functionName: "revoke", args: [id] }),
});

/**
 * The payer's own calls that end a delegation, from any wallet of his. An account that is not there yet has to be made first: a call
 * of an address without code does nothing.
 *
 * @param budget as the chain says it now
 * @throws BaseError where there is nothing yet that could be called
 */
export function revokeCalls({
  budget,
  delegation,
  permission,
  unknown,
}: Pick<StandingDelegation, "budget" | "delegation" | "permission" | "unknown">): readonly Call[] {
  const { contract, id } = delegation;
  if (delegation.rung === "erc7715" && unknown !== undefined)
    throw new BaseError(
      `Whether the agent's contract ${contract} is on chain ${delegation.chainId}, so that a call of it does anything, is not known: ${unknown}.`,
      {
        remedy: `Try again with a configuration for chain ${delegation.chainId}, or have the payer end the permission in his wallet.`,
      },
    );
  if (delegation.rung === "erc7715" && !permission)
    throw new BaseError(
      `The agent's contract ${contract} is not on the chain: a call of it would do nothing.`,
      {
        remedy: "Have the payer end the permission in his wallet.",
      },
    );
  if (delegation.rung !== "account") return [revokeCall(delegation)];
  const revoke = ownerCall(contract, "revoke", [id]);
  if (budget && "made" in budget && budget.made) return [revoke];
  const { factory, factoryData } = creationOf({ owner: delegation.account, salt: delegation.salt });
  return [{ to: factory, valueWei: 0n, data: factoryData }, revoke];
}

/**
 * Ends a delegation from the agent's side: its key gives the grant or the permission up, by a plain transaction. The agent sees it when
 * it looks at the chain before its next payment.
 *
 * @returns the transaction; null when it was over already
 * @throws BaseError where there is nothing on the chain that could be told, or the configuration's chain is another one
 */
export async function giveUpGrant(
  config: Config,
  delegation: Delegation,
  askPassword: AskPassword | undefined,
): Promise<Hex | null> {
  if (delegation.rung === "account")
    throw new BaseError("The account is its payer's: only he ends what its agent may do.", {
      remedy:
        "Print his calls with --calldata, or use the stop card; a guardian or he can freeze it at once.",
      facts: { account: delegation.contract, owner: delegation.account },
    });
  const chain = await connectChain(config.chain);
  // The grants' contract has one address on every chain: there it would take the call, and what was signed would go on here.
  if (delegation.chainId !== chain.chainId)
    throw new BaseError(
      `The delegation is for chain ${delegation.chainId}, the configuration for chain ${chain.chainId}.`,
      {
        remedy: `Use a configuration for chain ${delegation.chainId}, or have the payer end it by his stop card. Nothing was sent.`,
        facts: { delegation: delegation.id },
      },
    );
  const data = await (delegation.rung === "erc7715" ? permissionGivenUp : grantGivenUp)(chain, delegation);
  if (data === null) return null;
  const signer = await openKeystore(config.keystore, await passwordFor(config, askPassword));
  const { contract } = delegation;
  await giveGas(chain, config, signer.address, { to: contract, data }, askPassword);
  return sendTransaction(chain, signer, { to: contract, data });
}

/** The agent's key holds no coin as a rule: its operations are paid by the account. The gas purse gives it what this one call costs. */
async function giveGas(
  chain: Chain,
  { bundler }: Config,
  key: Address,
  call: { readonly to: Address; readonly data: Hex },
  askPassword: AskPassword | undefined,
): Promise<void> {
  const { client } = chain;
  const [balance, gas, { maxFeePerGas }] = await ask(chain, () =>
    Promise.all([
      client.getBalance({ address: key }),
      client.estimateGas({ account: key, ...call }),
      client.estimateFeesPerGas(),
    ]),
  );
  // A quarter more of each: blocks come in between.
  const needed = (gas * maxFeePerGas * 25n) / 16n;
  if (balance >= needed) return;
  const { purse } = await openBundlers(chain, bundler, askPassword);
  if (purse) await sendTransaction(chain, purse, { to: key, valueWei: needed - balance });
}

async function grantGivenUp(
  chain: Chain,
  { contract, grant: json, source }: GrantDelegation,
): Promise<Hex | null> {
  const grant = spendGrantOf(json);
  const { number } = await newestBlock(chain);
  const { status } = await readGrantBudget(chain, contract, grant, source, number);
  if (status === "revoked") return null;
  return encodeFunctionData({
    abi: spendGrantAbi,
    functionName: "giveUp",
    args: [spendGrantArgument(grant)],
  });
}

async function permissionGivenUp(
  chain: Chain,
  { account, contract, grant, id }: GrantDelegation,
): Promise<Hex | null> {
  if (!(await isDeployed(chain, contract)))
    throw new BaseError(
      `The agent's contract ${contract} is not on the chain: it can't spend, and has nothing to give up.`,
      {
        remedy: "Have the payer end the permission in his wallet.",
      },
    );
  const { number } = await newestBlock(chain);
  const { revoked } = await readPermissionBudget(chain, permissionOf(grant), number);
  if (revoked) return null;
  return encodeFunctionData({ abi: permissionSpenderAbi, functionName: "giveUp", args: [account, id] });
}
