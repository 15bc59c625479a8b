import { globSync } from "node:fs";
import { createRequire } from "node:module";
import { defineConfig } from "hardhat/config";

const require = createRequire(import.meta.url);

/** The npm compiler: same bytes for everybody, nothing to download. Spelled out for each profile, or settings get lost. */
const compiler = {
  version: "0.8.37",
  path: require.resolve("solc/soljson.js"),
  settings: {
    viaIR: true,
    optimizer: { enabled: true, runs: 200 },
    evmVersion: "cancun",
    metadata: { bytecodeHash: "none", appendCBOR: false },
  },
};

/**
 * Tests that get our contracts from their artifacts are compiled the old way, several times as fast. All others compile the
 * contracts they test with them, and get what is shipped.
 */
const quick = { ...compiler, settings: { ...compiler.settings, viaIR: false } };
const overrides = Object.fromEntries(
  globSync("test/contracts/{AgentAccount,SpendPolicyValidator,matrix,attack}/*.sol", {
    cwd: import.meta.dirname,
  }).map((file) => [file, quick]),
);

export default defineConfig({
  solidity: {
    profiles: {
      default: { compilers: [compiler], overrides },
      production: { compilers: [compiler], overrides },
    },
  },
  // Other people's accounts, which tests and the bench put the module on, are compiled beside our contracts.
  paths: { sources: ["contracts", "test/accounts"], tests: { solidity: "test/contracts" } },
  test: {
    solidity: {
      // The real EntryPoints are deployed from their npm packages, accounts and the module from their artifacts.
      fsPermissions: {
        readDirectory: [
          "artifacts/contracts",
          "artifacts/test/accounts",
          "node_modules/@account-abstraction/contracts/artifacts",
          "node_modules/entrypoint-07/artifacts",
          "node_modules/entrypoint-09/artifacts",
          "test/vectors",
        ],
      },
      // Every call of a test is a transaction of its own: transient storage ends with it, and gas is a receipt's.
      isolate: true,
      fuzz: { runs: 200 },
    },
  },
});
