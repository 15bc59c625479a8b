import * as z from "zod";
import { InvalidRequestError } from "./errors.ts";
import { schemaGrammar } from "./schemaGrammar.ts";

export type ActionGrammarOptions = {
  /** Whom the agent may name. With none, the only answer is to hold. */
  readonly payees: readonly string[];
  readonly tokens: readonly string[];
  readonly holdReasons: readonly string[];
  /** What of the message may be named: amounts and references that occur in it. Without them, any. */
  readonly message?: { readonly amounts: readonly string[]; readonly references: readonly string[] };
};

/**
 * What may stand in a name without any escaping, in GBNF and in JSON: printable ASCII but `"` and `\`. A name that
 * needs escaping could be written in two ways, and two writings of one payee are one too many.
 */
const PLAIN = /^[\x20-\x21\x23-\x5b\x5d-\x7e]{1,64}$/;

/** Most names in one list; llama.cpp tries every alternative for every token. */
const MOST_NAMES = 256;

/**
 * GBNF for exactly the answers of an action model: compact JSON, one order of keys, no white space, one of the given
 * payees, a decimal amount. It shapes the output; whether the action is allowed, or sensible, is judged in code.
 *
 * @example
 * {"action":"transfer","to":"acme","amount":"42.50","token":"USDC","reference":"INV-1042"}
 * {"action":"hold","reason":"unclear"}
 */
export const actionGrammar = (options: ActionGrammarOptions): string => schemaGrammar(actionAnswers(options));

/** The answers themselves. */
export function actionAnswers(options: ActionGrammarOptions): z.ZodType {
  const payees = names("payee", options.payees);
  const tokens = names("token", options.tokens);
  const reasons = names("hold reason", options.holdReasons);
  if (reasons.length === 0) throw new InvalidRequestError("without a hold reason the model could not refuse");
  const amounts = options.message && names("amount", options.message.amounts);
  const references = options.message && names("reference", options.message.references);
  const hold = z.strictObject({ action: z.literal("hold"), reason: z.enum(reasons) });
  // A message without a number has no amount to pay.
  if (payees.length === 0 || tokens.length === 0 || amounts?.length === 0) return hold;
  const transfer = z.strictObject({
    action: z.literal("transfer"),
    to: z.enum(payees),
    // Digits as in the MODEL_CARD: amounts are decimal strings, at most 18 decimals as ether has.
    amount: amounts ? z.enum(amounts) : z.string().regex(/^[0-9]{1,12}(\.[0-9]{1,18})?$/),
    token: z.enum(tokens),
    reference: references
      ? z.enum(["", ...references])
      : z.string().regex(/^[\x20-\x21\x23-\x5B\x5D-\x7E]{0,32}$/),
  });
  return z.union([transfer, hold]);
}

function names(kind: string, list: readonly string[]): readonly string[] {
  if (list.length > MOST_NAMES)
    throw new InvalidRequestError(`more than ${MOST_NAMES} ${kind}s`, { count: list.length });
  for (const name of list)
    if (!PLAIN.test(name))
      throw new InvalidRequestError(
        `the ${kind} is not 1 to 64 printable ASCII characters without " and \\`,
        { name },
      );
  return [...new Set(list)];
}
