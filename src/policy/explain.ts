import { zeroAddress } from "viem";

import type { CompiledCall } from "./call.ts";
import type { CompiledLimit, CompiledPolicy } from "./compile.ts";
import { bucketsPerWindow } from "./grant.ts";
import { nativeToken, showUnits, type Named } from "./registry.ts";
import { lengthInWords } from "./time.ts";
import { leavesAllowances, worstCase } from "./worstCase.ts";

/** One sentence that a person signs under. `advisory`: the runtime follows it, and a stolen key is not stopped by it. */
export type Sentence = { readonly enforcedBy: "chain" | "advisory"; readonly words: string };

const list = (entries: readonly Named[]) =>
  entries.map(({ name, address }) => `${name} (${address})`).join(", ");

/** The compiled policy in sentences: what the chain enforces first, then what is only advisory. */
export function explainPolicy(policy: CompiledPolicy): readonly Sentence[] {
  const who = policy.agent === zeroAddress ? "The agent" : `The agent ${policy.agent}`;
  const chain = [
    ...(policy.watchOnly
      ? [`${who} may pay nothing: it watches, decides and logs.`]
      : policy.limits.flatMap((limit) => limitSentences(who, limit, policy))),
    ...gasSentences(policy),
    ...payeeSentences(policy),
    ...ownerSentences(policy),
    "Everything else is refused by the chain, and so is any operation without a decision commitment.",
    lossSentence(policy),
    ...worstCase(policy).notes,
  ];
  const senders = policy.payees.filter((payee) => payee.senders.length > 0);
  const mail = { ask: "is asked about", deny: "is refused", allow: "may be paid" }[
    policy.unauthenticatedMail
  ];
  return [
    ...chain.map((words): Sentence => ({ enforcedBy: "chain", words })),
    {
      enforcedBy: "advisory",
      words: `Advisory (enforced by the runtime, not by the chain): a bill from an unauthenticated sender ${mail}; one bill is never paid twice.`,
    },
    ...senders.map(({ name, senders: domains }): Sentence => ({
      enforcedBy: "advisory",
      words: `Advisory: a bill for ${name} that does not come from ${domains.join(" or ")} is asked about.`,
    })),
  ];
}

function limitSentences(who: string, limit: CompiledLimit, policy: CompiledPolicy): readonly string[] {
  const { token, grant, units, functions, calls } = limit;
  const { ceiling, operations, operationsPerWindow } = grant.extras;
  const show = (amount: bigint) => showUnits(amount, token);
  const window = `in any ${lengthInWords(grant.bucket * bucketsPerWindow)}`;
  const asset =
    token === nativeToken ? "the native coin" : `the token at ${token.address}, ${token.decimals} decimals`;
  return [
    `${who} may pay at most ${show(grant.perCall)} at a time, ${show(grant.perWindow)} ${window}, ${show(grant.lifetime)} in all; ${token.symbol} is ${asset}. Amounts are counted in steps of ${show(10n ** BigInt(units.exponent))}, rounded up.`,
    ...(ceiling > 0n
      ? [
          `With the co-signature of any one of ${list(policy.approvers)} it may pay up to ${show(ceiling)} at a time; window and lifetime hold all the same.`,
        ]
      : []),
    ...(operationsPerWindow > 0n
      ? [`It may send at most ${operationsPerWindow} operations that move or call anything ${window}.`]
      : []),
    ...(operations > 0n
      ? [`It may send at most ${operations} operations that move or call anything in all.`]
      : []),
    ...(functions.length > 0
      ? [
          `It may also use ${functions.join(", ")} of ${token.symbol}, for its payees only; the amount counts as spent.`,
        ]
      : []),
    ...calls.map((call) => callSentence(call, limit)),
  ];
}

function callSentence(call: CompiledCall, { token }: CompiledLimit): string {
  const conditions = call.conditions.map(({ words }) => words);
  const counted = [
    ...(call.spends === null ? [] : [call.spends]),
    ...(token === nativeToken ? ["the coin sent along"] : []),
  ];
  return [
    `It may call ${call.signature.name} of ${call.to} (${call.rule.target})`,
    conditions.length > 0 ? ` if ${conditions.join(", ")}` : " with any arguments",
    `; ${counted.length > 0 ? `${counted.join(" and ")} ${counted.length > 1 ? "count" : "counts"} as spent ${token.symbol}` : `the call itself counts no ${token.symbol}`}.`,
  ].join("");
}

function gasSentences({ limits }: CompiledPolicy): readonly string[] {
  const { grant } = limits[0]!;
  const { paymaster, heartbeat } = grant.extras;
  const each = limits.length > 1 ? ` for each of its ${limits.length} limits` : " in all";
  return [
    `It may spend at most ${showUnits(grant.feeCap, nativeToken)} on gas per operation and ${showUnits(grant.gasBudget, nativeToken)}${each}.`,
    ...(paymaster === zeroAddress
      ? []
      : [`The paymaster ${paymaster} may sponsor its operations; those touch neither of the two.`]),
    `It may do so until ${new Date(Number(grant.expiry) * 1000).toISOString()}.`,
    ...(heartbeat > 0n
      ? [`It stops ${lengthInWords(heartbeat)} after the owner's last heartbeat, until the next one.`]
      : []),
  ];
}

function payeeSentences(policy: CompiledPolicy): readonly string[] {
  if (policy.watchOnly) return [];
  if (policy.payees.length === 0) return ["It may pay nobody."];
  const allowances = policy.limits.some(leavesAllowances);
  return [
    `It may pay${allowances ? ", or approve," : ""} only: ${list(policy.payees)}.`,
    ...policy.payees
      .filter(({ purse }) => purse)
      .map(
        ({ name }) =>
          `${name} is a plain key of the agent: a top-up counts as spent, and nothing limits what the agent does with it.`,
      ),
    ...policy.payees
      .filter(({ contract }) => contract)
      .map(({ name }) => `${name} is a contract: what becomes of money paid to it is its code's to say.`),
  ];
}

function ownerSentences({ guardians, accountCaps }: CompiledPolicy): readonly string[] {
  return [
    ...(guardians.length > 0
      ? [
          `Once the owner has named them on the account, any of ${list(guardians)} may freeze it; only the owner unfreezes.`,
        ]
      : []),
    ...accountCaps.map(
      ({ token, perWindow, bucket }) =>
        `Once the owner has set it on the account, all its agents together may spend at most ${showUnits(perWindow, token)} in any ${lengthInWords(bucket * bucketsPerWindow)}.`,
    ),
  ];
}

function lossSentence(policy: CompiledPolicy): string {
  const { assets, gas } = worstCase(policy);
  const parts = assets.map(
    ({ words }) => `${words.lifetime} in all (${[...new Set([words.window, words.perDay])].join(", ")})`,
  );
  return `The most that can be lost: ${[...parts, `${gas.words.lifetime} of gas`].join("; ")}.`;
}
