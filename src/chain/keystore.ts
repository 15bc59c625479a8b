import { scrypt } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { promisify } from "node:util";

import * as Keystore from "ox/Keystore";
import { bytesToHex, hexToBytes, isHex, type Address, type Hex } from "viem";
import { privateKeyToAccount, type PrivateKeyAccount } from "viem/accounts";
import * as z from "zod";

import type { RandomSecret } from "../core/ports.ts";
import { KeystoreError } from "./errors.ts";

/** Twice what geth's own cost takes: n × r blocks of 128 bytes, 512 MiB; and p times that much work. */
const largestMemory = 1 << 22;
const largestWork = 1 << 23;

/** RFC 7914 §2: n is a power of two, less than 2^(128 r / 8). OpenSSL refuses others. */
const isCost = (n: number, r: number): boolean => Number.isInteger(Math.log2(n)) && n < 2 ** (16 * r);

const hexText = z.string().regex(/^([0-9a-f]{2})+$/i);

/** Web3 Secret Storage v3, as geth and most wallets write it. Bounds keep a hostile file from eating the memory. */
const keystoreSchema = z.object({
  version: z.literal(3),
  id: z.string(),
  crypto: z.object({
    cipher: z.literal("aes-128-ctr"),
    ciphertext: hexText,
    cipherparams: z.object({ iv: hexText }),
    kdf: z.literal("scrypt"),
    kdfparams: z
      .object({
        dklen: z.literal(32),
        n: z.int().min(2).max(largestMemory),
        r: z.int().min(1).max(16),
        p: z.int().min(1).max(16),
        salt: hexText,
      })
      .refine(({ n, r, p }) => isCost(n, r) && n * r <= largestMemory && n * r * p <= largestWork),
    mac: hexText,
  }),
});

type ScryptCost = { readonly n: number; readonly r: number; readonly p: number; readonly salt: string };

/**
 * scrypt cost, as geth has it. standard: 256 MiB and about a second a guess, for passwords that people choose.
 * light: 4 MiB, for random passwords of 128 bits and more, which nobody guesses.
 */
const costs = { standard: { n: 1 << 18, r: 8, p: 1 }, light: { n: 1 << 12, r: 8, p: 6 } } as const;

export type KeystoreCost = keyof typeof costs;

const scryptAsync = promisify<
  string,
  Buffer,
  number,
  { N: number; r: number; p: number; maxmem: number },
  Buffer
>(scrypt);

/** scrypt by Node's own native code, off the main thread: the pure JavaScript one takes seconds. */
async function deriveKey(password: string, { n, p, r, salt }: ScryptCost): Promise<Hex> {
  return bytesToHex(
    await scryptAsync(password.normalize("NFKC"), Buffer.from(salt, "hex"), 32, {
      N: n,
      r,
      p,
      maxmem: 192 * n * r + 1024 * p * r + (1 << 20),
    }),
  );
}

/**
 * Writes a private key to a new encrypted keystore file, readable by its owner only. An existing file is never
 * overwritten.
 *
 * @throws KeystoreError
 */
export async function createKeystore(
  file: string,
  password: string,
  privateKey: Hex,
  randomSecret: RandomSecret,
  cost: KeystoreCost = "standard",
): Promise<Address> {
  const account = privateKeyToAccount(privateKey);
  const kdfparams = { dklen: 32, ...costs[cost], salt: randomSecret().slice(2) };
  const iv = hexToBytes(randomSecret().slice(0, 34) as Hex);
  const keystore = Keystore.encrypt(privateKey, await deriveKey(password, kdfparams), {
    kdf: "scrypt",
    kdfparams,
    iv,
  });
  try {
    await writeFile(
      file,
      `${JSON.stringify({ ...keystore, address: account.address.slice(2).toLowerCase() }, null, 2)}\n`,
      { mode: 0o600, flag: "wx" },
    );
  } catch (error) {
    const exists = (error as NodeJS.ErrnoException).code === "EEXIST";
    throw new KeystoreError(
      exists ? "The keystore file exists already and is not overwritten." : "The keystore can't be written.",
      {
        remedy: exists
          ? "Choose another file name, or move the old keystore away yourself."
          : "Check that the folder exists and is writable.",
        facts: { keystore: file },
        cause: error,
      },
    );
  }
  return account.address;
}

/** Opens a keystore file. The key stays in this process's memory and nowhere else. */
export async function openKeystore(file: string, password: string): Promise<PrivateKeyAccount> {
  let keystore: z.infer<typeof keystoreSchema>;
  try {
    keystore = keystoreSchema.parse(JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    throw new KeystoreError("The keystore can't be read.", {
      remedy: "It has to be a Web3 Secret Storage v3 file with scrypt; make one with `bursar keystore new`.",
      facts: { keystore: file },
      cause: error,
    });
  }
  try {
    const privateKey = Keystore.decrypt(keystore, await deriveKey(password, keystore.crypto.kdfparams));
    if (!isHex(privateKey) || privateKey.length !== 66) throw new Error("not a private key");
    return privateKeyToAccount(privateKey);
  } catch (error) {
    throw new KeystoreError("The keystore does not open with this password.", {
      remedy: "Check the password.",
      facts: { keystore: file },
      cause: error,
    });
  }
}
