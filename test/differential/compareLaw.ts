import { toFunctionSelector, type AbiParameter, type Address, type Hex } from "viem";

import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import { entryPointAddress } from "../../src/chain/entryPoint.ts";
import type { Refusal } from "../../src/policy/refusal.ts";
import { chanceOf } from "./chance.ts";
import type { LawChain, StepAnswer } from "./lawChain.ts";
import type { Foreseen } from "./lawWorld.ts";
import { randomHistory, type Place } from "./randomHistory.ts";

/** What one comparison came to. */
export type Comparison = {
  /** Operations that twin and contracts were asked about. */
  readonly cases: number;
  /** Changes of owners between them, compared in the same way. */
  readonly changes: number;
  /** Answers to operations, by their name. */
  readonly answers: Readonly<Record<string, number>>;
  readonly changeAnswers: Readonly<Record<string, number>>;
  /** Ready to print; none is what we want. */
  readonly disagreements: readonly string[];
};

export type Part = {
  readonly seed: number;
  /** First history of this part, and how many. */
  readonly from: number;
  readonly histories: number;
};

/** Operations in one history. A call of the chain plays one history: longer ones cost it more than their share. */
export const casesPerHistory = 40;

/** Plays histories on twin and contracts. Stops at the first one with a disagreement, whose steps say the rest. */
export async function compareLaw(part: Part, chain: LawChain): Promise<Comparison> {
  const answers: Record<string, number> = {};
  const changeAnswers: Record<string, number> = {};
  const disagreements: string[] = [];
  let [cases, changes] = [0, 0];
  for (let number = part.from; number < part.from + part.histories && disagreements.length === 0; number++) {
    const time = timeOf(number);
    await chain.setTime(time);
    const history = foreseenHistory(part.seed, number, chain, { time, operations: casesPerHistory });
    const told = await chain.run(history.map(({ step }) => step));
    for (const [index, foreseen] of history.entries()) {
      const answer = told[index]!;
      const name = nameOf(foreseen, answer);
      if (foreseen.operation) cases += 1;
      else changes += 1;
      const counts = foreseen.operation ? answers : changeAnswers;
      counts[name] = (counts[name] ?? 0) + 1;
      const difference = differenceOf(foreseen, answer);
      // What follows the first one may follow from it.
      if (difference && disagreements.length === 0)
        disagreements.push(
          `seed ${part.seed}, history ${number}, step ${index}: ${difference}\n${readable(foreseen.about)}`,
        );
    }
  }
  return { cases, changes, answers, changeAnswers, disagreements };
}

/** One history, and what the twin says to each of its steps. */
export function foreseenHistory(
  seed: number,
  number: number,
  chain: Pick<LawChain, "harness" | "decisionLog">,
  { time, operations }: { readonly time: bigint; readonly operations: number },
): readonly Foreseen[] {
  const place: Place = {
    ownParts: [entryPointAddress, chain.decisionLog].map((address) => address.toLowerCase() as Address),
    harness: chain.harness.toLowerCase() as Address,
    time,
  };
  return randomHistory(chanceOf(Math.imul(seed, 0x9e3779b1) + number), place, operations);
}

/** Block time of the run that a history belongs to: it only rises, and follows from nothing but the number. */
const timeOf = (history: number): bigint => 1_700_000_000n + BigInt(history) * 7n;

const ownErrors: Readonly<Record<string, Hex>> = {
  Panic: toFunctionSelector("Panic(uint256)"),
  ERC7579DecodingError: toFunctionSelector("ERC7579DecodingError()"),
};
const selectors: Readonly<Record<string, Hex>> = {
  ...ownErrors,
  ...Object.fromEntries(
    agentAccountAbi
      .filter((entry) => entry.type === "error")
      .map(({ name, inputs }) => [
        name,
        toFunctionSelector(`${name}(${inputs.map((input: AbiParameter) => input.type).join(",")})`),
      ]),
  ),
};

/** What the chain reverts with: selector and one word for each argument; nothing at all for bytes it can't decode. */
function revertOf({ error, args }: Refusal): Hex {
  if (error === "Unreadable") return "0x";
  const words = args.map((arg) => {
    if (typeof arg === "bigint") return arg.toString(16).padStart(64, "0");
    const hex = arg.slice(2);
    return hex.length === 40 ? hex.padStart(64, "0") : hex.padEnd(64, "0");
  });
  return `${selectors[error]!}${words.join("")}`;
}

/** Bytes of a batch that point outside of themselves: Solidity says CallNotAllowed or nothing, by what stands behind them. */
const isWordless = ({ expected, operation }: Foreseen, { told, success }: StepAnswer): boolean =>
  !success &&
  (told === "0x" || told === `${ownErrors["Panic"]}${"41".padStart(64, "0")}`) &&
  expected.refusal?.error === "CallNotAllowed" &&
  operation?.kind === 4 &&
  operation.callData.startsWith("0xe9ae5c5301");

/** What an answer has that the twin did not say. */
export function differenceOf(foreseen: Foreseen, answer: StepAnswer): string | undefined {
  const { refusal, returned, words } = foreseen.expected;
  if (refusal) {
    const revert = revertOf(refusal);
    if (answer.success || (answer.told !== revert && !isWordless(foreseen, answer)))
      return `the twin refuses with ${readable(refusal)} (${revert}), the chain ${inWords(answer)}`;
  } else if (!answer.success) return `the twin allows it, the chain ${inWords(answer)}`;
  else if (returned !== undefined && BigInt(answer.told) !== returned)
    return `the twin returns ${returned}, the chain ${inWords(answer)}`;
  const wrong = words.findIndex((word, index) => word !== answer.words[index]);
  if (wrong < 0) return undefined;
  const name = ["head", "counters", "operations", "cap", "approval", "old counters"][wrong];
  return `afterwards ${name} is 0x${words[wrong]!.toString(16)} for the twin and 0x${answer.words[wrong]!.toString(16)} on chain`;
}

function inWords({ success, told }: StepAnswer): string {
  if (success) return `allows it, with ${told}`;
  const name = Object.entries(selectors).find(([, selector]) => told.startsWith(selector))?.[0];
  return `reverts with ${name ?? "nothing known"} (${told})`;
}

const nameOf = (foreseen: Foreseen, answer: StepAnswer): string =>
  isWordless(foreseen, answer)
    ? "CallNotAllowed, without a word"
    : (foreseen.expected.refusal?.error ?? "allowed");

const readable = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? part.toString() : part));
