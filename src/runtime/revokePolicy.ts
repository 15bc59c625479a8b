import { isAddressEqual, type Address, type Hex } from "viem";

import { ownerCall } from "../chain/ownerCall.ts";
import { readGrants } from "../chain/readGrants.ts";
import { readOwnership, type Ownership } from "../chain/readOwnership.ts";
import type { CompiledPolicy } from "../policy/compile.ts";
import { showUnits } from "../policy/registry.ts";
import { leavesAllowances } from "../policy/worstCase.ts";
import type { OwnerAction, OwnerDesk } from "./ownerDesk.ts";

/** What revoking would do, before anything is done. */
export type RevokePlan = {
  readonly ownership: Ownership;
  readonly actions: readonly OwnerAction[];
  /** What is stopped already. */
  readonly done: readonly string[];
  readonly warnings: readonly string[];
};

export type RevokeRequest = {
  /** Ids to revoke one by one. */
  readonly policyIds: readonly Hex[];
  /** The policies they come from, as far as they are known: for words, and for what outlives them. */
  readonly policies: readonly CompiledPolicy[];
  /** Everything at once, what was only signed included: raises the epoch. */
  readonly all: boolean;
  /** Stops all agents until the owner unfreezes. */
  readonly freeze: boolean;
};

/** Compares with the chain and says what is left to do. A policy that was never granted is revoked all the same: its id is burned. */
export async function planRevoke(desk: OwnerDesk, request: RevokeRequest): Promise<RevokePlan> {
  const { account, chain } = desk;
  const spenders = request.policies.flatMap((policy) =>
    policy.limits.filter(leavesAllowances).flatMap((limit) =>
      policy.payees.map((payee) => ({
        token: limit.grant.asset,
        spender: payee.address,
        words: (units: bigint) =>
          `${payee.name} may still take ${units >= 1n << 255n ? `all ${limit.token.symbol}` : showUnits(units, limit.token)} by an allowance, which no revocation ends: set it to zero.`,
      })),
    ),
  );
  const ownership = await readOwnership(chain, account, {
    policyIds: request.policyIds,
    guardians: [],
    caps: [],
    allowances: spenders,
  });
  const actions: OwnerAction[] = [];
  const done: string[] = [];
  if (request.freeze) {
    if (ownership.frozen) done.push("The account is frozen already.");
    else actions.push({ words: "freeze the account", call: ownerCall(account, "freeze") });
  }
  if (request.all) {
    const live = await readGrants(chain, account);
    if (live.length === 0) done.push("No policy of the account is in force.");
    actions.push({
      words: `revoke ${live.length === 0 ? "everything that was only signed" : live.length === 1 ? "the one policy in force" : `all ${live.length} policies in force`}, and every signed grant of this epoch`,
      call: ownerCall(account, "revokeAll"),
    });
  }
  for (const [index, policyId] of request.policyIds.entries()) {
    const name = nameOf(policyId, request.policies);
    if (ownership.counters[index]!.status === "revoked") done.push(`${name} is revoked already.`);
    else actions.push({ words: `revoke ${name}`, call: ownerCall(account, "revoke", [policyId]) });
  }
  return {
    ownership,
    actions,
    done,
    warnings: spenders.flatMap(({ words }, index) => {
      const units = ownership.allowances[index]!;
      return units === 0n ? [] : [words(units)];
    }),
  };
}

function nameOf(policyId: Hex, policies: readonly CompiledPolicy[]): string {
  for (const policy of policies)
    for (const limit of policy.limits)
      if (limit.policyId === policyId) return `the ${limit.token.symbol} limit of ${policy.name}`;
  return `policy ${policyId}`;
}

/** The ids of a document's grants to an agent. Where no agent is named, those of every agent that has one in force. */
export async function idsToRevoke(
  { account, chain }: OwnerDesk,
  policyOf: (agent: Address) => CompiledPolicy,
  agent: Address | undefined,
): Promise<{ readonly ids: readonly Hex[]; readonly policies: readonly CompiledPolicy[] }> {
  const live = agent ? [] : await readGrants(chain, account);
  const agents = agent
    ? [agent]
    : live
        .map(({ grant }) => grant.agent)
        .filter((one, index, all) => all.findIndex((other) => isAddressEqual(one, other)) === index);
  const policies = agents
    .map(policyOf)
    .filter(
      (policy) =>
        agent !== undefined ||
        policy.limits.some((limit) => live.some(({ policyId }) => policyId === limit.policyId)),
    );
  return { policies, ids: policies.flatMap(({ limits }) => limits.map(({ policyId }) => policyId)) };
}
