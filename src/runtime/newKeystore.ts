import type { Address } from "viem";

import { createKeystore, type KeystoreCost } from "../chain/keystore.ts";
import { randomSecret } from "./clock.ts";

/** Makes a new random key in a new encrypted keystore file; returns its address. The key itself is shown to nobody. */
export function newKeystore(
  file: string,
  password: string,
  cost: KeystoreCost = "standard",
): Promise<Address> {
  return createKeystore(file, password, randomSecret(), randomSecret, cost);
}
