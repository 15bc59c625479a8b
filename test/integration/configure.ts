import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { treasurer } from "../../src/agents/treasurer.ts";
import { createKeystore } from "../../src/chain/keystore.ts";
import { randomSecret } from "../../src/runtime/clock.ts";
import { readConfig, type Config } from "../../src/runtime/config.ts";
import type { OpenRuntimeOptions } from "../../src/runtime/openRuntime.ts";
import { localChainId } from "../../src/testing/localChain.ts";
import { keyOf, type World } from "./world.ts";
import type { Hex } from "viem";
import manifest from "../../models/clerk/manifest.json" with { type: "json" };

export const clerk = {
  file: fileURLToPath(new URL("../../models/clerk/clerk-q8_0.gguf", import.meta.url)),
  sha256: manifest.sha256 as Hex,
} as const;

const password = "of this test only";

/** Writes what an operator writes (policy, keystores, configuration) and reads it back as `bursar run` does. */
export async function configure(
  world: World,
  rpc: string,
  state: string,
  changes: { readonly policyText?: string; readonly config?: Partial<Config> } = {},
): Promise<OpenRuntimeOptions> {
  mkdirSync(state, { recursive: true });
  const files = { policy: "policy.yaml", password: "password", config: "bursar.json" };
  writeFileSync(join(state, files.policy), changes.policyText ?? world.policyText);
  writeFileSync(join(state, files.password), `${password}\n`);
  for (const who of ["agent", "purse"])
    if (!existsSync(join(state, `${who}.json`)))
      await createKeystore(
        join(state, `${who}.json`),
        password,
        keyOf(world.name, who),
        randomSecret,
        "light",
      );
  const config = {
    chain: { rpc, chainId: localChainId, finality: { depth: 0 } },
    account: world.account,
    policy: files.policy,
    keystore: "agent.json",
    passwordFile: files.password,
    bundler: { kind: "own", keystore: "purse.json", passwordFile: files.password },
    model: { file: clerk.file, sha256: clerk.sha256, mode: "canonical" },
    state: ".",
    ...changes.config,
  };
  writeFileSync(join(state, files.config), JSON.stringify(config));
  return {
    agent: treasurer({ inbox: "./inbox", mailSettings: "./mail.json" }),
    agentFile: join(state, "agent.ts"),
    config: await readConfig(join(state, files.config)),
  };
}
