import type { Hex } from "viem";
import * as z from "zod";

import { requireModel } from "../inference/modelStore.ts";
import { profileNames } from "../inference/remote/profiles.ts";
import { ConfigError } from "./configError.ts";

/** Where the model thinks: in a child process of ours, from a file; or on a server. */
export type LocalModel = {
  readonly file: string;
  readonly sha256: Hex;
  readonly mode: "auto" | "canonical" | "fast";
  /** Refuse to start where the model can't run on a GPU. */
  readonly gpu?: "required";
  /** In tokens; the engine's usual one when not given. */
  readonly contextSize?: number;
  readonly threads: number;
  /** Runs at a time, for agents of one process that share the model. */
  readonly sequences?: number;
  /** "pinned", "best" or the name of one of llama.cpp's CPU variants; canonical mode only (docs/decisions/0007). */
  readonly cpuVariant?: string;
  /** In milliseconds, by phase (docs/inference.md). */
  readonly deadlines?: z.infer<typeof deadlinesSchema>;
};
export type RemoteModel = { readonly remote: z.infer<typeof remoteSchema> };
export type EngineConfig = LocalModel | RemoteModel;
/** The engine to ask, and those to ask when it breaks. */
export type ModelConfig = EngineConfig & {
  readonly fallback?: readonly EngineConfig[];
  /** For all of them together, in milliseconds. */
  readonly deadlineMs?: number;
};

/** The engine to ask first, and those to fall back on. */
export function enginesOf(config: ModelConfig): readonly EngineConfig[] {
  const { deadlineMs: _, fallback = [], ...first } = config;
  return [first, ...fallback];
}

const sha256 = z
  .string()
  .regex(/^0x[0-9a-f]{64}$/, "has to be 0x and 64 lower-case hex digits")
  .transform((text) => text as Hex);

const milliseconds = z.int().min(100).max(86_400_000).exactOptional();
const deadlinesSchema = z
  .strictObject({
    /** Hashing and loading. */
    loadMs: milliseconds,
    /** Until the first token. */
    prefillMs: milliseconds,
    /** From the first token on: thought and answer. */
    generationMs: milliseconds,
    /** Both together. */
    inferMs: milliseconds,
    /** For its turn, where agents share a model. */
    queueMs: milliseconds,
  })
  .readonly();

const remoteSchema = z
  .strictObject({
    url: z.url({ protocol: /^https?$/ }),
    profile: z.enum(profileNames),
    /** The name by which the server knows the model. */
    model: z.string().min(1).max(256),
    /** Holds the key and nothing else. */
    apiKeyFile: z.string().min(1).exactOptional(),
    /** Plain http to another machine. */
    allowHttp: z.boolean().default(false),
    /** Context to ask for, where the client says it (Ollama). */
    contextSize: z.int().min(64).max(10_000_000).exactOptional(),
    logprobs: z.boolean().exactOptional(),
    /** Reasoning models answer at once, where their server lets them; `as is` leaves it to the server. */
    thinking: z.enum(["off", "as is"]).exactOptional(),
    /** For one inference, in milliseconds. */
    deadlineMs: z.int().min(100).max(3_600_000).default(60_000),
    /** Ask twice when the first answer is late: the same server, or another one. */
    hedge: z
      .strictObject({
        url: z.url({ protocol: /^https?$/ }).exactOptional(),
        profile: z.enum(profileNames).exactOptional(),
        model: z.string().min(1).max(256).exactOptional(),
        apiKeyFile: z.string().min(1).exactOptional(),
        allowHttp: z.boolean().exactOptional(),
        /** Answers of the first that are seen before any is called late. */
        minSamples: z.int().min(1).max(200).default(20),
      })
      .readonly()
      .exactOptional(),
  })
  .readonly();

const localKeys = [
  "file",
  "sha256",
  "name",
  "store",
  "mode",
  "gpu",
  "contextSize",
  "threads",
  "sequences",
  "cpuVariant",
  "deadlines",
] as const;

const engine = z.strictObject({
  remote: remoteSchema.optional(),
  file: z.string().min(1).optional(),
  sha256: sha256.optional(),
  /** A model of the store instead of a file; its manifest knows the hash. */
  name: z.string().min(1).optional(),
  store: z.string().min(1).optional(),
  mode: z.enum(["auto", "canonical", "fast"]).optional(),
  /** Refuses to start without a GPU, instead of falling back on the CPU. */
  gpu: z.literal("required").optional(),
  contextSize: z.int().min(64).max(1_000_000).optional(),
  threads: z.int().min(1).max(256).optional(),
  sequences: z.int().min(1).max(16).optional(),
  deadlines: deadlinesSchema.optional(),
  cpuVariant: z
    .string()
    .regex(/^[\w.]+$/, "is no name of a CPU variant")
    .optional(),
});
type Written = z.infer<typeof engine>;

function checkEngine({ value, issues }: z.core.ParsePayload<Written>): void {
  const issue = (path: string, message: string) =>
    issues.push({ code: "custom", path: [path], message, input: value });
  if (value.gpu !== undefined && value.mode === "canonical")
    issue("gpu", "is not for canonical mode, which computes on the CPU");
  if (value.remote) {
    for (const key of localKeys) if (value[key] !== undefined) issue(key, "is not for a remote");
    const { hedge } = value.remote;
    // Another server never gets the first one's key; the same one needs nothing of its own.
    if (hedge && hedge.url === undefined)
      for (const key of ["profile", "model", "apiKeyFile", "allowHttp"] as const)
        if (hedge[key] !== undefined)
          issue(`remote.hedge.${key}`, "is only for another server: give its url");
  } else if (value.name === undefined) {
    if (value.file === undefined) issue("file", "has to be given, or a name of the store");
    if (value.sha256 === undefined) issue("sha256", "has to be given with a file");
    if (value.store !== undefined) issue("store", "is only for models that are named");
  } else if (value.file !== undefined) issue("file", "is not for models that are named");
}

/** As it is written. */
export const modelSchema = engine
  .extend({
    fallback: z.array(engine.check(checkEngine)).min(1).max(8).optional(),
    deadlineMs: z.int().min(100).max(3_600_000).optional(),
  })
  .check((payload) => {
    checkEngine(payload);
    const { deadlineMs, fallback } = payload.value;
    if (deadlineMs !== undefined && fallback === undefined)
      payload.issues.push({
        code: "custom",
        path: ["deadlineMs"],
        message: "is for a fallback; a remote has its own",
        input: payload.value,
      });
  });

/**
 * With its paths absolute, and the file of a named model.
 *
 * @throws ConfigError when the model of that name is another one, and what the store throws
 */
export async function resolveModel(
  { deadlineMs, fallback, ...first }: z.infer<typeof modelSchema>,
  at: (path: string) => string,
  modelFolder: string,
): Promise<ModelConfig> {
  const model = await resolveEngine(first, at, modelFolder);
  if (!fallback) return model;
  const others = await Promise.all(fallback.map((one) => resolveEngine(one, at, modelFolder)));
  return { ...model, fallback: others, deadlineMs: deadlineMs ?? 120_000 };
}

async function resolveEngine(
  { file, name, store, sha256: given, remote, ...rest }: Written,
  at: (path: string) => string,
  modelFolder: string,
): Promise<EngineConfig> {
  if (remote) {
    const key = (of: { readonly apiKeyFile?: string }) =>
      of.apiKeyFile === undefined ? {} : { apiKeyFile: at(of.apiKeyFile) };
    const { hedge } = remote;
    return {
      remote: { ...remote, ...key(remote), ...(hedge ? { hedge: { ...hedge, ...key(hedge) } } : {}) },
    };
  }
  const how = {
    mode: rest.mode ?? "auto",
    ...(rest.gpu === undefined ? {} : { gpu: rest.gpu }),
    ...(rest.contextSize === undefined ? {} : { contextSize: rest.contextSize }),
    threads: rest.threads ?? 1,
    ...(rest.deadlines === undefined ? {} : { deadlines: rest.deadlines }),
    ...(rest.sequences === undefined ? {} : { sequences: rest.sequences }),
    ...(rest.cpuVariant === undefined ? {} : { cpuVariant: rest.cpuVariant }),
  } as const;
  if (file !== undefined && given !== undefined) return { file: at(file), sha256: given, ...how };
  const { path, manifest } = await requireModel(store === undefined ? modelFolder : at(store), name ?? "");
  if (given !== undefined && given !== manifest.sha256)
    throw new ConfigError("The model of that name is not the one that the configuration means.", {
      remedy: "Correct the configuration's sha256, or name another model.",
      facts: { name, configured: given, stored: manifest.sha256 },
    });
  return { file: path, sha256: manifest.sha256, ...how };
}
