import { type Address, type Hex } from "viem";
import * as z from "zod";

import type { JsonObject } from "../core/json.ts";
import type { SpendGrant } from "./spendGrant.ts";
import { address, whole, seconds } from "./jsonFields.ts";

/** A grant as journals, observations and typed data hold it: whole numbers above 2^53 as decimal text. */
export const spendGrantJson = (grant: SpendGrant): JsonObject => ({
  ...grant,
  account: lower(grant.account),
  agent: lower(grant.agent),
  agentKey: lower(grant.agentKey),
  token: lower(grant.token),
  payees: grant.payees.map(lower),
  perCall: grant.perCall.toString(),
  perWindow: grant.perWindow.toString(),
  total: grant.total.toString(),
  epoch: grant.epoch.toString(),
  salt: grant.salt.toString(),
  policyHash: grant.policyHash.toLowerCase(),
});

const lower = (address: Address): string => address.toLowerCase();

const schema = z.strictObject({
  account: address,
  agent: address,
  agentKey: address,
  token: address,
  perCall: whole,
  perWindow: whole,
  window: seconds,
  total: whole,
  validAfter: seconds,
  validUntil: seconds,
  payees: z.array(address),
  anyPayee: z.boolean(),
  epoch: whole,
  salt: whole,
  purpose: z.string(),
  policyHash: z
    .string()
    .regex(/^0x[0-9a-f]{64}$/)
    .transform((text) => text as Hex),
});

/** The way back. @throws ZodError for what no grant was written as */
export const spendGrantOf = (json: JsonObject): SpendGrant => schema.parse(json);
