import { concatHex, getAddress, keccak256, toHex, type Address } from "viem";

import type { AccountOrigin } from "../../chain/accountOrigin.ts";
import { NotInstallableError } from "../installPolicy.ts";
import type { CompiledPolicy } from "../../policy/compile.ts";

const label = toHex("bursar.delegate.account.1");

/**
 * The account that a payer gets for an agent under a policy. The salt follows from the agent's key and the policy's document, so that
 * another hand-over of the same finds the same account, also where everything that was written down is lost.
 */
export const originFor = (payer: Address, { agent, documentHash }: CompiledPolicy): AccountOrigin => ({
  owner: getAddress(payer),
  salt: keccak256(concatHex([label, agent, documentHash])),
});

/**
 * What his signatures alone can put in force. Guardians, caps over all agents and signs of life are settings that only the owner makes,
 * by transactions to an account that has to be there: a policy that rests on them would hold less than it says.
 *
 * @throws NotInstallableError
 */
export function requireSignable(policy: CompiledPolicy, payer: Address): void {
  const { accountCaps, agent, guardians, limits } = policy;
  const beyond = [
    ...(guardians.length > 0 ? ["guardians"] : []),
    ...(accountCaps.length > 0 ? ["accountCaps"] : []),
    ...(limits.some(({ grant }) => grant.extras.heartbeat > 0n) ? ["heartbeat"] : []),
  ];
  if (beyond.length > 0)
    throw new NotInstallableError(
      `The payer's signature can't put ${beyond.join(" and ")} of the policy in force: those are settings of the account.`,
      {
        remedy:
          "Take them out of the policy for this hand-over. He can make them himself once the account is there: bursar policy install --calldata prints the calls.",
        facts: { policy: policy.name },
      },
    );
  if (BigInt(agent) === BigInt(payer))
    throw new NotInstallableError("The agent's key is the payer's own: no policy would bound it.", {
      remedy:
        "Make the agent a key of its own: bursar keystore new agent.json; then name it in the configuration.",
      facts: { agent },
    });
}
