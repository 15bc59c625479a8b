import { getAddress, isAddress, type Address } from "viem";
import * as z from "zod";

/** Text of one form. `expected` completes the sentence "has to be …", and is what to write instead. */
const text = (form: RegExp, expected: string) =>
  z.string(expected).regex(form, { error: expected, abort: true });

const name = text(/^[a-z][a-z0-9-]{0,31}$/, 'lower case letters, digits and dashes, e.g. "acme-hosting"');
const symbol = text(/^[A-Z][A-Z0-9]{0,11}$/, 'upper case letters and digits, e.g. "USDC"');
const anAddress = "an address in quotes: 0x and 40 hex digits, with a right checksum if it has capitals";
const address = text(/^0x[0-9a-fA-F]{40}$/, anAddress)
  .refine((given) => isAddress(given), anAddress)
  .transform((given): Address => getAddress(given));
/** `"42.50 USDC"`: the unit stands with the number, so that no reader has to guess it. */
const amount = text(
  /^\d{1,78}(\.\d{1,36})? [A-Z][A-Z0-9]{0,11}$/,
  'an amount with its unit, e.g. "500.00 USDC"',
).meta({
  examples: ["500.00 USDC", "0.05 ETH"],
});
const duration = text(/^\d+(m|h|d)$/, 'a duration, e.g. "30m", "24h" or "7d"').meta({
  examples: ["30m", "24h", "7d"],
});
const instant = z.iso.datetime({
  offset: true,
  error: 'a moment with its zone, e.g. "2027-06-30T00:00:00Z"',
});
const domain = text(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/, 'a domain in lower case, e.g. "acme.example"');
/** Words as people write them, on one line: no control characters, nothing that turns the direction of writing. */
const plain = text(
  /^[ -~\u00a0-\u061b\u061d-\u200a\u2010-\u2027\u202f-\u205f\u2070-\ufefe\uff00-\uffff]{3,64}$/,
  "3 to 64 characters that can be seen, on one line",
);
const parameterPath = text(
  /^[\w]+(\.[\w]+)*$/,
  'a parameter by name, with dots into tuples, e.g. "params.amountIn"',
);

/** A person or a contract by name: approvers, guardians, call targets. */
const addressEntry = z.strictObject({ address: address.describe("0x and 40 hex digits.") });

/**
 * What a word of a call may be: an amount, a name of the registry, an address, a whole number, hex bytes or a truth value.
 * Nothing else: it is shown in the sentences that a person signs under, so it may not be a sentence itself.
 */
const aNumber = 'an amount ("100.00 USDC") or a whole number';
const anArgument =
  'an amount ("100.00 USDC"), a name of the policy, an address, a whole number, hex or true/false';
const word =
  /^(\d{1,78}|\d{1,78}(\.\d{1,36})? [A-Z][A-Z0-9]{0,11}|0x[0-9a-fA-F]*|[A-Z][A-Z0-9]{0,11}|[a-z][a-z0-9-]{0,31})$/;
const argument = z.union([text(word, anArgument), z.int().min(0), z.boolean()], { error: anArgument });
const number = z.union(
  [text(/^(\d{1,78}|\d{1,78}(\.\d{1,36})? [A-Z][A-Z0-9]{0,11})$/, aNumber), z.int().min(0)],
  { error: aNumber },
);
const isOneKind = (given: Readonly<Record<string, unknown>>) => {
  const keys = Object.keys(given);
  return keys.length === 1 || (keys.length === 2 && "atMost" in given && "atLeast" in given);
};
const condition = z
  .strictObject({
    equals: argument.optional().describe("The one value that is allowed."),
    in: z.array(argument).min(1).optional().describe("The values that are allowed."),
    atMost: number.optional().describe("Largest allowed value, inclusive; compared without sign."),
    atLeast: number.optional().describe("Smallest allowed value, inclusive; compared without sign."),
    self: z.literal(true).optional().describe("The argument has to be the account itself."),
  })
  .refine(isOneKind, "one of equals, in, self, or a range of atMost and atLeast");

const limit = z.strictObject({
  perPayment: amount.describe("Most that one operation may pay without an approver, inclusive."),
  perWindow: amount.describe("Most in any interval of the length of `window`, inclusive."),
  window: duration.describe("Length of the rolling window: 30 minutes to 1165 days."),
  lifetime: amount.describe("Most ever, inclusive."),
  functions: z
    .array(z.enum(["transferFrom", "approve", "increaseAllowance", "permit"]))
    .min(1)
    .optional()
    .describe(
      "ERC-20 functions allowed beside transfer. What is approved counts as spent at once, and may be pulled at any later time, also after a revocation.",
    ),
  operations: z
    .strictObject({
      perWindow: z
        .int()
        .min(1)
        .max(0xffff)
        .optional()
        .describe("Most operations with calls in any interval of the length of `window`."),
      lifetime: z.int().min(1).max(0xffffff).optional().describe("Most operations with calls, ever."),
    })
    .optional()
    .describe("How often the agent may act, whatever it spends."),
  escalation: z
    .strictObject({
      upTo: amount.describe("Most that one operation may pay with an approver's co-signature, inclusive."),
    })
    .optional()
    .describe(
      "Above perPayment one of the `approvers` has to co-sign. Window and lifetime hold all the same.",
    ),
});

const call = z.strictObject({
  to: name.describe(
    "Contract that may be called: a name under `contracts`, or a payee marked `contract: true`.",
  ),
  function: z
    .string()
    .min(1)
    .describe("The function as Solidity writes it, with parameter names.")
    .meta({ examples: ["function deposit(uint256 assets, address receiver)"] }),
  counts: symbol.describe("The limit that counts this call, by the symbol of its token."),
  spends: parameterPath
    .optional()
    .describe("Parameter that counts as spent, in base units. Native coin sent along counts in any case."),
  where: z
    .record(parameterPath, condition)
    .optional()
    .describe("What arguments have to be. All have to hold; a parameter that is not named may be anything."),
});

const aChain = "an EIP-155 chain id, e.g. 1";
const aSalt = "a whole number from 0 to 1048575";

/** A policy document as an operator writes it (YAML or JSON). Unknown keys are errors: a typo must not widen anything. */
export const policySchema = z.strictObject({
  $schema: z.string().optional().describe("For editors; not a part of the policy."),
  policy: name.describe("Name of the policy."),
  version: z.literal(1, "1, the version of the language").describe("Version of the language."),
  chain: z
    .int(aChain)
    .positive(aChain)
    .describe("EIP-155 chain id.")
    .meta({ examples: [1, 8453, 31337] }),
  tokens: z
    .record(
      symbol,
      z.strictObject({
        address: address.describe("The ERC-20 contract on this chain."),
        decimals: z
          .int()
          .min(0)
          .max(36)
          .describe("As the contract says; a difference is an error at installation."),
      }),
    )
    .describe("ERC-20 tokens by symbol. ETH is the native coin and needs no entry."),
  payees: z
    .record(
      name,
      z.strictObject({
        address: address.describe("The only address this name stands for."),
        senders: z
          .array(domain)
          .min(1)
          .optional()
          .describe(
            "Advisory: mail domains this payee writes from. A bill for it from elsewhere is asked about.",
          ),
        names: z
          .array(plain)
          .min(1)
          .optional()
          .describe(
            "Advisory: other names that messages call this payee by; the registry's name is put in their place before a model reads.",
          ),
        purse: z
          .boolean()
          .optional()
          .describe(
            "It is a plain key of the agent, topped up for signature-based payments. Nothing limits it.",
          ),
        contract: z
          .boolean()
          .optional()
          .describe("It is a contract: it may be approved and called, and may pass on what it is paid."),
      }),
    )
    .describe("Who may be paid, or be a spender, by name."),
  contracts: z
    .record(name, addressEntry)
    .optional()
    .describe("Contracts that are called but never paid, by name."),
  limits: z
    .array(limit)
    .describe("One for each token or coin. None at all: the agent watches, decides, logs and pays gas."),
  calls: z
    .array(call)
    .min(1)
    .optional()
    .describe("Calls allowed beside payments. Any other call is refused."),
  approvers: z
    .record(name, addressEntry)
    .optional()
    .describe("Any one of them may co-sign above perPayment."),
  guardians: z
    .record(name, addressEntry)
    .optional()
    .describe(
      "Each may freeze the account; only the owner unfreezes. A setting of the account, made by its owner.",
    ),
  heartbeat: duration
    .optional()
    .describe("The agent may act only this long after the owner's last heartbeat."),
  paymaster: address
    .optional()
    .describe("The one contract that may sponsor gas. What it pays touches neither budget nor fee cap."),
  accountCaps: z
    .array(
      z.strictObject({
        perWindow: amount.describe("Most that all agents of the account together may spend in the window."),
        window: duration.describe("Length of the rolling window."),
      }),
    )
    .min(1)
    .optional()
    .describe("Caps over all agents together. A setting of the account, made by its owner."),
  gas: z
    .strictObject({
      budget: amount.describe(
        "All gas that each limit may ever pay, in the native coin, charged at the required prefund.",
      ),
      perOperation: amount.describe("Most for the gas of one operation."),
    })
    .describe("Each limit has this budget of its own: with two limits it is spent twice."),
  expires: instant
    .describe("Last second at which the agent may act.")
    .meta({ examples: ["2027-06-30T00:00:00Z"] }),
  salt: z
    .int(aSalt)
    .min(0, aSalt)
    .max(0xfffff, aSalt)
    .default(0)
    .describe("Distinguishes two otherwise equal grants; burned on revocation."),
  mail: z
    .strictObject({
      unauthenticated: z
        .enum(["ask", "deny", "allow"])
        .default("ask")
        .describe(
          "Advisory: what a bill leads to whose sender could not be authenticated. The chain reads no mail.",
        ),
    })
    .default({ unauthenticated: "ask" })
    .describe("Advisory: followed by the runtime, not enforced by the chain."),
});

export type PolicyDocument = Omit<z.infer<typeof policySchema>, "$schema">;
export type LimitClause = PolicyDocument["limits"][number];
export type CallClause = z.infer<typeof call>;
export type ConditionClause = z.infer<typeof condition>;
