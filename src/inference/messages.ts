import { z } from "zod";
import type {
  EngineSettings,
  FingerprintRow,
  Fingerprints,
  Inference,
  ModelIdentity,
  OptionWeight,
  Prompt,
  RuntimeIdentity,
  Sampling,
  ThoughtSpan,
} from "../core/inference.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import {
  brokenEngineSchema,
  claimedModelSchema,
  hedgedRunSchema,
  remoteRunSchema,
} from "./remote/recordSchema.ts";

// What supervisor and worker say to each other. Both sides validate every message they receive: the worker runs
// native code over foreign files, so the process with the keys does not trust its words.

/** llama.cpp token ids are int32; the bound only keeps a broken peer from filling the memory. */
const MAX_TOKENS = 1 << 20;
/** Each option costs a pass of its own. */
const MOST_OPTIONS = 64;
/** Longest text in a message, in UTF-16 units. */
const MAX_TEXT = 1 << 22;

/** Most runs at once, here and in a record: each sequence costs a whole context of memory. */
export const MOST_SEQUENCES = 16;

const natural = z.int().min(0);
const positive = z.int().min(1);
const text = z.string().max(MAX_TEXT);
const hex = z
  .templateLiteral(["0x", z.string()])
  .refine((value) => /^0x[0-9a-f]{64}$/.test(value), "not a sha256");
const tokens = z.array(natural).max(MAX_TOKENS);

/** Text that has a UTF-8 form. A lone surrogate has none: model and record would see different characters. */
const sound = text.refine((value) => value.isWellFormed(), "the text holds a lone surrogate");

export const promptSchema = z.strictObject({
  messages: z
    .array(z.strictObject({ role: z.enum(["system", "user", "assistant"]), content: sound }))
    .min(1)
    .max(4096),
  grammar: sound.nullable(),
  jsonSchema: z.custom<JsonObject>(isJsonObject, "not a JSON object of integers and text").exactOptional(),
  maxTokens: positive.max(MAX_TOKENS),
  thought: z.strictObject({ maxTokens: positive.max(MAX_TOKENS) }).exactOptional(),
  options: z
    .array(sound.min(1).max(256))
    .min(1)
    .max(MOST_OPTIONS)
    .refine((list) => new Set(list).size === list.length, "an option is named twice")
    .exactOptional(),
}) satisfies z.ZodType<Prompt>;

export const samplingSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("greedy") }),
  z.strictObject({
    kind: z.literal("sampled"),
    temperatureMilli: positive.max(100_000),
    topK: positive.max(MAX_TOKENS),
    topPMilli: positive.max(1000),
    seed: natural.max(0xffff_ffff),
  }),
]) satisfies z.ZodType<Sampling>;

export const settingsSchema = z.strictObject({
  contextSize: positive,
  batchSize: positive,
  threads: positive.max(1024),
  flashAttention: z.boolean(),
  gpuLayers: natural,
  sequences: positive,
}) satisfies z.ZodType<EngineSettings>;

const modelSchema = z.strictObject({
  file: text,
  sha256: hex,
  sizeBytes: natural,
  architecture: text,
  quantization: text,
  parameters: natural,
  contextLength: positive,
  templateSha256: hex.nullable(),
  tokenizerSha256: hex,
}) satisfies z.ZodType<ModelIdentity>;

const runtimeSchema = z.strictObject({
  binding: text,
  llamaCpp: text,
  backend: text,
  devices: z.array(text),
  libraries: z.array(z.strictObject({ name: text, sha256: hex })),
  platform: text,
}) satisfies z.ZodType<RuntimeIdentity>;

const integer = z.int();
const rowSchema = z.strictObject({
  at: natural,
  tokens: z.array(natural).max(64),
  logitsMilli: z.array(integer).max(64),
}) satisfies z.ZodType<FingerprintRow>;
export const fingerprintsSchema = z.strictObject({
  every: positive,
  rows: z.array(rowSchema).max(MAX_TOKENS),
}) satisfies z.ZodType<Fingerprints>;

const thoughtSchema = z.strictObject({
  text,
  tokens: natural,
  forced: natural,
  end: z.enum(["model", "turn", "budget"]),
}) satisfies z.ZodType<ThoughtSpan>;

const optionsSchema = z
  .array(z.strictObject({ text, logMilli: integer.max(0), probabilityPermille: natural.max(1000) }))
  .max(MOST_OPTIONS) satisfies z.ZodType<OptionWeight[]>;

/** A whole record, as it comes back from a file. */
export const inferenceSchema = z
  .strictObject({
    mode: z.enum(["canonical", "fast", "remote", "scripted"]),
    model: z.union([modelSchema, claimedModelSchema]),
    runtime: runtimeSchema,
    settings: settingsSchema.nullable(),
    sampling: samplingSchema,
    prompt: promptSchema,
    promptTokens: tokens,
    outputTokens: tokens,
    text,
    stopReason: z.enum(["end", "maxTokens", "grammar"]),
    fingerprints: fingerprintsSchema,
    thought: thoughtSchema.exactOptional(),
    options: optionsSchema.exactOptional(),
    timing: z.strictObject({
      prefillMs: natural,
      generationMs: natural,
      queueMs: natural.exactOptional(),
      reusedTokens: natural.exactOptional(),
    }),
    energy: z.strictObject({ millijoules: natural, source: text }).exactOptional(),
    remote: remoteRunSchema.exactOptional(),
    fallback: z.array(brokenEngineSchema).min(1).max(64).exactOptional(),
    hedge: hedgedRunSchema.exactOptional(),
  })
  .refine(
    ({ mode, model, remote, settings }) =>
      (mode === "remote") === (remote !== undefined) &&
      (mode === "remote") === (model.sha256 === null) &&
      (mode === "remote") === (settings === null),
    "a server's record has a server's fields, and no other has",
  ) satisfies z.ZodType<Inference>;

const openSchema = z.strictObject({
  type: z.literal("open"),
  modelPath: text,
  sha256: hex,
  mode: z.enum(["auto", "canonical", "fast"]),
  gpu: z.enum(["auto", "required"]),
  /** null: the usual one. */
  contextSize: positive.nullable(),
  threads: positive,
  sequences: positive.max(MOST_SEQUENCES),
  /** "pinned", "best", or the name of one. */
  cpuVariant: text,
});

const inferSchema = z.strictObject({
  type: z.literal("infer"),
  id: natural,
  prompt: promptSchema,
  sampling: samplingSchema,
});

/** Runs a record again: refused with `rendered` when the messages no longer give the recorded ids. */
const repeatSchema = z.strictObject({
  type: z.literal("repeat"),
  id: natural,
  prompt: promptSchema,
  promptTokens: tokens,
  sampling: samplingSchema,
  settings: settingsSchema,
  /** Where the recorded fingerprints are counted from. */
  anchor: z.enum(["start", "end"]),
});

/** Evaluates a record in one pass: refused with `rendered` like `repeat`. */
const checkSchema = z.strictObject({
  type: z.literal("check"),
  id: natural,
  prompt: promptSchema,
  promptTokens: tokens,
  outputTokens: tokens,
  /** The model ended its turn after the output, by its own choice or the grammar's. */
  ended: z.boolean(),
  sampling: samplingSchema,
  thought: thoughtSchema.nullable(),
  rows: z.array(rowSchema.omit({ logitsMilli: true })).max(MAX_TOKENS),
});

/** Renders and counts, runs nothing. */
const measureSchema = z.strictObject({ type: z.literal("measure"), id: natural, prompt: promptSchema });

export const toWorkerSchema = z.discriminatedUnion("type", [
  openSchema,
  inferSchema,
  repeatSchema,
  checkSchema,
  measureSchema,
  z.strictObject({ type: z.literal("cancel"), id: natural }),
]);

export const fromWorkerSchema = z.discriminatedUnion("type", [
  /** The worker listens. Sent once, before anything heavy is imported. */
  z.strictObject({ type: z.literal("booted") }),
  z.strictObject({
    type: z.literal("progress"),
    phase: z.enum(["hashing", "loading"]),
    permille: natural.max(1000),
  }),
  z.strictObject({
    type: z.literal("ready"),
    mode: z.enum(["canonical", "fast"]),
    model: modelSchema,
    runtime: runtimeSchema,
    settings: settingsSchema,
  }),
  z.strictObject({ type: z.literal("phase"), id: natural, phase: z.enum(["prefill", "generation"]) }),
  z.strictObject({
    type: z.literal("result"),
    id: natural,
    promptTokens: tokens,
    outputTokens: tokens,
    text,
    stopReason: z.enum(["end", "maxTokens", "grammar"]),
    fingerprints: fingerprintsSchema,
    thought: thoughtSchema.nullable(),
    options: optionsSchema.nullable(),
    prefillMs: natural,
    generationMs: natural,
    reusedTokens: natural,
  }),
  z.strictObject({ type: z.literal("rendered"), id: natural, promptTokens: tokens }),
  z.strictObject({
    type: z.literal("checked"),
    id: natural,
    steps: z
      .array(
        z.strictObject({
          /** Place among the output tokens. */
          index: natural,
          /** null: the end of the turn. */
          recorded: natural.nullable(),
          best: natural,
          marginMilli: natural,
        }),
      )
      .max(MAX_TOKENS + 2),
    /** Logits of the tokens that were asked for, in thousandths. */
    rows: z.array(z.array(integer).max(64)).max(MAX_TOKENS),
    text,
    options: optionsSchema.nullable(),
    /** How many tokens each of them has. */
    optionTokens: z.array(positive).max(MOST_OPTIONS),
  }),
  /** The recorded thought is none that these tokens could be. */
  z.strictObject({ type: z.literal("otherThought"), id: natural }),
  z.strictObject({
    type: z.literal("measured"),
    id: natural,
    promptTokens: natural,
    contextSize: positive,
    roomTokens: integer,
  }),
  z.strictObject({
    type: z.literal("failed"),
    /** null: the opening failed. */
    id: natural.nullable(),
    code: z.enum(["hash", "file", "memory", "gpu", "variant", "promptTooLong", "request", "cancelled"]),
    message: text,
    facts: z.record(z.string(), z.string()),
  }),
]);

export type ToWorker = z.infer<typeof toWorkerSchema>;
export type FromWorker = z.infer<typeof fromWorkerSchema>;
export type OpenRequest = z.infer<typeof openSchema>;
export type CheckRequest = z.infer<typeof checkSchema>;
export type MeasureRequest = z.infer<typeof measureSchema>;
export type WorkRequest =
  z.infer<typeof inferSchema> | z.infer<typeof repeatSchema> | CheckRequest | MeasureRequest;
export type ReadyMessage = Extract<FromWorker, { type: "ready" }>;
export type Answer = Extract<
  FromWorker,
  { type: "result" | "rendered" | "checked" | "otherThought" | "measured" }
>;
export type Failure = Extract<FromWorker, { type: "failed" }>;
