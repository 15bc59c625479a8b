import { hexToBigInt, type Address, type Hex } from "viem";

import type { Action } from "../../core/action.ts";
import { canonicalize } from "../../core/canonical.ts";
import { BaseError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import type { Observation } from "../../core/observation.ts";
import type { Verdict } from "../../core/verdict.ts";
import { creationOf } from "../../chain/accountOrigin.ts";
import { isDeployed } from "../../chain/isDeployed.ts";
import { ask, finalBlock } from "../../chain/connectChain.ts";
import { ChainRefusalError, PaymasterError, type Refusal } from "../../chain/errors.ts";
import { signOperation, type SponsorDesk } from "../../chain/signOperation.ts";
import { isCancelled } from "../../journal/cancels.ts";
import { knowsOperation, putOperation } from "../../journal/operations.ts";
import { proveCalls } from "../../policy/proveCalls.ts";
import { agreementOn } from "../asking.ts";
import { claimAt } from "../claim.ts";
import { hasParted } from "../hasParted.ts";
import { allowedDeed, type Deed } from "../deed.ts";
import type { House, Step, StepContext, StepResult } from "../house.ts";
import { laneName, requireFreeLane } from "../lane.ts";
import { isSponsored, ownerSignatureIn } from "./judge.ts";
import { callFields, type Sealed } from "./seal.ts";

/** The policy, the account or the key is not the one any more under which a decision was sealed. */
export class PolicyChangedError extends BaseError {
  override readonly name = "PolicyChangedError";
  constructor(decision: string) {
    super("What was decided is not what the policy makes of it by now.", {
      remedy:
        "Nothing more is signed for it. Bring back the policy, account and key that it was decided under until it is finished, or give it up with `bursar cancel`: its bill is decided again only when it comes again.",
      facts: { decision },
      retry: "ask",
    });
  }
}

/** Somebody made the account while its first operation was prepared: the next one does not make it. */
export class AccountMadeError extends BaseError {
  override readonly name = "AccountMadeError";
  constructor(account: Address) {
    super("Somebody else made the account just now.", {
      remedy: "Nothing is lost by it, and it is its owner's all the same: the operation is prepared anew.",
      facts: { account },
      retry: "safe",
    });
  }
}

/** What has to come first where the account is not there yet. */
const deploymentOf = async ({ account, chain, origin }: House) =>
  origin && !(await isDeployed(chain, account)) ? creationOf(origin) : undefined;

/**
 * Step 6, first half. Calls + leaf → a complete signed operation, committed to the journal before its first byte
 * leaves. Cut off before the commit, it is signed anew: nobody has seen the other one.
 */
export const sign: Step = {
  when: "later",
  turn: "first",
  async run(context) {
    const { decision, house } = context;
    await house.listen?.();
    if (isCancelled(house.journal, decision)) return refused(cancelled, "operator");
    if (hasParted(context)) return refused(parted, "payer");
    const observation = context.output("observe") as unknown as Observation;
    const sealed = context.output("seal") as unknown as Sealed;
    const block = await ask(house.chain, () => house.chain.client.getBlock({ blockTag: "latest" }));
    // A reorg may put the operation into a lower block than today's head, never into one below a final block.
    const final = await finalBlock(house.chain);
    const claim = claimAt(Number(block.timestamp));
    const deployment = await deploymentOf(house);
    try {
      const operation = await signOperation({
        ...signingOf(context),
        ...(deployment ? { deployment } : {}),
        // The record names this nonce; the lane's next one is the same, because a lane has one operation at a time.
        nonce: hexToBigInt(observation.facts["account.nonce"]!.value as Hex),
        commitment: {
          validAfter: Number(claim.validAfter),
          validUntil: Number(claim.validUntil),
          treeSize: sealed.treeSize,
          treeRoot: sealed.treeRoot,
        },
        bundler: house.bundler,
      });
      return {
        value: {
          operation: operation as unknown as JsonObject,
          fromBlock: (final.number < 0n ? 0n : final.number).toString(),
          fromHash: final.hash,
        },
        entry: {
          kind: "signed",
          body: {
            userOpHash: operation.userOpHash,
            nonce: operation.userOp.nonce,
            validUntil: operation.validUntil,
          },
        },
        rows() {
          requireFreeLane(house);
          putOperation(house.journal, decision, laneName(house), operation);
        },
      };
    } catch (error) {
      // The chain refuses already in the simulation: nothing was signed, nothing is sent.
      if (!(error instanceof ChainRefusalError)) throw error;
      // Whoever made the account meanwhile has refused nothing.
      if (deployment && (await isDeployed(house.chain, house.account)))
        throw new AccountMadeError(house.account);
      return refused(error.refusal, "chain");
    }
  },
};

const cancelled: Refusal = {
  code: null,
  error: "Cancelled()",
  words: "The operator cancelled it before it was signed.",
};

const parted: Refusal = {
  code: null,
  error: "Parted()",
  words: "Whoever delegated parted before it was signed.",
};

const refused = ({ code, error, words }: Refusal, by: "chain" | "operator" | "payer"): StepResult => ({
  value: { refusal: { code, error, words, ...(by === "chain" ? {} : { by }) } },
  signal: { next: "end", outcome: "refused" },
  entry: { kind: "refused", body: { by, error, words } },
});

function sponsorDesk({ chain, paymaster }: House): SponsorDesk {
  if (paymaster) return { chain, service: paymaster };
  throw new PaymasterError(
    "of an earlier configuration",
    "was to pay for this decision, and is not in the configuration any more",
    "no paymaster is configured",
    "Bring it back until the decision is finished.",
  );
}

/** Does the sealed record say the same? What was decided under one policy is never carried out under another. */
function isSealed(house: House, { fields }: Sealed, { calls, limit }: Deed): boolean {
  const now = {
    "header.account": house.account.toLowerCase(),
    "header.agent": house.policy.agent.toLowerCase(),
    "policy.policyId": limit.policyId,
    "execution.calls": callFields(calls),
  } as const;
  return Object.entries(now).every(
    ([path, value]) => canonicalize(fields[path] ?? null) === canonicalize(value),
  );
}

/**
 * What every operation of the decision has: who acts under which limit, what it calls, and why that is allowed.
 *
 * @throws PolicyChangedError
 */
export function signingOf({ decision, house, output }: Pick<StepContext, "decision" | "house" | "output">) {
  const observation = output("observe") as unknown as Observation;
  const deed = allowedDeed(
    house,
    output("parse") as unknown as Action,
    output("judge") as unknown as Verdict,
    observation,
  );
  if (!deed || !isSealed(house, output("seal") as unknown as Sealed, deed))
    throw new PolicyChangedError(decision);
  const { calls, limit } = deed;
  const ownerSignature = ownerSignatureIn(observation, limit);
  const approval = agreementOn(house, deed, observation)?.approval;
  return {
    chainId: house.chain.chainId,
    account: house.account,
    signer: house.signer,
    limit,
    calls,
    proofs: proveCalls(calls, limit, house.policy.payeeTree, house.account),
    ...(isSponsored(observation) ? { sponsor: sponsorDesk(house) } : {}),
    isTaken: (userOpHash: Hex) => knowsOperation(house.journal, userOpHash),
    ...(ownerSignature === undefined ? {} : { ownerSignature }),
    ...(approval ? { approval } : {}),
  };
}
