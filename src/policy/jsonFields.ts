import { getAddress, type Address, type Hex } from "viem";
import * as z from "zod";

// What grants and permissions are written with, in journals and in typed data. Read back strictly: each value has one form.

/** An address in lower case. */
export const address = z
  .string()
  .regex(/^0x[0-9a-f]{40}$/)
  .transform((text): Address => getAddress(text));

/** 32 bytes in lower case. */
export const word = z
  .string()
  .regex(/^0x[0-9a-f]{64}$/)
  .transform((text) => text as Hex);

/** A whole number as decimal text. */
export const whole = z
  .string()
  .regex(/^\d{1,78}$/)
  .transform(BigInt);

/** Unix time, or a length, in seconds. */
export const seconds = z
  .int()
  .min(0)
  .max(2 ** 48);
