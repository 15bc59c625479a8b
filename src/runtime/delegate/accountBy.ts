import { hashTypedData, isErc6492Signature, parseErc6492Signature, size, type Address, type Hex } from "viem";

import { creationOf, requireOrigin, type AccountOrigin } from "../../chain/accountOrigin.ts";
import { isDeployed } from "../../chain/isDeployed.ts";
import { ask } from "../../chain/connectChain.ts";
import { ownerCall } from "../../chain/ownerCall.ts";
import { readAccount, type AccountState } from "../../chain/readAccount.ts";
import { isInstallSigned } from "../../chain/refusesInstall.ts";
import type { AccountDelegation } from "../../core/delegation.ts";
import { BaseError } from "../../core/errors.ts";
import type { TypedData } from "../../core/walletLink.ts";
import {
  delegationOf,
  putDelegation,
  renewDelegation,
  setDelegationState,
} from "../../journal/delegations.ts";
import type { CompiledLimit } from "../../policy/compile.ts";
import { installMessage } from "../../policy/grant.ts";
import { grantJson } from "../../policy/grantJson.ts";
import { decodeCounters } from "../../policy/usage.ts";
import { NotInstallableError } from "../installPolicy.ts";
import type { OwnerSignatures } from "../ownerSignatures.ts";
import type { SignedInstall } from "./accountFolder.ts";
import { answerOf, DelegationError, expirySeconds, hostile, unlessStopped } from "./answers.ts";
import { bring, until } from "./bring.ts";
import { chooseRung } from "./chooseRung.ts";
import { explainAccount } from "./explainAccount.ts";
import { fundAccount, type Funds } from "./fundAccount.ts";
import type { HandOverOptions } from "./handOverOptions.ts";
import { keySignature } from "./keySignature.ts";
import { meetWallet } from "./meetWallet.ts";
import { UnfinishedAccountError, type OwnAccount } from "./ownAccount.ts";
import { requireConnected } from "./requireConnected.ts";

export type AccountOptions = Omit<HandOverOptions, "limit" | "contract" | "terms" | "expected"> & {
  /** Of the payer, from whom the account's address follows: a wallet of any other is sent away. */
  readonly expected: Address;
  readonly account: Address;
  readonly origin: AccountOrigin;
  /** Said beside what the policy says. */
  readonly warnings: readonly string[];
  /** What an earlier hand-over left. */
  readonly signatures: OwnerSignatures;
  /** Writes what the agent needs to run on the account; until then there is nothing to run. */
  readonly write: (installs: readonly SignedInstall[], epoch: number) => Promise<void>;
  readonly funds: readonly Funds[];
};

/**
 * The rung of an account of the payer's own: from a QR code to everything that the agent's first operation brings along. Nothing is
 * on the chain before that, unless the payer's wallet is a contract, whose signature no operation can carry: then the purse brings it.
 *
 * @throws DelegationError · NotInstallableError · UnfinishedAccountError where something stands nevertheless · what the link and the chain throw
 */
export async function accountBy(options: AccountOptions): Promise<OwnAccount> {
  const { topic, ...own } = await agree(options);
  // Behind the agreement: whoever does not fund it now has an account all the same, and funds it later.
  try {
    await fundAccount(options, topic, own.origin.owner, own.account, options.funds);
  } catch (error) {
    throw new UnfinishedAccountError(
      `The policy is signed, and not all of the money is at the account: ${shortOf(error)}`,
      own,
      true,
      {
        remedy:
          "The agent can run on the account and pay with whatever is there, and a transfer that the wallet was shown may still come. See what the account holds before you start again: what is missing by then is asked for again. The stop card ends it.",
        cause: error,
      },
    );
  }
  return own;
}

const shortOf = (error: unknown): string => (error instanceof BaseError ? error.shortMessage : String(error));

async function agree(options: AccountOptions): Promise<OwnAccount & { readonly topic: string }> {
  const { account, chain, confirm, journal, link, origin, policy, tell } = options;
  const made = await requireOrigin(chain, account, origin);
  const state = await readAccount(chain, account, policy, origin);
  const missing = missingInstalls(options, state);
  const byContract = await isContract(options);
  if (byContract && missing.length > 0 && !options.purse)
    throw new DelegationError("The payer's wallet is a contract, whose signature no operation can carry.", {
      remedy:
        'Let a purse make the account and bring it: "bundler": { "kind": "own", … } in the configuration. Nothing was asked of the wallet.',
      facts: { payer: origin.owner },
    });
  const { session } = await meetWallet(options);
  const { topic } = session;
  let delegations: readonly AccountDelegation[] = [];
  let brought = false;
  try {
    const { rung, why } = chooseRung(session, { beyondTokens: true, managers: [] });
    tell({ kind: "rung", rung, why });
    tell({ kind: "account", account, owner: origin.owner, salt: origin.salt, made });
    const kept = byContract ? {} : await keptSignatures(options, missing, state);
    const asked = missing.filter(({ policyId }) => kept[policyId] === undefined);
    if (asked.length > 0) {
      tell({
        kind: "terms",
        sentences: [...options.warnings, ...explainAccount(policy, account, origin, made, asked.length)],
        hashes: asked.map((limit) => ({ asset: limit.token.symbol, hash: digestOf(options, limit, state) })),
      });
      if (!(await confirm("grant", "Ask the wallet to sign this?")))
        throw new DelegationError("Nothing was asked of the wallet.", {
          remedy: "Start again when it is right.",
        });
    }
    delegations = policy.limits.map((limit) => limitDelegation(options, limit, state, topic, why));
    for (const delegation of delegations)
      if (!delegationOf(journal, delegation.id)) putDelegation(journal, delegation);
    const installs: SignedInstall[] = [];
    for (const limit of missing) {
      const { policyId, token } = limit;
      const signature = kept[policyId] ?? (await askInstall(options, topic, limit, state, byContract));
      if (!byContract) {
        installs.push({ asset: token.symbol, policyId, signature });
        continue;
      }
      await makeAccount(options);
      // From here on the limit may come into force whatever happens here.
      brought = true;
      await bringInstall(options, limit, signature);
    }
    await requireConnected(link, topic, { chainId: chain.chainId, address: origin.owner });
    await options.write(installs, state.epoch);
    // Not before: whoever is declined here goes on by the session that there was.
    for (const delegation of delegations) {
      renewDelegation(journal, delegation);
      setDelegationState(journal, delegation.id, "inForce");
    }
    return { account, origin, made: await isDeployed(chain, account), delegations, topic };
  } catch (error) {
    await link.disconnect(topic).catch(() => undefined);
    if (!brought) throw error;
    throw new UnfinishedAccountError(
      `The hand-over did not end, and a limit may have been brought to the chain: ${shortOf(error)}`,
      { account, origin, made, delegations },
      false,
      {
        remedy:
          "See which limits are granted (bursar delegations). Nothing here runs on the account, and yet the agent's key can spend under those. Start again, or end them by the stop card.",
        cause: error,
      },
    );
  }
}

/** Of the signatures that an earlier hand-over left those that are good still: nothing is asked twice. */
async function keptSignatures(
  { account, chain, origin, signatures }: AccountOptions,
  missing: readonly CompiledLimit[],
  { epoch }: AccountState,
): Promise<OwnerSignatures> {
  const kept: Record<Hex, Hex> = {};
  for (const limit of missing) {
    const signature = signatures[limit.policyId];
    if (signature && (await isInstallSigned(chain.chainId, account, limit, epoch, signature, origin.owner)))
      kept[limit.policyId] = signature;
  }
  return kept;
}

/**
 * The limits that are not in force yet. What the payer revoked stays so, and what he left is not touched by that.
 *
 * @throws NotInstallableError where he revoked all of it
 */
function missingInstalls({ account, policy }: AccountOptions, state: AccountState): readonly CompiledLimit[] {
  const standing = policy.limits.map((limit, index) => {
    const { epoch, status } = decodeCounters(state.limits[index]!.countersWord);
    const isLive = status === "granted" && epoch === state.epoch;
    return { limit, is: status === "unknown" ? "missing" : isLive ? "live" : "revoked" } as const;
  });
  if (standing.every(({ is }) => is === "revoked"))
    throw new NotInstallableError(
      "The payer has revoked every limit of that account, and the agent can't bring one back.",
      {
        remedy: "Write another `salt` in the policy, and start again: that makes another account.",
        facts: { account },
      },
    );
  return standing.filter(({ is }) => is === "missing").map(({ limit }) => limit);
}

/** Is the payer a contract? One that a key delegates to (EIP-7702) signs by that key all the same. */
async function isContract({ chain, origin }: AccountOptions): Promise<boolean> {
  const code = await ask(chain, () => chain.client.getCode({ address: origin.owner }));
  return code !== undefined && code !== "0x" && !code.startsWith("0xef0100");
}

type Parts = Pick<AccountOptions, "account" | "chain">;

const messageOf = ({ account, chain }: Parts, { grant }: CompiledLimit, { epoch }: AccountState) =>
  installMessage(chain.chainId, account, grant, epoch);

const digestOf = (parts: Parts, limit: CompiledLimit, state: AccountState): Hex =>
  hashTypedData(messageOf(parts, limit, state));

async function askInstall(
  options: AccountOptions,
  topic: string,
  limit: CompiledLimit,
  state: AccountState,
  byContract: boolean,
): Promise<Hex> {
  const { account, chain, link, origin, signal, tell } = options;
  const { owner } = origin;
  const message = messageOf(options, limit, state);
  const hash = hashTypedData(message);
  const typedData: TypedData = {
    ...message,
    message: { grant: grantJson(limit.grant), epoch: state.epoch.toString() },
  };
  tell({ kind: "asked", what: "policy", hash, words: limit.token.symbol });
  const answer = answerOf(
    await unlessStopped(
      signal,
      link.requestTypedData(topic, owner, typedData, {
        id: `install:${topic.slice(0, 32)}:${hash}`,
        expirySeconds,
      }),
    ),
    "sign the policy",
  );
  const signature = await keySignature(owner, hash, answer);
  if (byContract) {
    if (!(await ask(chain, () => chain.client.verifyTypedData({ address: owner, ...message, signature }))))
      throw hostile("The policy is not signed by the account of the session.");
    return isErc6492Signature(signature) ? parseErc6492Signature(signature).signature : signature;
  }
  if (isErc6492Signature(signature))
    throw new DelegationError("The payer's wallet is a contract that is not deployed yet.", {
      remedy: "He deploys it first, by any transaction of it; then start again.",
      facts: { payer: owner },
    });
  // The form counts as much as the signer: an operation carries these very bytes, and the account takes no other form.
  if (
    size(signature) !== 65 ||
    !(await isInstallSigned(chain.chainId, account, limit, state.epoch, signature, owner))
  )
    throw hostile("The policy is not signed by the key of the account of the session.");
  return signature;
}

async function makeAccount(options: AccountOptions): Promise<void> {
  const { account, chain, origin } = options;
  if (await isDeployed(chain, account)) return;
  const { factory, factoryData } = creationOf(origin);
  await bring(options, "account", { to: factory, valueWei: 0n, data: factoryData });
}

/** Has the purse bring a contract's signature, and looks on the chain whether it is in force. */
async function bringInstall(
  options: AccountOptions,
  { grant, policyId }: CompiledLimit,
  signature: Hex,
): Promise<void> {
  const { account, chain, origin, policy } = options;
  await bring(options, "grant", ownerCall(account, "grantBySignature", [grant, signature]));
  const index = policy.limits.findIndex((limit) => limit.policyId === policyId);
  await until(options, "the policy to be in force", async () => {
    const { limits } = await readAccount(chain, account, policy, origin);
    return decodeCounters(limits[index]!.countersWord).status === "granted";
  });
}

function limitDelegation(
  { account, agent, chain, origin }: AccountOptions,
  { grant, policyId, token }: CompiledLimit,
  { epoch }: AccountState,
  topic: string,
  why: string,
): AccountDelegation {
  const lower = (address: Address): Address => address.toLowerCase() as Address;
  return {
    id: policyId,
    agent: agent.name,
    rung: "account",
    why,
    chainId: chain.chainId,
    contract: lower(account),
    account: lower(origin.owner),
    token: { ...token, address: lower(token.address) },
    grant: { ...grantJson(grant), epoch: epoch.toString() },
    salt: origin.salt,
    topic,
  };
}
