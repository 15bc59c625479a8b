import { padHex, zeroAddress, type Address, type Hex } from "viem";

import { mistake, type Attempt } from "./mistakes.ts";
import { parseSignature, type CallSignature, type Parameter } from "./parameters.ts";
import { addressNamed, tokenOf, unitsOf, type Registry, type Token } from "./registry.ts";
import { isReserved } from "./reserved.ts";
import { comparison, type Condition, type Rule } from "./rule.ts";
import type { CallClause, ConditionClause } from "./schema.ts";

/** A call clause in its exact on-chain form, with the words a person knows it by. */
export type CompiledCall = {
  /** Place in the document's `calls`. */
  readonly index: number;
  readonly to: string;
  readonly signature: CallSignature;
  /** Path of the parameter that counts as spent. */
  readonly spends: string | null;
  readonly conditions: readonly CompiledCondition[];
  readonly rule: Rule;
};

/** The conditions on one parameter: words of the document beside what the chain compares. */
export type CompiledCondition = {
  readonly parameter: Parameter;
  readonly words: string;
  readonly chain: readonly Condition[];
};

/** One entry of `calls`, for the grant that spends `asset`. Parts that can't be compiled are told to `attempt`. */
export function compileCall(
  clause: CallClause,
  index: number,
  asset: Token,
  registry: Registry,
  attempt: Attempt,
): CompiledCall | undefined {
  const at = ["calls", index] as const;
  const target = attempt([...at, "to"], () => targetOf(clause.to, asset, registry));
  const signature = attempt([...at, "function"], () => usable(parseSignature(clause.function)));
  if (!signature) return undefined;
  const { spends } = clause;
  const spent =
    spends === undefined ? 0n : attempt([...at, "spends"], () => spentWord(parameterAt(signature, spends)));
  const conditions = Object.entries(clause.where ?? {}).map(([path, condition]) =>
    attempt([...at, "where", path], () =>
      compileCondition(parameterAt(signature, path), condition, registry),
    ),
  );
  if (!target || spent === undefined || !conditions.every((one) => one !== undefined)) return undefined;
  const byWord = conditions.toSorted((a, b) => Number(a.parameter.word! - b.parameter.word!));
  return {
    index,
    to: clause.to,
    signature,
    spends: spends ?? null,
    conditions: byWord,
    rule: {
      target,
      selector: signature.selector,
      spends: spent,
      conditions: byWord.flatMap(({ chain }) => chain),
    },
  };
}

function targetOf(name: string, asset: Token, registry: Registry): Address {
  const payee = registry.payees.find((known) => known.name === name);
  if (payee && !payee.contract)
    throw mistake(
      `${name} is a payee that is not marked as a contract, so it can't be called.`,
      "Add `contract: true` to the payee, if it is one.",
    );
  const target = payee?.address ?? registry.contracts.find((known) => known.name === name)?.address;
  if (!target)
    throw mistake(`"${name}" is no contract of the policy.`, "Add it under contracts, or correct the name.");
  if (target === zeroAddress) throw mistake(`${name} is the zero address.`, "Write the contract's address.");
  if (target === asset.address)
    throw mistake(
      `${name} is the ${asset.symbol} contract itself, which the chain lets no rule call.`,
      "Allow its functions with `functions` of the limit.",
    );
  const other = registry.limited.find(({ address }) => address === target);
  if (other)
    throw mistake(
      `${name} is the ${other.symbol} contract, and what a call does with ${other.symbol} passes by its limit.`,
      `Allow functions of ${other.symbol} with \`functions\` of its limit, or remove that limit.`,
    );
  return target;
}

function usable(signature: CallSignature): CallSignature {
  if (!isReserved(signature.selector)) return signature;
  throw mistake(
    `${signature.name} moves tokens or lets others move them, so the chain allows it by no rule.`,
    "Allow functions of the limit's own token with `functions`; others are paid by a limit of their own.",
  );
}

function parameterAt(signature: CallSignature, path: string): Parameter & { readonly word: bigint } {
  const parameter = signature.parameters.find((known) => known.path === path);
  const known = signature.parameters.map((one) => one.path).join(", ") || "none";
  if (!parameter)
    throw mistake(
      signature.parameters.some((one) => one.path.startsWith(`${path}.`))
        ? `${path} has several words.`
        : `${signature.name} has no parameter ${path}.`,
      `Name one of: ${known}.`,
    );
  const { word } = parameter;
  if (word === null)
    throw mistake(
      `${path} (${parameter.type}) stands at a place that the caller chooses, so the chain can't check it.`,
      "Name a parameter of fixed size outside of arrays, bytes and strings, or allow another function.",
    );
  return { ...parameter, word };
}

function spentWord({ path, type, word }: Parameter & { readonly word: bigint }): bigint {
  if (type.startsWith("uint")) return word + 1n;
  throw mistake(
    `${path} is of type ${type}, not an amount.`,
    "Name a parameter of an unsigned integer type.",
  );
}

function compileCondition(
  parameter: Parameter & { readonly word: bigint },
  clause: ConditionClause,
  registry: Registry,
): CompiledCondition {
  const { word, type, path } = parameter;
  if (clause.self) {
    if (type !== "address")
      throw mistake(
        `${path} is of type ${type}, and only an address can be the account.`,
        "Use another condition.",
      );
    return {
      parameter,
      words: `${path} is the account itself`,
      chain: [{ word, comparison: comparison.self, operands: [] }],
    };
  }
  const listed = clause.in ?? (clause.equals === undefined ? undefined : [clause.equals]);
  if (listed) {
    const operands = listed.map((value) => operandOf(value, type, registry));
    return {
      parameter,
      words:
        listed.length === 1
          ? `${path} is ${shown(listed[0]!, type, registry)}`
          : `${path} is one of ${listed.map((value) => shown(value, type, registry)).join(", ")}`,
      chain: [{ word, comparison: comparison.in, operands }],
    };
  }
  return compileRange(parameter, clause, registry);
}

/** A value as people read it; a name together with the address that it stands for. */
const shown = (value: string | number | boolean, type: string, registry: Registry): string =>
  type === "address" && typeof value === "string" && !/^0x/i.test(value)
    ? `${value} (${addressNamed(value, registry)})`
    : String(value);

function compileRange(
  parameter: Parameter & { readonly word: bigint },
  { atMost, atLeast }: ConditionClause,
  registry: Registry,
): CompiledCondition {
  const { word, type, path } = parameter;
  if (!type.startsWith("uint"))
    throw mistake(
      `${path} is of type ${type}, and the chain compares without sign.`,
      "Use equals or in; atMost and atLeast are for unsigned integers.",
    );
  const low = atLeast === undefined ? undefined : operandOf(atLeast, type, registry);
  // Old contracts ignore the bits above a short type, so a word that is huge could pass for a small number.
  const bits = BigInt(type.slice(4));
  const short = low !== undefined && bits < 256n ? (1n << bits) - 1n : undefined;
  const high = atMost === undefined ? short : operandOf(atMost, type, registry);
  if (low !== undefined && high !== undefined && low > high)
    throw mistake(`${path} would have to be at least ${atLeast} and at most ${atMost}.`, "Swap the two.");
  const words = [
    ...(atLeast === undefined ? [] : [`at least ${atLeast}`]),
    ...(atMost === undefined ? [] : [`at most ${atMost}`]),
  ];
  return {
    parameter,
    words: `${path} is ${words.join(" and ")}`,
    chain: [
      ...(high === undefined ? [] : [{ word, comparison: comparison.atMost, operands: [high] }]),
      ...(low === undefined ? [] : [{ word, comparison: comparison.atLeast, operands: [low] }]),
    ],
  };
}

/** A value of a condition as the 32-byte word that the ABI makes of it. */
function operandOf(value: string | number | boolean, type: string, registry: Registry): bigint {
  const refuse = (expected: string) =>
    mistake(`"${value}" is not ${expected}, which ${type} needs.`, `Write ${expected}.`);
  if (type === "address") {
    if (typeof value !== "string") throw refuse("an address or a name of the policy");
    return BigInt(addressNamed(value, registry));
  }
  if (type === "bool") {
    if (typeof value !== "boolean") throw refuse("true or false");
    return value ? 1n : 0n;
  }
  const bytes = /^bytes(\d+)$/.exec(type);
  if (bytes) {
    const size = Number(bytes[1]);
    if (typeof value !== "string" || !new RegExp(`^0x[0-9a-fA-F]{${size * 2}}$`).test(value))
      throw refuse(`0x and ${size * 2} hex digits`);
    return BigInt(padHex(value as Hex, { dir: "right", size: 32 }));
  }
  const integer = /^(u?)int(\d+)$/.exec(type);
  if (!integer) throw mistake(`A word of type ${type} can't be compared.`, "Name another parameter.");
  const units =
    typeof value === "string" && / /.test(value)
      ? unitsOf(value, tokenOf(value, registry.tokens))
      : /^\d{1,78}$/.test(String(value))
        ? BigInt(value)
        : undefined;
  if (units === undefined) throw refuse('a whole number or an amount such as "100.00 USDC"');
  const bits = BigInt(integer[2]!) - (integer[1] === "u" ? 0n : 1n);
  if (units >= 1n << bits) throw mistake(`${value} does not fit into ${type}.`, "Lower it.");
  return units;
}
