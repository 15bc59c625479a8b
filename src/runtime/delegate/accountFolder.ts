import { existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { isAddressEqual, type Address, type Hex } from "viem";

import type { AccountOrigin } from "../../chain/accountOrigin.ts";
import { ConfigError, readConfig, type Config } from "../config.ts";
import { readOwnerSignatures, type OwnerSignatures } from "../ownerSignatures.ts";

/** The files of an agent on one payer's account: a configuration, the policy as it was signed, the signatures, and a journal of its own. */
export type AccountFolder = Readonly<Record<"folder" | "config" | "policy" | "signatures" | "state", string>>;

export const accountFolder = (folder: string): AccountFolder => ({
  folder,
  config: join(folder, "bursar.json"),
  policy: join(folder, "policy.yaml"),
  signatures: join(folder, "signed.json"),
  state: join(folder, "state"),
});

/**
 * Makes the folder, or finds it: one account has one journal, for two would pay one bill twice.
 *
 * @throws ConfigError when another account's files are in it
 */
export async function openAccountFolder(folder: string, account: Address): Promise<AccountFolder> {
  const files = accountFolder(folder);
  await mkdir(files.state, { recursive: true, mode: 0o700 });
  if (!existsSync(files.config)) return files;
  const { account: other } = await readConfig(files.config);
  if (isAddressEqual(other, account)) return files;
  throw new ConfigError("The folder holds another account's files.", {
    remedy: "Name another one with --out, or leave it out.",
    facts: { folder, account, holds: other },
  });
}

/** The signatures that an earlier hand-over left there. */
export const signaturesIn = async ({ signatures }: AccountFolder): Promise<OwnerSignatures> =>
  existsSync(signatures) ? readOwnerSignatures(signatures) : {};

export type SignedInstall = { readonly asset: string; readonly policyId: Hex; readonly signature: Hex };

/**
 * Writes what `bursar run` needs, the configuration last: whoever finds one finds everything that it names. Passwords and keys stay in
 * their files.
 *
 * @param base of the agent as it is; its keystore, chain, bundler, model and wallets are the new one's, too
 * @param installs what an operation can carry; none where the grants are on the chain already
 */
export async function writeAccountFolder(
  files: AccountFolder,
  base: Config,
  account: Address,
  origin: AccountOrigin,
  policyText: string,
  installs: readonly SignedInstall[],
  epoch: number,
): Promise<void> {
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  const { ownerSignatures: _, ...config } = base;
  await write(files.policy, policyText);
  await write(
    files.signatures,
    json({ account, chain: base.chain.chainId, owner: origin.owner, epoch, installs }),
  );
  await write(
    files.config,
    json({
      ...config,
      account,
      origin,
      policy: "policy.yaml",
      ...(installs.length > 0 ? { ownerSignatures: "signed.json" } : {}),
      state: "state",
    }),
  );
}

/** Whole or not at all, and for nobody else: an RPC's URL may hold a key. */
async function write(file: string, text: string): Promise<void> {
  const was = existsSync(file) ? await readFile(file, "utf8") : undefined;
  if (was === text) return;
  await writeFile(`${file}.part`, text, { mode: 0o600 });
  await rename(`${file}.part`, file);
}
