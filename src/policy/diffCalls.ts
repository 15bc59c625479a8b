import type { CompiledCall, CompiledCondition } from "./call.ts";
import { matched, type Change, type Effect } from "./change.ts";
import type { CompiledPolicy } from "./compile.ts";
import { comparison, ruleLeaf } from "./rule.ts";

type Counted = { readonly call: CompiledCall; readonly symbol: string };

const callsOf = (policy: CompiledPolicy): readonly Counted[] =>
  policy.limits.flatMap((limit) => limit.calls.map((call) => ({ call, symbol: limit.token.symbol })));
const leafOf = ({ call, symbol }: Counted) => `${symbol} ${ruleLeaf(call.rule)}`;
const functionOf = ({ call, symbol }: Counted) => `${symbol} ${call.rule.target} ${call.rule.selector}`;
const clauseOf = ({ call, symbol }: Counted) => `calls.${symbol}.${call.to}.${call.signature.name}`;

/** What became of the calls beside payments. */
export function diffCalls(before: CompiledPolicy, after: CompiledPolicy): readonly Change[] {
  const changed = matched(callsOf(before), callsOf(after), leafOf).filter(
    (pair) => !pair.before || !pair.after,
  );
  const gone = changed.flatMap((pair) => pair.before ?? []);
  const come = changed.flatMap((pair) => pair.after ?? []);
  // One rule for a function before and one after: the same rule, changed. Several: they can't be told apart.
  const only = (list: readonly Counted[], key: string) => {
    const found = list.filter((one) => functionOf(one) === key);
    return found.length === 1 ? found[0] : undefined;
  };
  const pairs = gone.flatMap((old) => {
    const next = only(come, functionOf(old));
    return next && only(gone, functionOf(old)) ? [[old, next] as const] : [];
  });
  const paired = new Set(pairs.flat());
  const whole = (one: Counted, effect: Effect, words: string): Change => ({
    clause: clauseOf(one),
    effect,
    words: `${one.call.signature.name} of ${one.call.to} ${words}.`,
  });
  return [
    ...gone
      .filter((one) => !paired.has(one))
      .map((one) => whole(one, "narrows", "may no longer be called in this way")),
    ...come
      .filter((one) => !paired.has(one))
      .map((one) =>
        whole(
          one,
          "widens",
          `may be called${one.call.conditions.length === 0 ? " with any arguments" : ` if ${one.call.conditions.map(({ words }) => words).join(", ")}`}`,
        ),
      ),
    ...pairs.flatMap(([old, next]) => diffRule(old, next)),
  ];
}

function diffRule(old: Counted, next: Counted): readonly Change[] {
  const clause = clauseOf(next);
  const name = `${next.call.signature.name} of ${next.call.to}`;
  const changes: Change[] = [];
  const say = (effect: Effect, words: string, path?: string) =>
    changes.push({
      clause: path === undefined ? clause : `${clause}.where.${path}`,
      effect,
      words: `${name}: ${words}.`,
    });
  if (old.call.rule.spends !== next.call.rule.spends) {
    if (old.call.spends !== null) say("widens", `${old.call.spends} no longer counts as spent`);
    if (next.call.spends !== null) say("narrows", `${next.call.spends} counts as spent`);
  }
  const byWord = matched(old.call.conditions, next.call.conditions, ({ parameter }) =>
    String(parameter.word),
  );
  for (const { before, after } of byWord) {
    const path = (after ?? before)!.parameter.path;
    if (!before) say("narrows", `new condition: ${after!.words}`, path);
    else if (!after) say("widens", `no longer asked: ${before.words}`, path);
    else
      for (const effect of effectsOf(setOf(before), setOf(after)))
        say(effect, `"${before.words}" becomes "${after.words}"`, path);
  }
  return changes;
}

/** What a condition lets through: values one by one, or an interval. */
type Allowed = { readonly values: ReadonlySet<bigint> } | { readonly low: bigint; readonly high: bigint };
const largestWord = (1n << 256n) - 1n;
/** Stands for the account itself, of which nobody knows here which word it is. */
const self = -1n;

function setOf({ chain }: CompiledCondition): Allowed {
  if (chain[0]!.comparison === comparison.self) return { values: new Set([self]) };
  if (chain[0]!.comparison === comparison.in) return { values: new Set(chain[0]!.operands) };
  const bound = (kind: 1 | 2, none: bigint) =>
    chain.find((one) => one.comparison === kind)?.operands[0] ?? none;
  return { low: bound(comparison.atLeast, 0n), high: bound(comparison.atMost, largestWord) };
}

/** Does every value that `inner` lets through also get through `outer`? */
function within(inner: Allowed, outer: Allowed): boolean {
  const passes = (value: bigint) =>
    "low" in outer ? value >= outer.low && value <= outer.high : outer.values.has(value);
  if ("values" in inner) return [...inner.values].every(passes);
  if ("low" in outer) return passes(inner.low) && passes(inner.high);
  const shared = [...outer.values].filter((value) => value >= inner.low && value <= inner.high);
  return BigInt(shared.length) === inner.high - inner.low + 1n;
}

function effectsOf(before: Allowed, after: Allowed): readonly Effect[] {
  const [widens, narrows] = [!within(after, before), !within(before, after)];
  return [...(widens ? (["widens"] as const) : []), ...(narrows ? (["narrows"] as const) : [])];
}
