import { concatHex, erc20Abi, isAddressEqual, zeroHash, type Address } from "viem";

import { permissionSpenderAbi } from "../../chain/abi/permissionSpender.ts";
import { ask, newestBlock } from "../../chain/connectChain.ts";
import { delegationHash, delegationsIn } from "../../chain/delegationFramework.ts";
import { create2Deployer, type Deployment } from "../../chain/deploy.ts";
import { isDeployed } from "../../chain/isDeployed.ts";
import { laxEnforcer } from "../../chain/laxEnforcer.ts";
import { permissionSpendSelector } from "../../chain/permissionCall.ts";
import { probePermission } from "../../chain/probePermission.ts";
import { readPermissionBudget } from "../../chain/readPermissionBudget.ts";
import type { GrantDelegation } from "../../core/delegation.ts";
import { BaseError } from "../../core/errors.ts";
import type { PermissionMethod } from "../../core/walletLink.ts";
import { putDelegation, setDelegationState } from "../../journal/delegations.ts";
import { GrantTermsError } from "../../policy/composeGrant.ts";
import { composePermission } from "../../policy/composePermission.ts";
import { explainPermission } from "../../policy/explainPermission.ts";
import { permissionPayees } from "../../policy/permissionPayees.ts";
import { permissionJson, type Permission, type PermissionTerms } from "../../policy/permission.ts";
import { answerOf, DelegationError, expirySeconds, hostile, unlessStopped } from "./answers.ts";
import { bring, until } from "./bring.ts";
import type { HandOverOptions } from "./handOverOptions.ts";
import { permissionRequest } from "./permissionRequest.ts";
import { readPermission } from "./readPermission.ts";
import { requireConnected } from "./requireConnected.ts";
import { requireOnlyRules } from "./requireOnlyRules.ts";

/** The agent's PermissionSpender, and the manager that is trusted to enforce what wallets permit it. */
export type PermissionPlace = { readonly deployment: Deployment; readonly manager: Address };

/**
 * The rung of a wallet's own permission (ERC-7715): explained, permitted, held against what was asked, tried on the chain, and looked for
 * there.
 *
 * @throws DelegationError · GrantTermsError · what the link and the chain throw
 */
export async function permissionBy(
  options: HandOverOptions,
  place: PermissionPlace,
  topic: string,
  account: Address,
  chosen: { readonly method: PermissionMethod; readonly why: string },
): Promise<GrantDelegation> {
  const { agent, chain, confirm, journal, limit, policy, tell } = options;
  if (options.terms.perCall !== undefined)
    throw new GrantTermsError("A wallet's permission says no amount per payment.", {
      remedy: "Leave it out: the agent's policy has one.",
    });
  const { timestamp } = await newestBlock(chain);
  const terms = composePermission({
    ...options.terms,
    account,
    spender: place.deployment.address,
    manager: place.manager,
    limit,
    at: Number(timestamp),
  });
  await requireUsable(options, terms);
  await requireOnlyRules(options);
  const { spender, token } = terms;
  // Nobody is paid out of his own account.
  const payees = permissionPayees(policy, permissionSpendSelector, {
    account: agent.account,
    spender,
    token,
  }).filter(({ address }) => !isAddressEqual(address, account));
  const sentences = explainPermission(terms, agent, { token: limit.token, payees });
  tell({ kind: "explained", sentences: sentences.map(({ words }) => words) });
  if (!(await confirm("grant", "Ask the wallet to permit this?")))
    throw new DelegationError("Nothing was asked of the wallet.", {
      remedy: "Start again when it is right.",
    });
  // First of all: a call of an address without code does nothing, and from the moment that something is signed its payer can end it there.
  await bringSpender(options, place.deployment);
  const permission = await askPermission(options, topic, chosen.method, terms);
  const [signed] = delegationsIn(permission.context)!;
  const delegation: GrantDelegation = {
    id: delegationHash(signed!),
    agent: agent.name,
    rung: "erc7715",
    why: chosen.why,
    chainId: chain.chainId,
    contract: lower(terms.spender),
    account: lower(account),
    token: { ...limit.token, address: lower(limit.token.address) },
    grant: permissionJson(permission),
    source: "token",
    topic,
  };
  putDelegation(journal, delegation);
  try {
    const { number } = await newestBlock(chain);
    const { available, refusal, revoked } = await readPermissionBudget(chain, permission, number);
    if (revoked || refusal !== null || available !== terms.perPeriod)
      throw hostile("The chain does not leave what was permitted: it was revoked, or used before.");
    await requireConnected(options.link, topic, { chainId: chain.chainId, address: account });
  } catch (error) {
    // It is signed, so it stands wherever its bytes are, until the payer ends it.
    setDelegationState(journal, delegation.id, "paused");
    throw new DelegationError(
      `The hand-over did not end, and the wallet has permitted it: ${error instanceof BaseError ? error.shortMessage : String(error)}`,
      {
        remedy: `The agent leaves it alone. End it in the wallet, or: bursar delegations revoke ${delegation.id.slice(0, 12)}.`,
        facts: { permission: delegation.id },
        cause: error,
      },
    );
  }
  setDelegationState(journal, delegation.id, "inForce");
  tell({ kind: "inForce", delegation });
  return delegation;
}

const lower = (address: Address): Address => address.toLowerCase() as Address;

/** Nothing is asked of a wallet that would be worth nothing: the manager is there, and the payer has not ended all for this agent. */
async function requireUsable(
  { chain }: HandOverOptions,
  { account, manager, spender }: PermissionTerms,
): Promise<void> {
  if (!(await isDeployed(chain, manager)))
    throw new DelegationError(`There is no contract at ${manager}, which would enforce permissions.`, {
      remedy: "Name one of this chain in wallets.permissions.managers.",
    });
  if (!(await isDeployed(chain, spender))) return;
  const isOver = await ask(chain, () =>
    chain.client.readContract({
      address: spender,
      abi: permissionSpenderAbi,
      functionName: "isRevoked",
      // No permission has this name: it is over if all are.
      args: [account, zeroHash],
    }),
  );
  if (isOver)
    throw new DelegationError("The payer has ended all permissions of this agent for good, later ones too.", {
      remedy: "Give the agent another key and another policy, or have the payer sign a grant.",
    });
}

/** Asks the wallet, and believes nothing of its answer that it was not asked for, nor anything that the chain denies. */
async function askPermission(
  options: HandOverOptions,
  topic: string,
  method: PermissionMethod,
  terms: PermissionTerms,
): Promise<Permission> {
  const { chain, link, randomSecret, signal, tell } = options;
  const { chainId } = chain;
  tell({ kind: "asked", what: "permission" });
  const outcome = await unlessStopped(
    signal,
    link.requestPermissions(
      topic,
      { chainId, address: terms.account },
      { method, request: permissionRequest(method, terms, chainId) },
      { id: `permission:${randomSecret().slice(2, 34)}`, expirySeconds },
    ),
  );
  const permission = readPermission(answerOf(outcome, "permit it"), terms, chainId);
  if (!(await isDeployed(chain, terms.account)))
    throw new DelegationError("The payer's account obeys no permissions yet: it is a plain key.", {
      remedy: "Upgrade it in the wallet (a smart account), then start again. Nothing is delegated.",
    });
  const balance = await ask(chain, () =>
    chain.client.readContract({
      address: terms.token,
      abi: erc20Abi,
      functionName: "balanceOf",
      args: [terms.account],
    }),
  );
  const within = balance < terms.perPeriod ? balance : terms.perPeriod;
  const refused = await probePermission(chain, permission, within);
  if (refused) throw hostile(`The chain does not take the permission: ${refused.words} (${refused.error}).`);
  const lax = await laxEnforcer(chain, permission);
  if (lax !== undefined) throw hostile(`The contracts that the wallet named would allow ${lax}.`);
  return permission;
}

/** The agent's own contract has to be there; anybody may bring it, and it is worth nothing to anybody else. */
async function bringSpender(options: HandOverOptions, { address, initCode }: Deployment): Promise<void> {
  const { chain } = options;
  if (await isDeployed(chain, address)) return;
  await bring(options, "spender", {
    to: create2Deployer,
    valueWei: 0n,
    data: concatHex([zeroHash, initCode]),
  });
  await until(options, "the agent's contract to be on the chain", () => isDeployed(chain, address));
}
