import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";

import { getAddress, isAddress, type Address, type Hex } from "viem";
import * as z from "zod";

import { longestPauseMs } from "../journal/triggers.ts";
import { bundlerSchema, resolveBundlers, type BundlerConfig } from "./bundlerSchema.ts";
import { ConfigError } from "./configError.ts";
import { priceSchema } from "./prices.ts";
import { modelSchema, resolveModel, type ModelConfig } from "./modelConfig.ts";

export { ConfigError };

const keystore = { keystore: z.string().min(1), passwordFile: z.string().min(1).optional() };

const address = z
  .string()
  .refine((text) => isAddress(text), "has to be an address")
  .transform((text): Address => getAddress(text));

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
    /** Other nodes of the chain that have to agree before an operation counts as paid or as never paid. */
    witnesses: z
      .array(z.url({ protocol: /^https?$/ }))
      .max(4)
      .optional(),
    timeoutMs: z.int().min(100).max(120_000).optional(),
  }),
  account: address,
  /** How the account is made, if it need not be there yet: the agent's first operation makes it (docs/delegation.md). */
  origin: z
    .strictObject({
      owner: address,
      salt: z
        .string()
        .regex(/^0x[0-9a-f]{64}$/, "has to be 0x and 64 lower-case hex digits")
        .transform((text) => text as Hex),
    })
    .readonly()
    .exactOptional(),
  policy: z.string().min(1),
  /** What the owner signed with `bursar policy install --sign-only`: rides in the agent's first operation. */
  ownerSignatures: z.string().min(1).optional(),
  ...keystore,
  bundler: bundlerSchema,
  /** A service that makes the policy's paymaster pay the gas (ERC-7677); without one the account pays. */
  paymaster: z
    .strictObject({
      url: z.url({ protocol: /^https?$/ }),
      context: z.record(z.string(), z.json()).exactOptional(),
    })
    .exactOptional(),
  model: modelSchema,
  /** The relay to people's wallets (WalletConnect): for `bursar delegate`, and for what agents ask. docs/delegation.md */
  wallets: z
    .strictObject({
      relay: z.url({ protocol: /^wss?$/ }),
      /** The public relay wants one. */
      projectId: z
        .string()
        .regex(/^[0-9a-f]{32}$/)
        .exactOptional(),
      /** What wallets show of the asker; they call it unverified, and rightly. */
      name: z.string().min(1).max(64).default("Bursar"),
      description: z.string().max(200).default("An AI agent that spends by the book."),
      url: z.url({ protocol: /^https?$/ }).default("https://localhost"),
      /** Delegation managers (ERC-7710) that are trusted to enforce wallets' own permissions (ERC-7715); none: these are not used. */
      permissions: z.strictObject({ managers: z.array(address).min(1).max(8) }).exactOptional(),
    })
    .exactOptional(),
  /** What people are asked before the agent may act: how long, in seconds, a yes may be used. */
  approvals: z
    .strictObject({
      seconds: z
        .int()
        .min(600)
        .max(30 * 86_400),
    })
    .exactOptional(),
  /** What thinking costs, for the figures in reports. */
  prices: priceSchema.exactOptional(),
  /** Where signed requests are taken in (docs/agents.md). Put a proxy with TLS before it if they come from elsewhere. */
  webhooks: z
    .strictObject({ host: z.string().min(1).default("127.0.0.1"), port: z.int().min(1).max(65_535) })
    .optional(),
  /** Milliseconds before a payment that came to nothing is decided again; then four times as long, up to ten minutes. */
  retryPauseMs: z.int().min(0).max(longestPauseMs).exactOptional(),
  /** Folder of the journal. */
  state: z.string().min(1),
});

/** What an operator configures, with every path absolute. Holds no secret: passwords and keys stay in their files. */
export type Config = Omit<z.infer<typeof schema>, "model" | "bundler"> & {
  readonly model: ModelConfig;
  readonly bundler: BundlerConfig;
};

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
  const config = checked(schema, file, await readDocument(file));
  const at = (path: string) => resolve(base, path);
  return Object.freeze({
    ...config,
    policy: at(config.policy),
    ...(config.ownerSignatures === undefined ? {} : { ownerSignatures: at(config.ownerSignatures) }),
    keystore: at(config.keystore),
    ...(config.passwordFile === undefined ? {} : { passwordFile: at(config.passwordFile) }),
    bundler: resolveBundlers(config.bundler, at),
    model: await resolveModel(config.model, at, modelFolder()),
    state: at(config.state),
  });
}

/**
 * Which account on which chain, and nothing else: whoever stops an agent needs no model, policy or journal in good order.
 *
 * @throws ConfigError
 */
export async function readPlace(file: string): Promise<Pick<Config, "account" | "chain">> {
  const { account, chain } = checked(
    schema.pick({ account: true, chain: true }).loose(),
    file,
    await readDocument(file),
  );
  return { account, chain };
}

async function readDocument(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, "utf8"));
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
}

function checked<Shape extends z.ZodType>(shape: Shape, file: string, document: unknown): z.output<Shape> {
  const parsed = shape.safeParse(document);
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
  return parsed.data;
}
