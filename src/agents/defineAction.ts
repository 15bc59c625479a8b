import type * as z from "zod";

import type { ActionDeclaration, Desk, Reach, ToolDeclaration } from "../core/agent.ts";
import type { Json } from "../core/json.ts";

type Typed<Schema extends z.ZodObject, Declaration, Given> = Omit<Declaration, keyof Given | "input"> & {
  readonly input: Schema;
} & Given;

/**
 * An action with the type of its input known to its code.
 *
 * @example
 * const topUp = defineAction({
 *   words: "Tops up the purse.",
 *   input: z.strictObject({ amount: z.string().regex(/^[0-9]{1,6}$/) }),
 *   calls: ({ amount }, desk) => ({ spends: "USDC", calls: [desk.pay("USDC", "purse", amount)] }),
 * });
 */
export function defineAction<Schema extends z.ZodObject>(
  declaration: Typed<
    Schema,
    ActionDeclaration,
    {
      readonly calls?: (
        input: z.output<Schema>,
        desk: Desk,
      ) => ReturnType<NonNullable<ActionDeclaration["calls"]>>;
      readonly once?: (input: z.output<Schema>, desk: Desk) => string;
      readonly remember?: (input: z.output<Schema>, desk: Desk) => Readonly<Record<string, Json>>;
    }
  >,
): ActionDeclaration {
  return Object.freeze(declaration);
}

/** A tool with the type of its input known to its code. */
export function defineTool<Schema extends z.ZodObject>(
  declaration: Typed<
    Schema,
    ToolDeclaration,
    { readonly run: (input: z.output<Schema>, reach: Reach) => Promise<Json> }
  >,
): ToolDeclaration {
  return Object.freeze(declaration);
}
