import {
  isAddressEqual,
  isErc6492Signature,
  parseErc6492Signature,
  zeroAddress,
  type Address,
  type Hex,
} from "viem";

import { readDecimals } from "../chain/readDecimals.ts";
import { otherSymbols } from "../chain/otherSymbols.ts";
import { readGrants, type LiveGrant } from "../chain/readGrants.ts";
import { readOwnership, type Ownership } from "../chain/readOwnership.ts";
import { ownerCall } from "../chain/ownerCall.ts";
import { BaseError } from "../core/errors.ts";
import { compilePolicy, type CompiledLimit, type CompiledPolicy } from "../policy/compile.ts";
import { bucketsPerWindow, installMessage, type Grant } from "../policy/grant.ts";
import { lintPolicy } from "../policy/lint.ts";
import { nativeToken, registryOf, showUnits, type Token } from "../policy/registry.ts";
import type { PolicyDocument } from "../policy/schema.ts";
import { lengthInWords } from "../policy/time.ts";
import type { Counters } from "../policy/usage.ts";
import { requireOwnerKey, type OwnerAction, type OwnerDesk } from "./ownerDesk.ts";

/** A policy that must not be installed as it stands. */
export class NotInstallableError extends BaseError {
  override readonly name = "NotInstallableError";
}

/** A grant that is still to be made, as the owner signs it. */
export type Install = { readonly asset: string; readonly policyId: Hex; readonly grant: Grant };

/** One thing to be done, and what it is: only grants can be signed for somebody else to bring. */
export type InstallAction = OwnerAction & {
  readonly kind: "guardian" | "cap" | "heartbeat" | "revoke" | "replace" | "grant";
};

/** What installing would do, before anything is done. */
export type InstallPlan = {
  readonly policy: CompiledPolicy;
  readonly ownership: Ownership;
  /** In the order in which they are done, what widens last; none: everything is in force already. */
  readonly actions: readonly InstallAction[];
  /** The grants among the actions; `replaces` has none of them, for only the owner itself can replace. */
  readonly installs: readonly Install[];
  /** What is in force already. */
  readonly done: readonly string[];
  /** Other live grants of the same agent: these add up. */
  readonly others: readonly { readonly policyId: Hex; readonly words: string }[];
  readonly warnings: readonly string[];
};

export type InstallRequest = {
  readonly document: PolicyDocument;
  readonly agent: Address;
  /** The document whose grants it takes the place of, counters and all. */
  readonly replaces?: PolicyDocument | undefined;
  /** Unix seconds. */
  readonly now: number;
};

/**
 * Compares a policy with the chain and says what is left to do. Changes nothing.
 *
 * @throws PolicyCompileError when a token has other decimals · NotInstallableError on a lint error or a burned id
 */
export async function planInstall(desk: OwnerDesk, request: InstallRequest): Promise<InstallPlan> {
  const { account, chain } = desk;
  const { agent, document } = request;
  const decimals = await readDecimals(chain, registryOf(document).tokens);
  const policy = compilePolicy(document, agent, decimals);
  refuseLintErrors(request);
  const old = request.replaces ? compilePolicy(request.replaces, agent) : undefined;
  const spenders = [
    ...policy.limits.flatMap(({ calls }) =>
      calls.map(({ rule, to }) => ({ name: to, address: rule.target })),
    ),
    ...policy.payees.filter(({ contract }) => contract),
    ...policy.limits
      .filter(({ grant }) => grant.extras.paymaster !== zeroAddress)
      .map(({ grant }) => ({ name: "paymaster", address: grant.extras.paymaster })),
  ].filter(({ address }, index, all) => all.findIndex((one) => one.address === address) === index);
  const allowances = policy.tokens.flatMap((token) =>
    spenders.map((spender) => ({
      token: token.address,
      spender: spender.address,
      words: { token, spender },
    })),
  );
  const ownership = await readOwnership(chain, account, {
    policyIds: [...policy.limits, ...(old?.limits ?? [])].map(({ policyId }) => policyId),
    guardians: policy.guardians.map(({ address }) => address),
    caps: policy.accountCaps.map(({ token }) => token.address),
    allowances,
  });
  refuseAgent(account, agent, ownership);
  const grants = planGrants(account, policy, old, ownership);
  const settings = planSettings(account, policy, ownership);
  const own = new Set([...policy.limits, ...(old?.limits ?? [])].map(({ policyId }) => policyId));
  const others = (await readGrants(chain, account, agent)).filter(({ policyId }) => !own.has(policyId));
  const misnamed = await otherSymbols(chain, policy.tokens);
  const beat = planHeartbeat(account, policy, ownership, grants.actions.length > 0);
  return {
    policy,
    ownership,
    // A grant that is in force before its cap is not capped, if what comes after it fails.
    actions: [...settings.actions, ...beat, ...grants.actions],
    installs: grants.installs,
    done: [...grants.done, ...settings.done],
    others: others.map(({ grant, policyId }) => ({
      policyId,
      words: grantInWords({ grant, policyId }, policy),
    })),
    warnings: [
      ...ownRoles(policy),
      ...misnamed.map(
        ({ says, token }) =>
          // The token's own words are the token's to choose: no more of them than a symbol has.
          `The policy calls the token at ${token.address} ${token.symbol}; the token calls itself ${JSON.stringify(says.slice(0, 32))}.`,
      ),
      ...(ownership.frozen ? ["The account is frozen: no agent may act until the owner unfreezes it."] : []),
      ...allowances.flatMap(({ words: { spender, token } }, index) => {
        const units = ownership.allowances[index]!;
        return units === 0n
          ? []
          : [
              `${spender.name} may take ${units >= 1n << 255n ? `all ${token.symbol}` : showUnits(units, token)} of the account already: no limit of the policy counts that. Set the allowance to zero first if that is not meant.`,
            ];
      }),
    ],
  };
}

export function refuseLintErrors({ agent, document, now }: InstallRequest): void {
  const errors = lintPolicy(document, { now, agent }).filter(({ severity }) => severity === "error");
  const [first] = errors;
  if (first)
    throw new NotInstallableError(
      errors.length === 1 ? first.words : `The policy has ${errors.length} dangerous combinations.`,
      {
        remedy: `${errors.length === 1 ? first.remedy : "Correct each of them."} \`bursar policy lint\` shows where it stands.`,
        facts: Object.fromEntries(
          errors.map(({ code, path, remedy, words }) => [
            `${code} (${path.join(".")})`,
            `${words} ${remedy}`,
          ]),
        ),
      },
    );
}

/** A key that may do everything, or that stands for the account, is no agent's. */
function refuseAgent(account: Address, agent: Address, { owner }: Ownership): void {
  const whose = isAddressEqual(agent, owner)
    ? "is the account's owner"
    : isAddressEqual(agent, account)
      ? "is the account itself"
      : undefined;
  if (whose !== undefined)
    throw new NotInstallableError(`The agent ${agent} ${whose}: no policy would bound it.`, {
      remedy: "Make the agent a key of its own: bursar keystore new agent.json; then name its address.",
      facts: { agent },
    });
}

/** What the agent's key is beside the agent's. An approver it can't be: `lint` says error. */
const ownRoles = ({ agent, guardians }: CompiledPolicy): readonly string[] =>
  guardians
    .filter(({ address }) => isAddressEqual(address, agent))
    .map(({ name }) => `The agent is the guardian ${name}: whoever has its key can freeze the account.`);

const isLive = (counters: Counters | undefined, { epoch }: Ownership): boolean =>
  counters?.status === "granted" && counters.epoch === epoch;

function planGrants(
  account: Address,
  policy: CompiledPolicy,
  old: CompiledPolicy | undefined,
  ownership: Ownership,
): {
  readonly actions: readonly InstallAction[];
  readonly installs: readonly Install[];
  readonly done: readonly string[];
} {
  const actions: InstallAction[] = [];
  const installs: Install[] = [];
  const done: string[] = [];
  const stateOf = (index: number) => ownership.counters[index];
  const before = (old?.limits ?? []).map((limit, index) => ({
    limit,
    counters: stateOf(policy.limits.length + index),
  }));
  for (const [index, limit] of policy.limits.entries()) {
    const counters = stateOf(index);
    const { grant, policyId, token } = limit;
    if (counters?.status === "revoked") throw burned(limit);
    if (isLive(counters, ownership)) {
      done.push(`The ${token.symbol} limit is in force (${policyId}).`);
      continue;
    }
    const previous = before.find(({ limit: one }) => isAddressEqual(one.grant.asset, grant.asset));
    if (previous?.counters?.status === "granted" && previous.limit.policyId !== policyId) {
      if (counters?.status === "granted")
        throw new NotInstallableError(
          `The ${token.symbol} limit was granted before, so it has counters of its own and can't take over others.`,
          { remedy: "Write another `salt` in the new policy.", facts: { policyId } },
        );
      actions.push({
        kind: "replace",
        words: `replace the ${token.symbol} limit; what was spent so far counts on`,
        call: ownerCall(account, "replace", [previous.limit.grant, grant]),
      });
      continue;
    }
    installs.push({ asset: token.symbol, policyId, grant });
    actions.push({
      kind: "grant",
      words: `grant the ${token.symbol} limit`,
      call: ownerCall(account, "grant", [grant]),
    });
  }
  for (const { counters, limit } of before)
    if (
      isLive(counters, ownership) &&
      !policy.limits.some(({ grant }) => isAddressEqual(grant.asset, limit.grant.asset))
    )
      actions.unshift({
        kind: "revoke",
        words: `revoke the ${limit.token.symbol} limit, which the new policy does not have`,
        call: ownerCall(account, "revoke", [limit.policyId]),
      });
  if (old && actions.length > 0 && before.every(({ counters }) => counters?.status !== "granted"))
    throw new NotInstallableError(
      "None of the old policy's grants is in force, so there is nothing to replace.",
      {
        remedy: "Check the old file and --agent, or install without --replace.",
      },
    );
  return { actions, installs, done };
}

const burned = ({ policyId, token }: CompiledLimit) =>
  new NotInstallableError(`The ${token.symbol} limit was revoked, and a revoked limit never comes back.`, {
    remedy: "Write another `salt` in the policy and install it anew.",
    facts: { policyId },
  });

function planSettings(account: Address, policy: CompiledPolicy, ownership: Ownership) {
  const actions: InstallAction[] = [];
  const done: string[] = [];
  for (const [index, { address, name }] of policy.guardians.entries())
    if (ownership.guardians[index]) done.push(`${name} is a guardian.`);
    else
      actions.push({
        kind: "guardian",
        words: `make ${name} (${address}) a guardian`,
        call: ownerCall(account, "setGuardian", [address, true]),
      });
  for (const [index, { bucket, perWindow, token }] of policy.accountCaps.entries()) {
    const cap = ownership.caps[index]!;
    const words = `${showUnits(perWindow, token)} in any ${lengthInWords(bucket * bucketsPerWindow)}`;
    if (cap.perWindow === perWindow && cap.bucket === bucket)
      done.push(`All agents together are capped at ${words}.`);
    else
      actions.push({
        kind: "cap",
        words: `cap all agents of the account together at ${words}`,
        call: ownerCall(account, "setCap", [token.address, perWindow, bucket]),
      });
  }
  return { actions, done };
}

/** The first sign of life belongs to the installation; a later one only when the last is no longer good. */
function planHeartbeat(
  account: Address,
  policy: CompiledPolicy,
  { blockTimestamp, lastHeartbeat }: Ownership,
  granting: boolean,
): readonly InstallAction[] {
  const { heartbeat } = policy.limits[0]!.grant.extras;
  if (heartbeat === 0n || (!granting && lastHeartbeat + heartbeat > blockTimestamp)) return [];
  return [
    {
      kind: "heartbeat",
      words: `give a sign of life, good for ${lengthInWords(heartbeat)}`,
      call: ownerCall(account, "heartbeat"),
    },
  ];
}

/** What another grant lets the agent spend, by the policy's own names where it has them. */
function grantInWords({ grant }: LiveGrant, policy: CompiledPolicy): string {
  const token: Token | undefined =
    policy.tokens.find(({ address }) => isAddressEqual(address, grant.asset)) ??
    (BigInt(grant.asset) === 0n ? nativeToken : undefined);
  const show = (units: bigint) => (token ? showUnits(units, token) : `${units} base units of ${grant.asset}`);
  return `${show(grant.perWindow)} in any ${lengthInWords(grant.bucket * bucketsPerWindow)}, ${show(grant.lifetime)} in all, until ${new Date(Number(grant.expiry) * 1000).toISOString()}`;
}

/** What an owner signs so that a grant can ride in the agent's first operation, or be brought by anybody. */
export const installTypedData = (plan: InstallPlan, chainId: number, account: Address, { grant }: Install) =>
  installMessage(chainId, account, grant, plan.ownership.epoch);

/** The owner's signatures under all grants that are still to be made; no gas, no transaction. */
export function signInstalls(desk: OwnerDesk, plan: InstallPlan): Promise<readonly Hex[]> {
  const key = requireOwnerKey(desk, plan.ownership.owner);
  return Promise.all(
    plan.installs.map((install) =>
      key.signTypedData(installTypedData(plan, desk.chain.chainId, desk.account, install)),
    ),
  );
}

/** What a signature can't do: settings of the account, and whatever takes the place of something. It is the owner's to do. */
export const notBySignature = ({ actions }: InstallPlan): readonly InstallAction[] =>
  actions.filter(({ kind }) => kind !== "grant");

/**
 * The same grants, brought by anybody with the owner's signatures. A signature that is wrapped for a contract that is not
 * deployed yet (ERC-6492) is unwrapped here: the account itself never calls an address that a stranger names.
 *
 * @throws NotInstallableError when the owner contract is not deployed, a signature is missing, or a policy is replaced
 */
export function bringSignatures(
  { account }: OwnerDesk,
  plan: InstallPlan,
  signatures: Readonly<Record<Hex, Hex>>,
): readonly OwnerAction[] {
  const replacing = plan.actions.filter(({ kind }) => kind === "replace" || kind === "revoke");
  if (replacing.length > 0)
    throw new NotInstallableError(
      "Signatures can't replace a policy: they would grant beside what there is.",
      {
        remedy: "Let the owner do it: with --owner-keystore, or with --calldata for its wallet.",
        facts: { replacing: replacing.map(({ words }) => words).join("; ") },
      },
    );
  return plan.installs.map(({ asset, grant, policyId }) => {
    const given = signatures[policyId];
    if (!given)
      throw new NotInstallableError(`The owner's signature under the ${asset} limit is missing.`, {
        remedy: "Sign what --sign-only prints for it, and put it in its `signature`.",
        facts: { policyId },
      });
    const wrapped = isErc6492Signature(given);
    if (wrapped && !plan.ownership.contractOwner)
      throw new NotInstallableError(
        "The owner's signature is wrapped (ERC-6492): its contract is not deployed yet.",
        {
          remedy:
            "Deploy the owner's contract first, with the factory call that the signature names; then bring it again.",
          facts: { owner: plan.ownership.owner, factory: parseErc6492Signature(given).address ?? "" },
        },
      );
    const signature = wrapped ? parseErc6492Signature(given).signature : given;
    return {
      words: `bring the owner's signature under the ${asset} limit`,
      call: ownerCall(account, "grantBySignature", [grant, signature]),
    };
  });
}
