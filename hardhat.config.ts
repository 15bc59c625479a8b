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

export default defineConfig({
  solidity: { profiles: { default: compiler, production: compiler } },
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
