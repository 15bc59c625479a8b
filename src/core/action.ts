import * as z from "zod";

/** Why a model, or the code after it, decided not to act. */
export const holdReasons = ["not-a-bill", "unknown-payee", "unclear"] as const;

const transferSchema = z
  .strictObject({
    action: z.literal("transfer"),
    /** A payee's name in the policy's registry. Never an address: the model does not handle addresses. */
    to: z.string().min(1).max(64),
    /** Decimal text in whole tokens, `"42.50"`. Never base units. */
    amount: z.string().regex(/^\d{1,18}(\.\d{1,18})?$/),
    /** A token's symbol in the policy's registry. */
    token: z.string().min(1).max(16),
    /** The bill's own reference, "" when it has none. */
    reference: z.string().max(64),
  })
  .readonly();

const holdSchema = z.strictObject({ action: z.literal("hold"), reason: z.enum(holdReasons) }).readonly();

export const actionSchema = z.discriminatedUnion("action", [transferSchema, holdSchema]);

export type Transfer = z.infer<typeof transferSchema>;
/** `unparsable`: the model wrote something else than an action. `too-long`: its context can't hold the prompt. */
export type Hold = {
  readonly action: "hold";
  readonly reason: (typeof holdReasons)[number] | "unparsable" | "too-long";
};
export type Action = Transfer | Hold;

/**
 * The model's text to an Action, strictly: one JSON object, known keys only. Anything else is `hold: unparsable`,
 * a result and not an error, because a model that babbles is an ordinary event.
 */
export function parseAction(text: string): Action {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return Object.freeze({ action: "hold", reason: "unparsable" });
  }
  const parsed = actionSchema.safeParse(value);
  return parsed.success
    ? Object.freeze(parsed.data)
    : Object.freeze({ action: "hold", reason: "unparsable" });
}
