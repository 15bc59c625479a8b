import { zeroAddress } from "viem";

import { changedNumber, matched, type Change, type Compared, type Effect } from "./change.ts";
import { compilePolicy, type AccountCap, type CompiledLimit, type CompiledPolicy } from "./compile.ts";
import { diffCalls } from "./diffCalls.ts";
import { bucketsPerWindow } from "./grant.ts";
import { nativeToken, showUnits, type Named, type Payee, type Token } from "./registry.ts";
import type { PolicyDocument } from "./schema.ts";
import { lengthInWords } from "./time.ts";

/** What changes from one policy to the other, clause by clause; nothing when they mean the same. */
export function diffPolicies(one: PolicyDocument, other: PolicyDocument): readonly Change[] {
  // Which agent it is changes every id and no clause.
  const before = compilePolicy(one, zeroAddress);
  const after = compilePolicy(other, zeroAddress);
  return [
    ...diffNames(before, after, one, other),
    ...diffPayees(before, after),
    ...matched(ownLimits(before), ownLimits(after), ({ token }) => token.symbol).flatMap(diffLimit),
    ...diffCalls(before, after),
    ...diffApprovers(before, after),
    ...diffShared(before, after),
    ...diffOwnerSettings(before, after),
    ...diffMail(before, after),
  ];
}

const ownLimits = (policy: CompiledPolicy) => (policy.watchOnly ? [] : policy.limits);
const text = (before: string, after: string) => `${before} becomes ${after}.`;

function diffNames(
  before: CompiledPolicy,
  after: CompiledPolicy,
  one: PolicyDocument,
  other: PolicyDocument,
): readonly Change[] {
  const changes: Change[] = [];
  if (before.name !== after.name)
    changes.push({ clause: "policy", effect: "neutral", words: `The name ${text(before.name, after.name)}` });
  if (before.chainId !== after.chainId)
    changes.push(
      { clause: "chain", effect: "narrows", words: `Nothing holds on chain ${before.chainId} any more.` },
      { clause: "chain", effect: "widens", words: `All of it holds on chain ${after.chainId}.` },
    );
  if (one.salt !== other.salt)
    changes.push({
      clause: "salt",
      effect: "neutral",
      words: `The salt ${text(String(one.salt), String(other.salt))} Replace the old grants, or both count for themselves and add up.`,
    });
  return changes;
}

/** Who may be paid, by address: a name alone moves no money. */
function diffPayees(before: CompiledPolicy, after: CompiledPolicy): readonly Change[] {
  return matched(before.payees, after.payees, ({ address }) => address).flatMap(
    ({ before: old, after: recent }) => {
      if (!recent)
        return [
          {
            clause: `payees.${old!.name}`,
            effect: "narrows" as const,
            words: `${old!.name} (${old!.address}) may no longer be paid.`,
          },
        ];
      const clause = `payees.${recent.name}`;
      if (!old)
        return [
          { clause, effect: "widens" as const, words: `${recent.name} (${recent.address}) may be paid.` },
        ];
      const neutral = (words: string): Change => ({ clause, effect: "neutral", words });
      return [
        ...(old.name === recent.name
          ? []
          : [neutral(`The payee ${old.name} is called ${recent.name}; the address is the same.`)]),
        ...(old.purse === recent.purse
          ? []
          : [neutral(`${recent.name} is ${recent.purse ? "" : "no longer "}declared a purse of the agent.`)]),
        ...(old.contract === recent.contract
          ? []
          : [neutral(`${recent.name} is ${recent.contract ? "" : "no longer "}declared a contract.`)]),
        ...advisoryWords(clause, recent, "senders", old),
        ...advisoryWords(clause, recent, "names", old),
      ];
    },
  );
}

function advisoryWords(
  clause: string,
  recent: Payee,
  key: "senders" | "names",
  old: Payee,
): readonly Change[] {
  return matched(old[key], recent[key], (word) => word).flatMap(({ before, after, key: word }) => {
    if (before !== undefined && after !== undefined) return [];
    const does =
      key === "senders"
        ? `may send bills for ${recent.name} without a question`
        : `stands for ${recent.name} in messages`;
    return [
      {
        clause: `${clause}.${key}`,
        effect: after === undefined ? ("narrows" as const) : ("widens" as const),
        words: `Advisory: ${word} ${after === undefined ? "no longer " : ""}${does}.`,
      },
    ];
  });
}

function diffLimit({
  key,
  before,
  after,
}: Compared<CompiledLimit> & { readonly key: string }): readonly Change[] {
  const clause = `limits.${key}`;
  if (!before || !after)
    return [
      after
        ? {
            clause,
            effect: "widens",
            words: `${key} may be paid: up to ${showUnits(after.grant.lifetime, after.token)} in all, with a gas budget of its own.`,
          }
        : { clause, effect: "narrows", words: `${key} may no longer be paid.` },
    ];
  const { show, scale } = finerUnit(before.token, after.token);
  const number = (limit: CompiledLimit, value: bigint) => scale(value, limit.token);
  const amount = (name: string, what: string, of: (limit: CompiledLimit) => bigint) =>
    changedNumber(
      `${clause}.${name}`,
      `${key} ${what}`,
      { before: number(before, of(before)), after: number(after, of(after)) },
      show,
    );
  const length = (limit: CompiledLimit) => limit.grant.bucket * bucketsPerWindow;
  const count = (name: "operations" | "operationsPerWindow", path: string, what: string) =>
    changedNumber(
      `${clause}.operations.${path}`,
      `Operations in ${key} ${what}`,
      { before: before.grant.extras[name] || undefined, after: after.grant.extras[name] || undefined },
      String,
    );
  return [
    ...diffToken(key, before.token, after.token),
    ...amount("perPayment", "at a time", ({ grant }) => grant.perCall),
    ...amount("perWindow", "in a window", ({ grant }) => grant.perWindow),
    // The same cap over a longer time is less.
    ...changedNumber(
      `${clause}.window`,
      `The window of ${key}`,
      { before: length(before), after: length(after) },
      lengthInWords,
      "narrows",
    ),
    ...amount("lifetime", "in all", ({ grant }) => grant.lifetime),
    ...matched(before.functions, after.functions, (name) => name).flatMap((pair): Change[] => {
      if (pair.before && pair.after) return [];
      const effect: Effect = pair.after ? "widens" : "narrows";
      return [
        {
          clause: `${clause}.functions`,
          effect,
          words: `${pair.key} of ${key} is ${pair.after ? "" : "no longer "}allowed.`,
        },
      ];
    }),
    ...count("operationsPerWindow", "perWindow", "in a window"),
    ...count("operations", "lifetime", "in all"),
    ...diffEscalation(clause, key, before, after, number, show),
  ];
}

/** Amounts of a token whose decimals were corrected are compared in the finer unit of the two, so as people wrote them. */
function finerUnit(before: Token, after: Token) {
  const unit: Token = { ...after, decimals: Math.max(before.decimals, after.decimals) };
  return {
    show: (units: bigint) => showUnits(units, unit),
    scale: (units: bigint, token: Token) => units * 10n ** BigInt(unit.decimals - token.decimals),
  };
}

function diffEscalation(
  clause: string,
  key: string,
  before: CompiledLimit,
  after: CompiledLimit,
  number: (limit: CompiledLimit, value: bigint) => bigint,
  show: (units: bigint) => string,
): readonly Change[] {
  const [old, recent] = [
    number(before, before.grant.extras.ceiling),
    number(after, after.grant.extras.ceiling),
  ];
  if (old === recent) return [];
  const say = (units: bigint) => (units === 0n ? "none" : show(units));
  return [
    {
      clause: `${clause}.escalation.upTo`,
      effect: recent > old ? "widens" : "narrows",
      words: `${key} at a time with an approver: ${say(old)} becomes ${say(recent)}.`,
    },
  ];
}

function diffToken(symbol: string, before: Token, after: Token): readonly Change[] {
  const clause = `tokens.${symbol}`;
  const moved: readonly Change[] =
    before.address === after.address
      ? []
      : [
          { clause, effect: "narrows", words: `The token at ${before.address} may no longer be paid.` },
          { clause, effect: "widens", words: `The token at ${after.address} may be paid.` },
        ];
  return [
    ...moved,
    ...changedNumber(
      `${clause}.decimals`,
      `Decimals of ${symbol}, by which every amount is multiplied`,
      { before: BigInt(before.decimals), after: BigInt(after.decimals) },
      String,
    ),
  ];
}

function diffEntries(
  section: "approvers" | "guardians",
  before: readonly Named[],
  after: readonly Named[],
  say: (name: string, came: boolean) => { readonly effect: Effect; readonly words: string },
): readonly Change[] {
  return matched(before, after, ({ address }) => address).flatMap((pair) => {
    const entry = (pair.after ?? pair.before)!;
    const clause = `${section}.${entry.name}`;
    if (!pair.before || !pair.after)
      return [{ clause, ...say(`${entry.name} (${entry.address})`, !pair.before) }];
    if (pair.before.name === entry.name) return [];
    return [
      {
        clause,
        effect: "neutral" as const,
        words: `${pair.before.name} is called ${entry.name}; the address is the same.`,
      },
    ];
  });
}

function diffApprovers(before: CompiledPolicy, after: CompiledPolicy): readonly Change[] {
  const escalates = [before, after].every(({ limits }) =>
    limits.some(({ grant }) => grant.extras.ceiling > 0n),
  );
  return diffEntries("approvers", before.approvers, after.approvers, (name, came) => ({
    // Without an escalation in both there is nothing to approve, or the escalation itself is the change that is told.
    effect: escalates ? (came ? "widens" : "narrows") : "neutral",
    words: `${name} may ${came ? "" : "no longer "}co-sign.`,
  }));
}

function diffShared(before: CompiledPolicy, after: CompiledPolicy): readonly Change[] {
  const [old, recent] = [before.limits[0]!.grant, after.limits[0]!.grant];
  const coin = (units: bigint) => showUnits(units, nativeToken);
  const sponsor = (address: string, effect: Effect, words: string): readonly Change[] =>
    address === zeroAddress ? [] : [{ clause: "paymaster", effect, words: `${address} ${words}` }];
  return [
    ...changedNumber("gas.budget", "Gas in all", { before: old.gasBudget, after: recent.gasBudget }, coin),
    ...changedNumber(
      "gas.perOperation",
      "Gas of one operation",
      { before: old.feeCap, after: recent.feeCap },
      coin,
    ),
    ...changedNumber("expires", "The expiry", { before: old.expiry, after: recent.expiry }, (seconds) =>
      new Date(Number(seconds) * 1000).toISOString(),
    ),
    ...changedNumber(
      "heartbeat",
      "The time the agent may act after the owner's heartbeat",
      { before: old.extras.heartbeat || undefined, after: recent.extras.heartbeat || undefined },
      lengthInWords,
    ),
    ...(old.extras.paymaster === recent.extras.paymaster
      ? []
      : [
          ...sponsor(old.extras.paymaster, "narrows", "may no longer sponsor operations."),
          ...sponsor(
            recent.extras.paymaster,
            "widens",
            "may sponsor operations, beyond the gas budget and the fee cap.",
          ),
        ]),
  ];
}

function diffOwnerSettings(before: CompiledPolicy, after: CompiledPolicy): readonly Change[] {
  return [
    ...diffEntries("guardians", before.guardians, after.guardians, (name, came) => ({
      effect: came ? "narrows" : "widens",
      words: `${name} may ${came ? "" : "no longer "}freeze the account.`,
    })),
    ...matched(before.accountCaps, after.accountCaps, ({ token }) => token.symbol).flatMap(
      ({ key, ...pair }) => {
        const clause = `accountCaps.${key}`;
        const known = (pair.after ?? pair.before)!.token;
        const { show, scale } = finerUnit(pair.before?.token ?? known, pair.after?.token ?? known);
        const perWindow = (cap: AccountCap | undefined) => cap && scale(cap.perWindow, cap.token);
        return [
          ...changedNumber(
            `${clause}.perWindow`,
            `${key} of all agents together in a window`,
            { before: perWindow(pair.before), after: perWindow(pair.after) },
            show,
          ),
          ...(pair.before && pair.after
            ? changedNumber(
                `${clause}.window`,
                `The window of ${key} of all agents together`,
                {
                  before: pair.before.bucket * bucketsPerWindow,
                  after: pair.after.bucket * bucketsPerWindow,
                },
                lengthInWords,
                "narrows",
              )
            : []),
        ];
      },
    ),
  ];
}

function diffMail(before: CompiledPolicy, after: CompiledPolicy): readonly Change[] {
  const strictness = ["deny", "ask", "allow"] as const;
  const [old, recent] = [before.unauthenticatedMail, after.unauthenticatedMail];
  if (old === recent) return [];
  return [
    {
      clause: "mail.unauthenticated",
      effect: strictness.indexOf(recent) > strictness.indexOf(old) ? "widens" : "narrows",
      words: `Advisory: a bill from an unauthenticated sender: ${old} becomes ${recent}.`,
    },
  ];
}
