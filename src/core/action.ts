import * as z from "zod";

import type { JsonObject } from "./json.ts";

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
/**
 * Not to act. The reasons of the agent's own words, or: `unparsable`, the model wrote something else than an action; `cut-off`,
 * what it wrote was none when its tokens were used up; `too-long`, its context can't hold the prompt; `unusable`, the agent's code could make no calls of what it wrote.
 */
export type Hold = { readonly action: "hold"; readonly reason: string };
/** An action that the agent declared itself (`defineAction`), with the input that its schema took. */
export type Act = { readonly action: "act"; readonly name: string; readonly input: JsonObject };
export type Action = Transfer | Hold | Act;

/** An Action as people read it. */
export function actionWords(action: Action): string {
  if (action.action === "hold") return `hold (${action.reason})`;
  if (action.action === "act")
    return `${action.name}(${Object.entries(action.input)
      .map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
      .join(", ")})`;
  return `pay ${action.amount} ${action.token} to ${action.to}${action.reference ? `, reference ${action.reference}` : ""}`;
}

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
  // Escapes may spell half a character, which no record can hold.
  return parsed.success && Object.values(parsed.data).every((part) => part.isWellFormed())
    ? Object.freeze(parsed.data)
    : Object.freeze({ action: "hold", reason: "unparsable" });
}
