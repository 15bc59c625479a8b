import { z } from "zod";

import type { BrokenEngine, ClaimedModel, HedgedRun, RemoteRun } from "../../core/inference.ts";

// What of a record a server has told, as it comes back from a file.

const natural = z.int().min(0);
const words = z.string().max(4096);

export const claimedModelSchema = z.strictObject({
  file: words,
  sha256: z.null(),
}) satisfies z.ZodType<ClaimedModel>;

export const remoteRunSchema = z.strictObject({
  profile: words,
  url: words,
  askedModel: words,
  constraint: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.enum(["grammar", "schema", "none"]) }),
    z.strictObject({ kind: z.literal("not enforced"), why: words }),
  ]),
  claims: z.record(words, words),
  usage: z.strictObject({
    promptTokens: natural.nullable(),
    cachedTokens: natural.nullable(),
    outputTokens: natural.nullable(),
  }),
  tellsTokens: z.strictObject({ prompt: z.boolean(), output: z.boolean() }),
  logprobsMilli: z
    .array(z.int())
    .max(1 << 20)
    .nullable(),
}) satisfies z.ZodType<RemoteRun>;

export const brokenEngineSchema = z.strictObject({
  engine: words,
  error: words,
  ms: natural,
}) satisfies z.ZodType<BrokenEngine>;

export const hedgedRunSchema = z.strictObject({
  afterMs: natural,
  winner: z.enum(["first", "second"]),
  loser: words,
}) satisfies z.ZodType<HedgedRun>;
