import { encodeFunctionData, erc20Abi, type Address, type Hex, type TypedDataDefinition } from "viem";

import { spendGrantAbi } from "../../chain/abi/spendGrant.ts";
import { ask, newestBlock } from "../../chain/connectChain.ts";
import { readGrantBudget } from "../../chain/readGrantBudget.ts";
import type { AllowanceSource, GrantDelegation } from "../../core/delegation.ts";
import { BaseError } from "../../core/errors.ts";
import type { TypedData, WalletAccount } from "../../core/walletLink.ts";
import { putDelegation, setDelegationState } from "../../journal/delegations.ts";
import { composeGrant } from "../../policy/composeGrant.ts";
import { explainSpendGrant } from "../../policy/explainSpendGrant.ts";
import {
  spendGrantArgument,
  spendGrantDomain,
  spendGrantHash,
  spendGrantTypes,
  type SpendGrant,
} from "../../policy/spendGrant.ts";
import { spendGrantJson } from "../../policy/spendGrantJson.ts";
import { answerOf, DelegationError, expirySeconds, hostile, unlessStopped } from "./answers.ts";
import { bring, until } from "./bring.ts";
import type { HandOverOptions } from "./handOverOptions.ts";
import { keySignature } from "./keySignature.ts";
import { permitOf, type Permit } from "./permit.ts";
import { permit2Of } from "./permit2.ts";
import { requireConnected } from "./requireConnected.ts";

type GrantOptions = HandOverOptions & {
  /** The SpendGrant contract. */
  readonly contract: Address;
};

/**
 * The rung of a signed grant: explained, signed, brought to the chain, and looked for there.
 *
 * @throws DelegationError · GrantTermsError · what the link and the chain throw
 */
export async function grantBy(
  options: GrantOptions,
  topic: string,
  account: Address,
  why: string,
): Promise<GrantDelegation> {
  const { agent, chain, confirm, contract, journal, limit, link, policy, signal, tell, terms } = options;
  const [{ timestamp }, epoch] = await Promise.all([
    newestBlock(chain),
    ask(chain, () =>
      chain.client.readContract({
        address: contract,
        abi: spendGrantAbi,
        functionName: "epochOf",
        args: [account],
      }),
    ),
  ]);
  const grant = composeGrant({
    ...terms,
    contract,
    account,
    agent: agent.account,
    agentKey: agent.key,
    limit,
    policy,
    at: Number(timestamp),
    epoch,
    salt: options.randomSecret(),
  });
  const hash = spendGrantHash(grant, chain.chainId, contract);
  const sentences = explainSpendGrant(grant, { token: limit.token, known: policy.payees }).map(
    ({ words }) => words,
  );
  tell({ kind: "explained", sentences, hash });
  if (!(await confirm("grant", "Ask the wallet to sign this?")))
    throw new DelegationError("Nothing was asked of the wallet.", {
      remedy: "Start again when it is right.",
    });
  const delegation: GrantDelegation = {
    id: hash,
    agent: agent.name,
    rung: "spendGrant",
    why,
    chainId: chain.chainId,
    contract: lower(contract),
    account: lower(account),
    token: { ...limit.token, address: lower(limit.token.address) },
    grant: spendGrantJson(grant),
    source: "token",
    topic,
  };
  putDelegation(journal, delegation);
  let { source } = delegation;
  let brought = false;
  try {
    tell({ kind: "asked", what: "grant", hash });
    const answer = answerOf(
      await unlessStopped(
        signal,
        link.requestTypedData(topic, account, typedDataOf(grant, chain.chainId, contract), {
          id: `grant:${hash}`,
          expirySeconds,
        }),
      ),
      "sign the grant",
    );
    const signature = await keySignature(account, hash, answer);
    const message = grantMessage(grant, chain.chainId, contract);
    if (!(await ask(chain, () => chain.client.verifyTypedData({ address: account, ...message, signature }))))
      throw hostile("The grant is not signed by the account of the session.");
    source = await allow(options, topic, grant);
    // From here on it may come into force whatever happens here, by whoever has the bytes.
    brought = true;
    await bring(options, "grant", {
      to: contract,
      valueWei: 0n,
      data: encodeFunctionData({
        abi: spendGrantAbi,
        functionName: "approveBySignature",
        args: [spendGrantArgument(grant), signature],
      }),
    });
    await until(
      options,
      "the grant to be in force",
      async () => (await budgetOf(options, grant, source)).status === "granted",
    );
    // Not before the chain says so: the grant is known there, and the allowance covers all of it.
    const { allowance } = await budgetOf(options, grant, source);
    if (allowance < grant.total)
      throw new DelegationError("The payer allows less than the grant's total.", {
        remedy: "Have him allow it, then start again.",
      });
    await requireConnected(link, topic, { chainId: chain.chainId, address: account });
  } catch (error) {
    setDelegationState(journal, hash, brought ? "paused" : "ended");
    if (!brought) throw error;
    throw new DelegationError(
      `The hand-over did not end, and the grant may have been brought to the chain: ${error instanceof BaseError ? error.shortMessage : String(error)}`,
      {
        remedy: `The agent leaves it alone. See whether it is in force (bursar delegations), and end it: bursar delegations revoke ${hash.slice(0, 12)}.`,
        facts: { grant: hash },
        cause: error,
      },
    );
  }
  setDelegationState(journal, hash, "inForce", source);
  const standing: GrantDelegation = { ...delegation, source };
  tell({ kind: "inForce", delegation: standing });
  return standing;
}

const lower = (address: Address): Address => address.toLowerCase() as Address;

async function budgetOf({ chain, contract }: GrantOptions, grant: SpendGrant, source: AllowanceSource) {
  const { number } = await newestBlock(chain);
  return readGrantBudget(chain, contract, grant, source, number);
}

/**
 * Sees to it that the contract may pull as much as the grant's total, by the way that asks least of the payer: what is there already; a
 * signature, by the token (EIP-2612) or by Permit2; a transaction.
 *
 * @returns which of his allowances it is
 */
async function allow(options: GrantOptions, topic: string, grant: SpendGrant): Promise<AllowanceSource> {
  const { chain, contract, link, signal, tell } = options;
  const { account, token, total, validUntil } = grant;
  const enoughBy = async (source: AllowanceSource) =>
    (await budgetOf(options, grant, source)).allowance >= total;
  if (await enoughBy("token")) return "token";
  const wanted = { token, owner: account, spender: contract, value: total };
  const byToken = await permitOf(chain, wanted);
  const permit = byToken ?? (await permit2Of(chain, { ...wanted, validUntil }));
  if (permit) {
    const source = byToken ? "token" : "permit2";
    const signature = await askPermit(options, topic, account, permit);
    await bring(options, "permit", permit.call(signature));
    await until(options, "the permit to be brought", () => enoughBy(source));
    return source;
  }
  tell({ kind: "asked", what: "allowance" });
  const data = encodeFunctionData({ abi: erc20Abi, functionName: "approve", args: [contract, total] });
  const from: WalletAccount = { chainId: chain.chainId, address: account };
  answerOf(
    await unlessStopped(
      signal,
      link.send(topic, from, { to: token, data }, { id: `allow:${contract}:${grant.salt}`, expirySeconds }),
    ),
    "allow the contract to pull",
  );
  // The hash that it answered says nothing: the allowance does.
  await until(options, "the allowance to be on the chain", () => enoughBy("token"));
  return "token";
}

async function askPermit(
  { chain, link, signal, tell }: GrantOptions,
  topic: string,
  account: Address,
  permit: Permit,
): Promise<Hex> {
  tell({ kind: "asked", what: "permit", hash: permit.hash });
  const answer = answerOf(
    await unlessStopped(
      signal,
      link.requestTypedData(topic, account, permit.typedData, {
        id: `permit:${permit.hash}`,
        expirySeconds,
      }),
    ),
    "sign the permit",
  );
  const signature = await keySignature(account, permit.hash, answer);
  const message = permit.message as TypedDataDefinition;
  if (!(await ask(chain, () => chain.client.verifyTypedData({ address: account, ...message, signature }))))
    throw hostile("The permit is not signed by the account of the session.");
  return signature;
}

export const grantMessage = (grant: SpendGrant, chainId: number, contract: Address) =>
  ({
    domain: spendGrantDomain(chainId, contract),
    types: spendGrantTypes,
    primaryType: "AgentSpendGrant",
    message: grant,
  }) as const;

/** The same as wallets take it. */
const typedDataOf = (grant: SpendGrant, chainId: number, contract: Address): TypedData => ({
  ...grantMessage(grant, chainId, contract),
  message: spendGrantJson(grant),
});
