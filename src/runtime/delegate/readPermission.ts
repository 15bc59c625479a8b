import { isAddressEqual, type Address, type Hex } from "viem";
import * as z from "zod";

import {
  delegationsIn,
  expiryTerms,
  noValueTerms,
  periodTerms,
  rootAuthority,
  type FrameworkCaveat,
} from "../../chain/delegationFramework.ts";
import type { Json } from "../../core/json.ts";
import type { Permission, PermissionTerms } from "../../policy/permission.ts";
import { DelegationError } from "./answers.ts";
import { permissionType } from "./permissionRequest.ts";

const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/)
  .transform((text) => text as Address);
/** Wallets write numbers as numbers, as decimal text and as hexadecimal. */
const whole = z
  .union([z.int().min(0), z.string().regex(/^(0x[0-9a-fA-F]{1,64}|\d{1,78})$/)])
  .transform((value) => BigInt(value));
const unadjusted = z.literal(false).optional();
const dependencies = z.array(z.unknown()).nullish();

/**
 * What a wallet says that it permitted: ERC-7715 of today, and as MetaMask wrote it before (`address`, `signer`, `expiry`, `accountMeta`,
 * `signerMeta`). A field that is none of these is refused: nobody here knows what it would permit.
 */
const answerSchema = z.strictObject({
  chainId: whole,
  from: address.optional(),
  address: address.optional(),
  to: address.optional(),
  signer: z.strictObject({ type: z.literal("account"), data: z.strictObject({ address }) }).optional(),
  isAdjustmentAllowed: unadjusted,
  permission: z.strictObject({
    type: z.string(),
    isAdjustmentAllowed: unadjusted,
    data: z.strictObject({
      tokenAddress: address,
      periodAmount: whole,
      periodDuration: whole,
      startTime: whole,
      justification: z.string().optional(),
    }),
  }),
  expiry: whole.optional(),
  rules: z
    .array(
      z.strictObject({
        type: z.string(),
        isAdjustmentAllowed: unadjusted,
        data: z.strictObject({ timestamp: whole }),
      }),
    )
    .nullish(),
  context: z
    .string()
    .regex(/^0x([0-9a-fA-F]{2})+$/)
    .transform((text) => text.toLowerCase() as Hex),
  delegationManager: address.optional(),
  signerMeta: z
    .strictObject({ delegationManager: address, userOpBuilder: z.unknown().optional() })
    .optional(),
  dependencies,
  accountMeta: dependencies,
  dependencyInfo: dependencies,
});
/** Of a message that may hold a wallet's own words. */
const longestWords = 200;
type Answer = z.infer<typeof answerSchema>;

/**
 * Reads what a wallet answered, and holds every field of it, and every word of what it signed, against what was asked: it is exactly that,
 * or it is refused. Whether it is signed by the payer, the chain says (`probePermission`).
 *
 * @throws DelegationError
 */
export function readPermission(answer: Json, asked: PermissionTerms, chainId: number): Permission {
  const items: readonly unknown[] = Array.isArray(answer) ? answer : [answer];
  if (items.length !== 1) throw other(`it names ${items.length} permissions`);
  const read = answerSchema.safeParse(items[0]);
  if (!read.success) {
    const [issue] = read.error.issues;
    throw other(
      `${issue?.path.join(".") || "it"} can't be read: ${(issue?.message ?? "it is of another form").slice(0, longestWords)}`,
    );
  }
  const wrong = differing(read.data, asked, chainId);
  if (wrong !== undefined) throw other(wrong);
  const needed = [read.data.dependencies, read.data.accountMeta, read.data.dependencyInfo].flatMap(
    (list) => list ?? [],
  );
  if (needed.length > 0)
    throw new DelegationError(
      "The wallet's account is not on the chain yet, so nothing can be taken out of it.",
      {
        remedy: "Send any transaction with that wallet, which makes its account, then start again.",
        facts: { dependencies: needed.length },
      },
    );
  const { context } = read.data;
  return { ...asked, context, enforcer: enforcerIn(context, asked) };
}

/** What of an answer is another thing than what was asked, in words. */
function differing(answer: Answer, asked: PermissionTerms, chainId: number): string | undefined {
  const { permission, rules } = answer;
  const { data } = permission;
  const same = (one: Address | undefined, two: Address): boolean =>
    one !== undefined && isAddressEqual(one, two);
  /** Each place where something may stand says the same, and one of them says it. */
  const all = (said: readonly (Address | undefined)[], wanted: Address): boolean => {
    const there = said.filter((one) => one !== undefined);
    return there.length > 0 && there.every((one) => same(one, wanted));
  };
  const ends = [...(rules ?? []).map(({ data: { timestamp } }) => timestamp), answer.expiry].filter(
    (end) => end !== undefined,
  );
  const checks: readonly (readonly [boolean, string])[] = [
    [answer.chainId === BigInt(chainId), "it is for another chain"],
    [all([answer.from, answer.address], asked.account), "it is out of another account"],
    [all([answer.to, answer.signer?.data.address], asked.spender), "it is for somebody else"],
    [permission.type === permissionType, "it is of another type"],
    [same(data.tokenAddress, asked.token), "it is for another token"],
    [data.periodAmount === asked.perPeriod, "it is for another amount"],
    [data.periodDuration === BigInt(asked.period), "its periods are of another length"],
    [data.startTime === BigInt(asked.start), "it begins at another time"],
    [(rules ?? []).every(({ type }) => type === "expiry"), "it has a rule that is not known here"],
    [ends.length > 0 && ends.every((end) => end === BigInt(asked.expiry)), "it ends at another time"],
    [
      all([answer.delegationManager, answer.signerMeta?.delegationManager], asked.manager),
      "a contract would enforce it that is not trusted here",
    ],
  ];
  return checks.find(([holds]) => !holds)?.[1];
}

/**
 * The enforcer of the periods, in a context that permits what was asked and nothing else: one delegation of the payer's to the agent's
 * contract, with the period, with the end, and, if the wallet likes, without native coin.
 */
function enforcerIn(context: Hex, asked: PermissionTerms): Address {
  const delegations = delegationsIn(context);
  const [delegation] = delegations ?? [];
  if (!delegation || delegations?.length !== 1) throw other("what it signed is not one delegation");
  if (!isAddressEqual(delegation.delegate, asked.spender)) throw other("what it signed is for somebody else");
  if (!isAddressEqual(delegation.delegator, asked.account))
    throw other("what it signed is out of another account");
  if (delegation.authority !== rootAuthority)
    throw other("what it signed is another's permission, handed on");
  const of = (terms: Hex) => delegation.caveats.filter((caveat) => isCaveat(caveat, terms));
  const [period, ...others] = of(periodTerms(asked));
  const ends = of(expiryTerms(asked.expiry));
  const values = of(noValueTerms);
  if (!period || others.length > 0) throw other("what it signed is not limited to the amount a period");
  if (ends.length !== 1) throw other("what it signed does not end when it was asked to");
  if (values.length > 1 || delegation.caveats.length !== 2 + values.length)
    throw other("what it signed has a condition that is not known here");
  return period.enforcer;
}

const isCaveat = ({ args, terms }: FrameworkCaveat, wanted: Hex): boolean =>
  args === "0x" && terms.toLowerCase() === wanted.toLowerCase();

const other = (why: string): DelegationError =>
  new DelegationError(`The wallet permitted something else than it was asked: ${why}.`, {
    remedy:
      "Nothing is delegated, and nobody here uses what it signed. End that in the wallet, and don't trust it.",
  });
