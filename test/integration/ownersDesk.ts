import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { createKeystore } from "../../src/chain/keystore.ts";
import { randomSecret } from "../../src/runtime/clock.ts";
import { openOwnerDesk, type OwnerDesk } from "../../src/runtime/ownerDesk.ts";
import { keyOf, type World } from "./world.ts";

/** The owner's keystores of a world, and its desk. In the folder: `NAME.json`, `NAME.json.purse`, `password`. */
export async function deskIn(folder: string, rpc: string, world: World): Promise<OwnerDesk> {
  const keystore = join(folder, `${world.name}.json`);
  const passwordFile = join(folder, "password");
  writeFileSync(passwordFile, "of this test only\n");
  for (const [who, file] of [
    ["owner", keystore],
    ["purse", `${keystore}.purse`],
  ] as const)
    await createKeystore(file, "of this test only", keyOf(world.name, who), randomSecret, "light");
  return openOwnerDesk({
    rpc,
    chainId: 31337,
    account: world.account,
    ownerKeystore: { keystore, passwordFile },
    bundler: { kind: "own", keystore: `${keystore}.purse`, passwordFile },
  });
}

export type CommandResult = { readonly status: number; readonly stdout: string; readonly stderr: string };

/** The command in a process of its own, asynchronously: the chain that it talks to lives in this one. */
export function bursarIn(folder: string, ...words: readonly string[]): Promise<CommandResult> {
  const main = join(import.meta.dirname, "../../src/cli/main.ts");
  return new Promise((resolve) =>
    execFile(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", "--conditions=source", main, ...words],
      { cwd: folder },
      (error, stdout, stderr) => resolve({ status: error ? 1 : 0, stdout, stderr }),
    ),
  );
}
