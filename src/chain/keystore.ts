import { readFile, writeFile } from "node:fs/promises";

import * as Keystore from "ox/Keystore";
import * as z from "zod";
import { isHex, type Address, type Hex } from "viem";
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from "viem/accounts";

import { KeystoreError } from "./errors.ts";

const keystoreSchema = z.object({
  version: z.literal(3),
  id: z.string(),
  address: z.string().optional(),
  crypto: z.looseObject({ cipher: z.literal("aes-128-ctr"), kdf: z.enum(["scrypt", "pbkdf2"]) }),
});

/**
 * Makes a new key and writes it encrypted (Web3 Secret Storage v3, scrypt), readable by its owner only.
 * An existing file is never overwritten.
 */
export async function createKeystore(file: string, password: string, privateKey: Hex = generatePrivateKey()): Promise<Address> {
  const account = privateKeyToAccount(privateKey);
  const [key, options] = await Keystore.scryptAsync({ password });
  const keystore = { ...Keystore.encrypt(privateKey, key, options), address: account.address.slice(2).toLowerCase() };
  try {
    await writeFile(file, `${JSON.stringify(keystore, null, 2)}\n`, { mode: 0o600, flag: "wx" });
  } catch (error) {
    const exists = (error as NodeJS.ErrnoException).code === "EEXIST";
    throw new KeystoreError(exists ? "The keystore file exists already and is not overwritten." : "The keystore can't be written.", {
      remedy: exists ? "Choose another file name, or move the old keystore away yourself." : "Check that the folder exists and is writable.",
      facts: { keystore: file },
      cause: error,
    });
  }
  return account.address;
}

/** Opens a keystore file. The key stays in this process's memory and nowhere else. */
export async function openKeystore(file: string, password: string): Promise<PrivateKeyAccount> {
  let parsed: z.infer<typeof keystoreSchema>;
  try {
    parsed = keystoreSchema.parse(JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    throw new KeystoreError("The keystore can't be read.", {
      remedy: "It has to be a Web3 Secret Storage v3 file; make one with `bursar keystore new`.",
      facts: { keystore: file },
      cause: error,
    });
  }
  try {
    const keystore = parsed as unknown as Keystore.Keystore;
    const key = await Keystore.toKeyAsync(keystore, { password });
    const privateKey = Keystore.decrypt(keystore, key);
    if (!isHex(privateKey) || privateKey.length !== 66) throw new Error("not a private key");
    return privateKeyToAccount(privateKey);
  } catch (error) {
    throw new KeystoreError("The keystore does not open with this password.", { remedy: "Check the password file.", facts: { keystore: file }, cause: error });
  }
}
