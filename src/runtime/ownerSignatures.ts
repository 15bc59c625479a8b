import { readFile } from "node:fs/promises";

import { isHex, size, type Hex } from "viem";

import { BaseError } from "../core/errors.ts";

/** The owner's signatures under `Install`, by policy id. */
export type OwnerSignatures = Readonly<Record<Hex, Hex>>;

/**
 * Signatures out of what `bursar policy install --sign-only` wrote; those still to be made are left out.
 *
 * @throws BaseError when the file is missing or is something else
 */
export async function readOwnerSignatures(file: string): Promise<OwnerSignatures> {
  try {
    const { installs } = JSON.parse(await readFile(file, "utf8")) as {
      readonly installs: readonly { readonly policyId: Hex; readonly signature: unknown }[];
    };
    return Object.fromEntries(
      installs.flatMap(({ policyId, signature }) => (isHex(signature) ? [[policyId, signature]] : [])),
    );
  } catch (error) {
    throw new BaseError(`The signatures in ${file} can't be read.`, {
      remedy: "Give the JSON that `bursar policy install --sign-only` prints, each `signature` filled in.",
      facts: { detail: error instanceof Error ? error.message : String(error) },
      cause: error,
    });
  }
}

/**
 * The same, for the agent's operations to bring along: there is room for an ECDSA owner's 65 bytes only.
 *
 * @throws BaseError when a signature is something else
 */
export async function readCarriedSignatures(file: string): Promise<OwnerSignatures> {
  const signatures = await readOwnerSignatures(file);
  for (const [policyId, signature] of Object.entries(signatures))
    if (size(signature) !== 65)
      throw new BaseError("An operation can't bring a contract's signature along.", {
        remedy: `Bring it first: bursar policy install … --by-signature ${file}; then leave ownerSignatures out of the configuration.`,
        facts: { policyId, bytes: String(size(signature)) },
      });
  return signatures;
}
