import { type Address, type Hex } from "viem";
import * as z from "zod";

import type { JsonObject } from "../core/json.ts";
import { address, whole, seconds } from "./jsonFields.ts";

/**
 * What a wallet is asked to permit (ERC-7715, erc20-token-periodic): one agent's PermissionSpender takes so much of one token in each
 * period. It names no payees: these are the agent's policy's to say.
 */
export type PermissionTerms = {
  /** Payer. */
  readonly account: Address;
  /** The agent's PermissionSpender: the permission is given to it. */
  readonly spender: Address;
  /** The delegation manager that enforces it. */
  readonly manager: Address;
  readonly token: Address;
  /** Most in a period, base units, inclusive. What a period leaves is lost to the next. */
  readonly perPeriod: bigint;
  /** Seconds; the first period begins at `start`. */
  readonly period: number;
  /** Unix seconds, inclusive. */
  readonly start: number;
  /** Unix seconds: from then on nothing may be spent. */
  readonly expiry: number;
  readonly purpose: string;
};

/** What a wallet permitted. */
export type Permission = PermissionTerms & {
  /** abi.encode(Delegation[]), signed. */
  readonly context: Hex;
  /** The contract that counts what the period leaves. */
  readonly enforcer: Address;
};

/** The most that a permission can ever cost, in base units: periods begin at `start`, and the last one may be short. */
export const mostPermitted = ({ expiry, period, perPeriod, start }: PermissionTerms): bigint =>
  perPeriod * BigInt(Math.ceil((expiry - start) / period));

const lower = (address: Address): string => address.toLowerCase();

/** A permission as journals and observations hold it: amounts as decimal text. */
export const permissionJson = (permission: Permission): JsonObject => ({
  ...permission,
  account: lower(permission.account),
  spender: lower(permission.spender),
  manager: lower(permission.manager),
  token: lower(permission.token),
  enforcer: lower(permission.enforcer),
  perPeriod: permission.perPeriod.toString(),
  context: permission.context.toLowerCase(),
});

const schema = z.strictObject({
  account: address,
  spender: address,
  manager: address,
  token: address,
  perPeriod: whole,
  period: seconds,
  start: seconds,
  expiry: seconds,
  purpose: z.string(),
  context: z
    .string()
    .regex(/^0x([0-9a-f]{2})+$/)
    .transform((text) => text as Hex),
  enforcer: address,
});

/** The way back. @throws ZodError for what no permission was written as */
export const permissionOf = (json: JsonObject): Permission => schema.parse(json);
