import * as z from "zod";

/** What the operator pays, for sums and comparisons. Amounts are decimal text in the currency, at most six decimals. */
const amount = z
  .string()
  .regex(/^\d{1,9}(\.\d{1,6})?$/, "has to be an amount like 0.25, with at most six decimals");

const modelPrices = z
  .strictObject({
    /** For a million tokens of prompts. */
    promptPerMillion: amount,
    /** For a million tokens of prompts that the engine had evaluated before; the price of others when not given. */
    cachedPerMillion: amount.exactOptional(),
    outputPerMillion: amount,
  })
  .readonly();

export const priceSchema = z
  .strictObject({
    /** `EUR`, `USD`, or whatever the figures are in. */
    currency: z.string().regex(/^[A-Z]{3,8}$/, "has to be 3 to 8 capital letters"),
    /** By the model's name in records: a file's name, or a server's name for it. `*` is for all others. */
    models: z.record(z.string().min(1).max(256), modelPrices).default({}),
    /** For a kilowatt-hour, where a driver counts the energy. */
    perKilowattHour: amount.exactOptional(),
  })
  .readonly();

export type Prices = z.infer<typeof priceSchema>;
export type ModelPrices = z.infer<typeof modelPrices>;

/** Decimal text to millionths of the currency. */
export function micros(text: string): bigint {
  const [whole = "0", decimals = ""] = text.split(".");
  return BigInt(whole) * 1_000_000n + BigInt(decimals.padEnd(6, "0"));
}

export const pricesOf = (prices: Prices, model: string): ModelPrices | undefined =>
  (Object.hasOwn(prices.models, model) ? prices.models[model] : undefined) ??
  (Object.hasOwn(prices.models, "*") ? prices.models["*"] : undefined);
