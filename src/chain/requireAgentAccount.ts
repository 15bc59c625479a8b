import { isAddressEqual, type Address } from "viem";

import { BaseError } from "../core/errors.ts";
import { agentAccountAbi } from "./abi/agentAccount.ts";
import { ask, requireCode, type Chain } from "./connectChain.ts";
import { entryPointAddress } from "./entryPoint.ts";
import { RpcUnreachableError } from "./errors.ts";

/** What lies at the account's address is something else. */
export class NotAnAgentAccountError extends BaseError {
  override readonly name = "NotAnAgentAccountError";
}

/**
 * The address has to be an AgentAccount of the EntryPoint that we send to: what an owner signs for anything else would mean
 * something else, or nothing.
 *
 * @throws MissingContractError · NotAnAgentAccountError
 */
export async function requireAgentAccount(chain: Chain, account: Address): Promise<void> {
  await requireCode(chain, "account", account);
  const remedy = "Check the address of --account or of the configuration.";
  const read = { address: account, abi: agentAccountAbi } as const;
  let id: string;
  let entryPoint: Address;
  try {
    [id, entryPoint] = await ask(chain, () =>
      Promise.all([
        chain.client.readContract({ ...read, functionName: "accountId" }),
        chain.client.readContract({ ...read, functionName: "entryPoint" }),
        chain.client.readContract({ ...read, functionName: "owner" }),
        chain.client.readContract({ ...read, functionName: "decisionLog" }),
      ]),
    );
  } catch (error) {
    if (error instanceof RpcUnreachableError) throw error;
    throw new NotAnAgentAccountError(`The contract at ${account} is no AgentAccount.`, {
      remedy,
      facts: { account, chainId: chain.chainId },
      cause: error,
    });
  }
  if (!id.startsWith("bursar.agent-account."))
    throw new NotAnAgentAccountError(`The contract at ${account} is another kind of account.`, {
      remedy,
      facts: { account, chainId: chain.chainId, accountId: id.slice(0, 80) },
    });
  if (!isAddressEqual(entryPoint, entryPointAddress))
    throw new NotAnAgentAccountError(`The account ${account} belongs to another EntryPoint.`, {
      remedy,
      facts: { account, entryPoint, expected: entryPointAddress },
    });
}
