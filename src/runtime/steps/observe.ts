import { numberToHex } from "viem";

import { consentFact, consentStateFact, type Consent } from "../../core/approval.ts";
import type { JsonObject } from "../../core/json.ts";
import { observationDigest, type Fact, type Observation } from "../../core/observation.ts";
import { memoryFact } from "../../core/memory.ts";
import { memoriesIn } from "../../journal/memories.ts";
import { requireChainId } from "../../chain/connectChain.ts";
import { readAccount } from "../../chain/readAccount.ts";
import { readApproval } from "../../chain/readApproval.ts";
import { refusesInstall } from "../../chain/refusesInstall.ts";
import { decodeCounters } from "../../policy/usage.ts";
import type { Step } from "../house.ts";
import { leftAloneFacts } from "../leftAlone.ts";
import { payerFacts } from "../payerFacts.ts";
import { requireFreeLane, requireOwnLane } from "../lane.ts";

/** Step 1. Trigger → Observation: the mail and the account's state, frozen at one block, each fact with who stands behind it. */
export const observe: Step = {
  when: "later",
  async run({ house, trigger }) {
    const { account, agent, bundler, chain, origin, ownerSignatures, policy } = house;
    requireFreeLane(house);
    await requireChainId(chain);
    const [state, fees] = await Promise.all([
      readAccount(chain, account, policy, origin),
      bundler.gasPrice(),
    ]);
    await requireOwnLane(house, state.nonce);
    const operator = (value: Fact["value"]): Fact => ({ value, provenance: "operator" });
    const onChain = (value: Fact["value"]): Fact => ({ value, provenance: "chain" });
    const facts: Record<string, Fact> = {
      "trigger.kind": operator(trigger.kind),
      "trigger.id": operator(trigger.dedupeId),
      payees: operator(policy.payees.map((payee) => payee.name)),
      "payees.names": operator(Object.fromEntries(policy.payees.map((payee) => [payee.name, payee.names]))),
      "payees.senders": operator(
        Object.fromEntries(policy.payees.map((payee) => [payee.name, payee.senders])),
      ),
      tokens: operator(policy.limits.map((limit) => limit.token.symbol)),
      "account.owner": onChain(state.owner.toLowerCase()),
      "account.frozen": onChain(state.frozen),
      "account.epoch": onChain(state.epoch),
      "account.nonce": onChain(numberToHex(state.nonce)),
      "account.depositWei": onChain(state.depositWei.toString()),
      "account.nativeWei": onChain(state.nativeWei.toString()),
      "account.lastHeartbeat": onChain(Number(state.lastHeartbeat)),
      "gas.maxFeePerGasWei": onChain(fees.maxFeePerGasWei.toString()),
    };
    // The operation makes the account, and pays for that.
    if (!state.made) facts["account.made"] = onChain(false);
    facts["approvals.seconds"] = operator(house.askSeconds);
    // Who pays is decided here, once: a decision is judged, signed and checked by what it was observed with.
    if (house.paymaster) facts["gas.paymaster"] = operator(policy.limits[0]!.grant.extras.paymaster);
    for (const [index, limit] of policy.limits.entries()) {
      const { policyId, token } = limit;
      const { balanceUnits, capWord, countersWord, operationsWord } = state.limits[index]!;
      const word = (value: bigint) => onChain(numberToHex(value, { size: 32 }));
      facts[`limit.${token.symbol}.counters`] = word(countersWord);
      facts[`limit.${token.symbol}.operations`] = word(operationsWord);
      facts[`limit.${token.symbol}.cap`] = word(capWord);
      facts[`limit.${token.symbol}.balanceUnits`] = onChain(balanceUnits.toString());
      const signature = ownerSignatures[policyId];
      if (
        signature !== undefined &&
        decodeCounters(countersWord).status === "unknown" &&
        // One that the account won't take would only hold up the lane until its claim is over.
        (await refusesInstall(chain, account, limit, signature, state)) === null
      )
        facts[`limit.${token.symbol}.ownerSignature`] = operator(signature);
    }
    for (const [name, value] of await payerFacts(house, state)) facts[name] = onChain(value);
    for (const [name, value] of leftAloneFacts(house)) facts[name] = operator(value);
    for (const { name, provenance, value } of memoriesIn(house.journal, agent.name))
      facts[memoryFact(name)] = { value, provenance };
    for (const [name, fact] of Object.entries(factsOf(trigger.payload))) {
      // What came from outside never stands in for what was read from the chain.
      if (name in facts) throw new Error(`A trigger may not carry the fact "${name}".`);
      facts[name] = fact;
    }
    const consent = facts[consentFact]?.value as Consent | undefined;
    if (consent) {
      const { approver, callHash, deadline, nonce, policyId } = consent;
      const name = { approver, policyId, callHash, nonce: BigInt(nonce), deadline: BigInt(deadline) };
      facts[consentStateFact] = onChain(await readApproval(chain, account, name, state.blockNumber));
    }
    const observation: Observation = {
      chainId: chain.chainId,
      blockNumber: state.blockNumber.toString(),
      blockHash: state.blockHash,
      blockTimestamp: Number(state.blockTimestamp),
      facts,
    };
    return {
      value: observation as unknown as JsonObject,
      entry: {
        kind: "observed",
        body: { agent: agent.name, block: observation.blockNumber, digest: observationDigest(observation) },
      },
    };
  },
};

/** What a trigger carries becomes facts: its own `facts`, already marked with their provenance by its source. */
function factsOf(payload: JsonObject): Readonly<Record<string, Fact>> {
  return (payload["facts"] ?? {}) as unknown as Readonly<Record<string, Fact>>;
}
