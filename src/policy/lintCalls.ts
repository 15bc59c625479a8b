import type { CompiledCall, CompiledCondition } from "./call.ts";
import type { CompiledLimit, CompiledPolicy } from "./compile.ts";
import type { Finding } from "./finding.ts";
import { nativeToken } from "./registry.ts";
import { comparison, type Condition } from "./rule.ts";
import { leavesAllowances } from "./worstCase.ts";

/** Parameters that by their name decide who gets what a call sets free. */
const recipientName =
  /^_?(recipient|to|receiver|beneficiary|dst|dest|destination|onBehalfOf|owner|payee)_?$/i;
/** Functions that by their name let somebody take tokens later. */
const approvalName = /approv|allowance|permit|delegat|authoriz|operator/i;

/** Parameters that by their name say how much. */
const amountName = /amount|value|wad|assets|shares|added/i;

const lastName = (path: string) => path.split(".").at(-1)!;

/** Does the condition keep a number below the largest of its type? */
const caps = ({ parameter, chain }: CompiledCondition): boolean =>
  chain.some(
    ({ comparison: kind, operands }) =>
      kind === comparison.in ||
      (kind === comparison.atMost && operands[0]! < (1n << BigInt(parameter.type.slice(4))) - 1n),
  );

/** What is dangerous about the calls beside payments. */
export function lintCalls(policy: CompiledPolicy): readonly Finding[] {
  return [
    ...policy.limits.flatMap((limit) => limit.calls.flatMap((call) => lintCall(call, limit, policy))),
    ...countedAsEither(policy),
  ];
}

/** Whoever has the agent's key says under which grant an operation counts: a call that fits two of them is counted as he likes. */
function countedAsEither({ limits }: CompiledPolicy): readonly Finding[] {
  const all = limits.flatMap(({ calls, token }) => calls.map((call) => ({ call, token })));
  return all.flatMap(({ call, token }, index) => {
    const other = all.slice(0, index).find((one) => one.token !== token && isEither(one.call, call));
    return other === undefined
      ? []
      : [
          {
            code: "counted-as-either",
            severity: "error",
            path: ["calls", call.index],
            words: `${call.signature.name} of ${call.to} may be counted in ${other.token.symbol} or in ${token.symbol}, as the agent likes: no condition tells the two apart.`,
            remedy: "Add conditions that do, or give each token an agent with a key of its own.",
          } as const,
        ];
  });
}

const isEither = (one: CompiledCall, other: CompiledCall): boolean =>
  one.rule.target === other.rule.target &&
  one.rule.selector === other.rule.selector &&
  !one.rule.conditions.some((a) => other.rule.conditions.some((b) => exclude(a, b)));

/** One word can't meet both. */
const exclude = (a: Condition, b: Condition): boolean =>
  a.word === b.word &&
  a.comparison === comparison.in &&
  b.comparison === comparison.in &&
  !a.operands.some((operand) => b.operands.includes(operand));

function lintCall(call: CompiledCall, limit: CompiledLimit, policy: CompiledPolicy): readonly Finding[] {
  const { signature, to, conditions } = call;
  const path = ["calls", call.index];
  const name = `${signature.name} of ${to}`;
  const bound = new Set(conditions.map(({ parameter }) => parameter.path));
  const findings: Finding[] = [];
  const find = (code: string, severity: Finding["severity"], words: string, remedy: string) =>
    findings.push({ code, severity, path, words, remedy });

  if (conditions.length === 0 && signature.parameters.length > 0)
    find(
      "call-without-condition",
      "warning",
      `${name} may be called with any arguments.`,
      "Say under `where` what they have to be.",
    );
  for (const { path: parameter, word } of signature.parameters.filter(
    (one) => one.type === "address" && recipientName.test(lastName(one.path)) && !bound.has(one.path),
  ))
    find(
      "recipient-free",
      "error",
      `${name} may send what it sets free to anybody: nothing says what ${parameter} has to be.`,
      word === null
        ? "The chain can't check this parameter; allow a function that has it outside of arrays and bytes."
        : `Add \`${parameter}: { self: true }\` under \`where\`.`,
    );
  if (approvalName.test(signature.name)) {
    const numbers = signature.parameters.filter(({ type }) => type.startsWith("uint"));
    const amounts = numbers.filter((one) => amountName.test(lastName(one.path)));
    const capping = new Set((amounts.length > 0 ? amounts : numbers).map((one) => one.path));
    const capped = conditions.some((one) => capping.has(one.parameter.path) && caps(one));
    const spender = conditions.some(({ parameter }) => parameter.type === "address");
    if (!capped || !spender)
      find(
        "approve-without-cap",
        "error",
        `${name} sounds like an approval, and ${capped ? "anybody may be the spender" : "no argument caps the amount"}.`,
        capped ? "Add a condition on the spender." : "Add `atMost` on the amount, or do not allow it.",
      );
  }
  if (call.spends === null && limit.token !== nativeToken && !leavesAllowances(limit))
    find(
      "call-uncounted",
      "warning",
      `${name} counts nothing as spent, though ${to} may hold an allowance from before.`,
      `Name the parameter that spends ${limit.token.symbol} under \`spends\`, or make sure that the account has approved nothing to ${to}.`,
    );
  const token = policy.tokens.find(({ address }) => address === call.rule.target);
  if (token)
    find(
      "call-of-token",
      "warning",
      `${to} is the ${token.symbol} contract: what the call does with ${token.symbol} is not counted.`,
      `Use a limit in ${token.symbol} with \`functions\` where that is enough.`,
    );
  return findings;
}
