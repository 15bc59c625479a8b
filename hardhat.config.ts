import { globSync, readFileSync } from "node:fs";
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
 * Tests go through the old pipeline, eight times as fast. What they deploy of ours comes from artifacts (`AccountTest`), so its
 * code and gas are those of the settings above. Those that run libraries inside themselves keep these settings.
 */
const testCompiler = { ...compiler, settings: { ...compiler.settings, viaIR: false } };
const profile = {
  compilers: [testCompiler],
  overrides: Object.fromEntries(
    globSync(["contracts/**/*.sol", "test/contracts/**/*.sol"])
      .filter(
        (file) =>
          file.startsWith("contracts/") || readFileSync(file, "utf8").includes("/contracts/libraries/"),
      )
      .map((file) => [file, compiler]),
  ),
};

export default defineConfig({
  solidity: { profiles: { default: profile, production: profile } },
  paths: { sources: "contracts", tests: { solidity: "test/contracts" } },
  test: {
    solidity: {
      // The real EntryPoint is deployed from its npm package, the account from its artifact.
      fsPermissions: {
        readDirectory: [
          "artifacts/contracts",
          "node_modules/@account-abstraction/contracts/artifacts",
          "test/vectors",
        ],
        // Where attacks leave their tallies (scripts/testInvariants.ts).
        writeFile: process.env.BURSAR_TALLY ? [process.env.BURSAR_TALLY] : [],
      },
      // Every call of a test is a transaction of its own: transient storage ends with it, and gas is a receipt's.
      isolate: true,
      fuzz: {
        runs: Number(process.env.BURSAR_FUZZ_RUNS ?? 200),
        ...(process.env.BURSAR_FUZZ_SEED ? { seed: process.env.BURSAR_FUZZ_SEED } : {}),
      },
    },
  },
});
