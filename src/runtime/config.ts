import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";

import { getAddress, isAddress, type Address, type Hex } from "viem";
import * as z from "zod";

import { BaseError } from "../core/errors.ts";
import { requireModel } from "../inference/modelStore.ts";

/** The configuration file is missing or has a mistake. */
export class ConfigError extends BaseError {
  override readonly name = "ConfigError";
}

const keystore = { keystore: z.string().min(1), passwordFile: z.string().min(1).optional() };

const sha256 = z
  .string()
  .regex(/^0x[0-9a-f]{64}$/, "has to be 0x and 64 lower-case hex digits")
  .transform((text) => text as Hex);

const schema = z.strictObject({
  chain: z.strictObject({
    rpc: z.url({ protocol: /^https?$/ }),
    chainId: z.int().positive(),
    /** Blocks on top of one before it counts as final; 0 only where nothing is ever undone (local chains). */
    finality: z
      .union([
        z.strictObject({ depth: z.int().min(0).max(1000) }),
        z.strictObject({ tag: z.literal("finalized") }),
      ])
      .default({ tag: "finalized" }),
  }),
  account: z
    .string()
    .refine((text) => isAddress(text), "has to be an address")
    .transform((text): Address => getAddress(text)),
  policy: z.string().min(1),
  /** What the owner signed with `bursar policy install --sign-only`: rides in the agent's first operation. */
  ownerSignatures: z.string().min(1).optional(),
  ...keystore,
  bundler: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("own"), ...keystore }),
    z.strictObject({ kind: z.literal("rpc"), url: z.url({ protocol: /^https?$/ }) }),
  ]),
  model: z
    .strictObject({
      file: z.string().min(1).optional(),
      sha256: sha256.optional(),
      /** A model of the store instead of a file; its manifest knows the hash. */
      name: z.string().min(1).optional(),
      store: z.string().min(1).optional(),
      mode: z.enum(["auto", "canonical", "fast"]).default("auto"),
      contextSize: z.int().min(64).max(1_000_000).default(1024),
      threads: z.int().min(1).max(256).default(1),
    })
    .check(({ value, issues }) => {
      const issue = (path: string, message: string) =>
        issues.push({ code: "custom", path: [path], message, input: value });
      if (value.name === undefined) {
        if (value.file === undefined) issue("file", "has to be given, or a name of the store");
        if (value.sha256 === undefined) issue("sha256", "has to be given with a file");
        if (value.store !== undefined) issue("store", "is only for models that are named");
      } else if (value.file !== undefined) issue("file", "is not for models that are named");
    }),
  /** Folder of the journal. */
  state: z.string().min(1),
});

/** What an operator configures, with every path absolute. Holds no secret: passwords and keys stay in their files. */
export type Config = Omit<Written, "model"> & {
  readonly model: Pick<Written["model"], "mode" | "contextSize" | "threads"> & {
    readonly file: string;
    readonly sha256: Hex;
  };
};
type Written = z.infer<typeof schema>;

/** Where models are kept when nobody says otherwise: `$BURSAR_HOME/models`, or `.bursar/models` in the home folder. */
export const modelFolder = (): string =>
  join(resolve(process.env["BURSAR_HOME"] || join(homedir(), ".bursar")), "models");

/**
 * Reads a configuration file (JSON). Paths in it are relative to the file.
 *
 * @throws ConfigError with every mistake
 */
export async function readConfig(file: string): Promise<Config> {
  const base = dirname(resolve(file));
  let document: unknown;
  try {
    document = JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new ConfigError(
      missing ? "There is no configuration file." : "The configuration file is not JSON.",
      {
        remedy: missing
          ? "Name one with --config; docs/architecture.md shows what it holds."
          : "Correct it and start again.",
        facts: { config: file, detail: error instanceof Error ? error.message : String(error) },
        cause: error,
      },
    );
  }
  const parsed = schema.safeParse(document);
  if (!parsed.success)
    throw new ConfigError(
      `The configuration has ${parsed.error.issues.length === 1 ? "a mistake" : `${parsed.error.issues.length} mistakes`}.`,
      {
        remedy: "Correct it and start again.",
        facts: {
          config: file,
          ...Object.fromEntries(
            parsed.error.issues.map((issue) => [issue.path.join(".") || "file", issue.message]),
          ),
        },
      },
    );
  const config = parsed.data;
  const at = (path: string) => resolve(base, path);
  return Object.freeze({
    ...config,
    policy: at(config.policy),
    ...(config.ownerSignatures === undefined ? {} : { ownerSignatures: at(config.ownerSignatures) }),
    keystore: at(config.keystore),
    ...(config.passwordFile === undefined ? {} : { passwordFile: at(config.passwordFile) }),
    bundler:
      config.bundler.kind === "own"
        ? {
            ...config.bundler,
            keystore: at(config.bundler.keystore),
            ...(config.bundler.passwordFile === undefined
              ? {}
              : { passwordFile: at(config.bundler.passwordFile) }),
          }
        : config.bundler,
    model: await modelOf(config.model, at),
    state: at(config.state),
  });
}

async function modelOf(
  { file, name, store, sha256: given, ...rest }: Written["model"],
  at: (path: string) => string,
): Promise<Config["model"]> {
  if (file !== undefined && given !== undefined) return { file: at(file), sha256: given, ...rest };
  const { path, manifest } = await requireModel(store === undefined ? modelFolder() : at(store), name ?? "");
  if (given !== undefined && given !== manifest.sha256)
    throw new ConfigError("The model of that name is not the one that the configuration means.", {
      remedy: "Correct the configuration's sha256, or name another model.",
      facts: { name, configured: given, stored: manifest.sha256 },
    });
  return { file: path, sha256: manifest.sha256, ...rest };
}
