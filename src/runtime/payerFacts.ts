import type { Address } from "viem";

import { readGrantBudget } from "../chain/readGrantBudget.ts";
import { readPermissionBudget } from "../chain/readPermissionBudget.ts";
import type { Delegation, GrantDelegation } from "../core/delegation.ts";
import type { JsonObject } from "../core/json.ts";
import { delegationsInForce } from "../journal/delegations.ts";
import type { CompiledLimit } from "../policy/compile.ts";
import type { GrantBudget } from "../policy/grantReasons.ts";
import { permissionOf, type Permission } from "../policy/permission.ts";
import type { PermissionBudget } from "../policy/permissionReasons.ts";
import type { SpendGrant } from "../policy/spendGrant.ts";
import { spendGrantOf } from "../policy/spendGrantJson.ts";
import type { House } from "./house.ts";
import { grantContractOf, payerFact, paysForOthers, spenderOf } from "./payer.ts";

type Block = { readonly blockNumber: bigint; readonly blockTimestamp: bigint };

/**
 * Facts about whoever pays under each limit of a policy, read at the observation's block: by the newest delegation that is not over,
 * whichever rung it is of. What its payer has ended stops nobody else's; where all are over, the newest tells why.
 */
export async function payerFacts(
  house: Pick<House, "account" | "agent" | "chain" | "journal" | "policy" | "signer">,
  block: Block,
): Promise<readonly (readonly [string, JsonObject])[]> {
  const through = house.policy.limits.filter(paysForOthers);
  if (through.length === 0) return [];
  const delegations = delegationsInForce(house.journal, house.agent.name);
  const facts = await Promise.all(
    through.map(async (limit) => {
      const mine = delegations.filter((one) => isFor(house, one, limit));
      const fact = await newestFact(house.chain, mine, block);
      return fact === undefined ? [] : [[payerFact(limit.token.symbol), fact] as const];
    }),
  );
  return facts.flat();
}

async function newestFact(
  chain: House["chain"],
  delegations: readonly Delegation[],
  block: Block,
): Promise<JsonObject | undefined> {
  let newest: JsonObject | undefined;
  for (const delegation of delegations) {
    if (delegation.rung === "account") continue;
    const { fact, isOver } = await (delegation.rung === "erc7715" ? permissionFact : grantFact)(
      chain,
      delegation,
      block,
    );
    if (!isOver) return fact;
    newest ??= fact;
  }
  return newest;
}

async function grantFact(
  chain: House["chain"],
  { contract, grant: json, source }: GrantDelegation,
  { blockNumber, blockTimestamp }: Block,
) {
  const grant = spendGrantOf(json);
  const budget = await readGrantBudget(chain, contract, grant, source, blockNumber);
  return {
    fact: { contract: contract.toLowerCase(), grant: json, source, budget: plainGrant(budget) },
    isOver: isGrantOver(grant, budget, blockTimestamp),
  };
}

async function permissionFact(
  chain: House["chain"],
  { contract, grant: json, rung }: GrantDelegation,
  { blockNumber, blockTimestamp }: Block,
) {
  const permission = permissionOf(json);
  const budget = await readPermissionBudget(chain, permission, blockNumber);
  return {
    fact: { rung, contract: contract.toLowerCase(), grant: json, budget: plainPermission(budget) },
    isOver: isPermissionOver(permission, budget, blockTimestamp),
  };
}

/** Nothing can be spent under it now, and waiting changes nothing: by the payer's will, by its own end, or because the chain lost it. */
const isGrantOver = (grant: SpendGrant, budget: GrantBudget, at: bigint): boolean =>
  budget.status !== "granted" ||
  budget.epoch !== grant.epoch ||
  at >= BigInt(grant.validUntil) ||
  budget.leftInTotal === 0n ||
  budget.allowance === 0n;

/** The same: by the payer's will, by its end, because its last period is used up, or because his account does not obey it now. */
const isPermissionOver = (
  { expiry, period, start }: Permission,
  { available, refusal, revoked }: PermissionBudget,
  at: bigint,
): boolean =>
  revoked ||
  refusal !== null ||
  at >= BigInt(expiry) ||
  (available === 0n && (at - BigInt(start)) / BigInt(period) === BigInt(expiry - start - 1) / BigInt(period));

/** A delegation names the one account and the one key that may spend: of any other the chain would refuse every payment. */
function isFor(
  { account, chain, signer }: Pick<House, "account" | "chain" | "signer">,
  { chainId, contract, grant, rung, token }: Delegation,
  limit: CompiledLimit,
): boolean {
  const through =
    rung === "spendGrant" ? grantContractOf(limit) : rung === "erc7715" ? spenderOf(limit) : undefined;
  if (chainId !== chain.chainId || through === undefined) return false;
  if (!same(token.address, limit.token.address) || !same(contract, through)) return false;
  // An agent's PermissionSpender is for its account and its key by its address.
  if (rung === "erc7715") return true;
  const { agent, agentKey } = spendGrantOf(grant);
  return same(agent, account) && same(agentKey, signer.address);
}

const same = (one: Address, other: Address): boolean => BigInt(one) === BigInt(other);

const plainGrant = ({ hash, status, ...amounts }: GrantBudget): JsonObject => ({
  hash,
  status,
  ...Object.fromEntries(Object.entries(amounts).map(([name, amount]) => [name, amount.toString()])),
});

const plainPermission = ({ available, balance, hash, refusal, revoked }: PermissionBudget): JsonObject => ({
  hash,
  refusal,
  revoked,
  available: available.toString(),
  balance: balance.toString(),
});
