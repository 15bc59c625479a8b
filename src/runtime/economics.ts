import type { Inference } from "../core/inference.ts";
import { micros, pricesOf, type Prices } from "./prices.ts";

/** What some thinking took, as far as anybody tells: tokens, time by phase, energy, money. */
export type Economics = {
  readonly inferences: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** Tokens of the prompts that engines had evaluated before; null where one of them does not say. */
  readonly cachedTokens: number | null;
  /** Milliseconds. `broken`: waiting for engines that gave no answer. */
  readonly ms: {
    readonly queue: number;
    readonly prefill: number;
    readonly generation: number;
    readonly broken: number;
  };
  /** Of the whole processor or card, whoever used it; null where no driver counts, or for one of the inferences none did. */
  readonly energyMillijoules: number | null;
  /** By the operator's prices, in millionths of the currency, rounded up once; null where a price is missing. */
  readonly cost: { readonly currency: string; readonly micros: number } | null;
  /** What is known to be missing in the cost, in words. */
  readonly unknown: readonly string[];
};

/** Tokens of an inference: as many as the server counts, for that is what it bills; else those in the record. */
export const promptTokensOf = ({ promptTokens, remote }: Inference): number =>
  remote?.usage.promptTokens ?? promptTokens.length;
export const outputTokensOf = ({ outputTokens, remote }: Inference): number =>
  remote?.usage.outputTokens ?? outputTokens.length;

/** null: nobody says. A local engine that does not reuse anything reuses 0. */
const cachedTokensOf = ({ remote, timing }: Inference): number | null =>
  remote ? remote.usage.cachedTokens : (timing.reusedTokens ?? 0);

/** Joules in a kilowatt-hour, and millionths of a token price. */
const MILLIJOULES = 3_600_000_000n;
const MILLION = 1_000_000n;

/** Adds up. Pure: the same inferences and prices, the same figures. */
export function economicsOf(inferences: readonly Inference[], prices: Prices | undefined): Economics {
  const sum = (of: (inference: Inference) => number) =>
    inferences.reduce((total, inference) => total + of(inference), 0);
  const sumKnown = (of: (inference: Inference) => number | null): number | null =>
    inferences.length > 0 && inferences.every((inference) => of(inference) !== null)
      ? sum((inference) => of(inference) ?? 0)
      : null;
  const broken = inferences.flatMap(({ fallback }) => fallback ?? []);
  const hedged = inferences.filter(({ hedge }) => hedge !== undefined).length;
  const costs = prices && inferences.map((inference) => costOf(inference, prices));
  return {
    inferences: inferences.length,
    promptTokens: sum(promptTokensOf),
    outputTokens: sum(outputTokensOf),
    cachedTokens: sumKnown(cachedTokensOf),
    ms: {
      queue: sum(({ timing }) => timing.queueMs ?? 0),
      prefill: sum(({ timing }) => timing.prefillMs),
      generation: sum(({ timing }) => timing.generationMs),
      broken: broken.reduce((total, { ms }) => total + ms, 0),
    },
    energyMillijoules: sumKnown(({ energy }) => energy?.millijoules ?? null),
    cost:
      prices && costs && costs.every((cost) => cost !== undefined)
        ? { currency: prices.currency, micros: roundedUp(costs) }
        : null,
    unknown: [
      ...(hedged > 0 ? [`what ${counted(hedged, "second request")} cost that lost`] : []),
      ...(broken.length > 0 ? [`what ${counted(broken.length, "engine")} cost that broke`] : []),
      ...(prices
        ? [
            ...new Set(
              inferences.filter((_, index) => costs?.[index] === undefined).map(({ model }) => model.file),
            ),
          ].map((model) => `the price of ${model}`)
        : []),
    ],
  };
}

const nothing = economicsOf([], undefined);

/** Adds up what was reported decision by decision, each rounded already. What is unknown of one is unknown of the whole. */
export function totalOf(all: readonly Economics[]): Economics {
  return all.reduce((sum, one) => {
    if (sum.inferences === 0) return one;
    const both = (a: number | null, b: number | null) => (a === null || b === null ? null : a + b);
    const { cost } = sum;
    return {
      inferences: sum.inferences + one.inferences,
      promptTokens: sum.promptTokens + one.promptTokens,
      outputTokens: sum.outputTokens + one.outputTokens,
      cachedTokens: both(sum.cachedTokens, one.cachedTokens),
      ms: {
        queue: sum.ms.queue + one.ms.queue,
        prefill: sum.ms.prefill + one.ms.prefill,
        generation: sum.ms.generation + one.ms.generation,
        broken: sum.ms.broken + one.ms.broken,
      },
      energyMillijoules: both(sum.energyMillijoules, one.energyMillijoules),
      cost:
        cost && one.cost?.currency === cost.currency
          ? { currency: cost.currency, micros: cost.micros + one.cost.micros }
          : null,
      unknown: [...new Set([...sum.unknown, ...one.unknown])],
    };
  }, nothing);
}

const counted = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? "" : "s"}`;

/** Exactly, in units of a millionth of a millionth of the currency, times `MILLIJOULES`; undefined without a price. */
function costOf(inference: Inference, prices: Prices): bigint | undefined {
  const { energy, model } = inference;
  const table = pricesOf(prices, model.file);
  const perKilowattHour =
    prices.perKilowattHour === undefined || !energy ? undefined : micros(prices.perKilowattHour);
  // Whoever runs a model at home may pay for the current alone.
  if (!table && perKilowattHour === undefined) return undefined;
  const cached = BigInt(Math.min(cachedTokensOf(inference) ?? 0, promptTokensOf(inference)));
  const fresh = BigInt(promptTokensOf(inference)) - cached;
  const tokens = table
    ? fresh * micros(table.promptPerMillion) +
      cached * micros(table.cachedPerMillion ?? table.promptPerMillion) +
      BigInt(outputTokensOf(inference)) * micros(table.outputPerMillion)
    : 0n;
  return tokens * MILLIJOULES + BigInt(energy?.millijoules ?? 0) * (perKilowattHour ?? 0n) * MILLION;
}

function roundedUp(costs: readonly (bigint | undefined)[]): number {
  const total = costs.reduce((sum: bigint, cost) => sum + (cost ?? 0n), 0n);
  const unit = MILLION * MILLIJOULES;
  return Number((total + unit - 1n) / unit);
}

/** `0.001234 EUR`: all six decimals, because a decision costs little. */
export function costInWords({ currency, micros: amount }: NonNullable<Economics["cost"]>): string {
  return `${Math.floor(amount / 1_000_000)}.${String(amount % 1_000_000).padStart(6, "0")} ${currency}`;
}

/** One line for people. */
export function economicsInWords(economics: Economics): string {
  const { cachedTokens, cost, energyMillijoules, inferences, ms, outputTokens, promptTokens, unknown } =
    economics;
  if (inferences === 0) return "no inference";
  const phases = [
    ...(ms.queue > 0 ? [`queue ${ms.queue}`] : []),
    `prompt ${ms.prefill}`,
    `answer ${ms.generation}`,
    ...(ms.broken > 0 ? [`broken engines ${ms.broken}`] : []),
  ].join(" + ");
  return [
    `${promptTokens} tokens in${cachedTokens ? ` (${cachedTokens} reused)` : ""}, ${outputTokens} out`,
    `${phases} ms`,
    ...(energyMillijoules === null ? [] : [`${(energyMillijoules / 1000).toFixed(1)} J`]),
    ...(cost ? [costInWords(cost)] : []),
    ...(unknown.length > 0 ? [`not counted: ${unknown.join(", ")}`] : []),
  ].join(", ");
}
