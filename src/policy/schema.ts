import { getAddress, isAddress, type Address } from "viem";
import * as z from "zod";

const name = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,31}$/, 'lower case letters, digits and dashes, e.g. "acme-hosting"');
const symbol = z.string().regex(/^[A-Z][A-Z0-9]{0,11}$/, 'upper case letters and digits, e.g. "USDC"');
const address = z
  .string()
  .refine(
    (text) => isAddress(text),
    "an address: 0x and 40 hex digits, with a right checksum if it has capitals",
  )
  .transform((text): Address => getAddress(text));
/** `"42.50 USDC"`: the unit stands with the number, so that no reader has to guess it. */
const amount = z
  .string()
  .regex(/^\d+(\.\d+)? [A-Z][A-Z0-9]*$/, 'an amount with its unit, e.g. "500.00 USDC"');
const duration = z.string().regex(/^\d+(m|h|d)$/, 'a duration, e.g. "30m", "24h" or "7d"');
const instant = z.iso.datetime({
  offset: true,
  error: 'a moment with its zone, e.g. "2027-06-30T00:00:00Z"',
});
const domain = z.string().regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/, 'a domain in lower case, e.g. "acme.example"');

/** A policy document as an operator writes it (YAML or JSON). Unknown keys are errors: a typo must not widen anything. */
export const policySchema = z.strictObject({
  policy: name.describe("Name of the policy."),
  version: z.literal(1),
  /** EIP-155 chain id. */
  chain: z.int().positive(),
  tokens: z.record(symbol, z.strictObject({ address, decimals: z.int().min(0).max(36) })),
  payees: z.record(
    name,
    z.strictObject({
      address,
      /** Mail domains this payee writes from. A bill for the payee from elsewhere has to be asked about. */
      senders: z.array(domain).min(1).optional(),
      /** Other names that messages call this payee by; the registry's name is put in their place before a model reads. */
      names: z.array(z.string().min(3).max(64)).min(1).optional(),
    }),
  ),
  limits: z
    .array(
      z.strictObject({
        perPayment: amount,
        perWindow: amount,
        /** Length of the rolling window. */
        window: duration,
        lifetime: amount,
      }),
    )
    .min(1),
  gas: z.strictObject({
    /** All gas this policy may ever pay, in the native coin, charged at the required prefund. */
    budget: amount,
    perOperation: amount,
  }),
  expires: instant,
  /** Distinguishes two otherwise equal grants; burned on revocation. */
  salt: z.int().min(0).max(0xfffff).default(0),
  mail: z
    .strictObject({
      /** What a bill leads to whose sender could not be authenticated. Advisory: the chain does not read mail. */
      unauthenticated: z.enum(["ask", "deny", "allow"]).default("ask"),
    })
    .default({ unauthenticated: "ask" }),
});

export type PolicyDocument = z.infer<typeof policySchema>;
