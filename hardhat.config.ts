import { globSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { defineConfig } from "hardhat/config";

const require = createRequire(import.meta.url);

/** The npm compiler: same bytes for everybody, nothing to download. Spelled out for each profile, or settings get lost. */
const compilerFor = (runs: number | "unoptimized") => ({
  version: "0.8.37",
  path: require.resolve("solc/soljson.js"),
  settings: {
    viaIR: runs !== "unoptimized",
    optimizer: runs === "unoptimized" ? { enabled: false } : { enabled: true, runs },
    evmVersion: "cancun",
    metadata: { bytecodeHash: "none", appendCBOR: false },
  },
});

const everyday = compilerFor(1_000_000);
/** What would be more than 24,576 bytes otherwise (EIP-170). */
const big = new Map(
  ["contracts/AgentAccount.sol", "contracts/SpendPolicyValidator.sol"].map((file) => [
    file,
    compilerFor(200),
  ]),
);
/**
 * Tests go through the old pipeline and no optimizer: half a minute, instead of many through the new one. What they deploy of
 * ours comes from artifacts (`AccountTest`), so its code and gas are those of the settings above. Those that run libraries
 * inside themselves keep these settings.
 */
const profile = {
  compilers: [compilerFor("unoptimized")],
  overrides: Object.fromEntries(
    globSync(["contracts/**/*.sol", "test/**/*.sol"])
      .filter(
        (file) =>
          !file.startsWith("test/contracts/") || readFileSync(file, "utf8").includes("/contracts/libraries/"),
      )
      .map((file) => [file, big.get(file) ?? everyday]),
  ),
};

export default defineConfig({
  solidity: { profiles: { default: profile, production: profile } },
  // Other people's accounts, which tests and the bench put the module on, are compiled beside our contracts.
  paths: { sources: ["contracts", "test/accounts"], tests: { solidity: "test/contracts" } },
  test: {
    solidity: {
      // The real EntryPoints and the delegation framework are deployed from their npm packages, accounts and the module from their artifacts.
      fsPermissions: {
        readDirectory: [
          "artifacts/contracts",
          "artifacts/test/accounts",
          "test/accounts",
          "node_modules/@account-abstraction/contracts/artifacts",
          "node_modules/entrypoint-07/artifacts",
          "node_modules/entrypoint-09/artifacts",
          "node_modules/@metamask/delegation-abis/dist/bytecode",
          "test/vectors",
        ],
        // Where attacks leave their tallies (scripts/testInvariants.ts).
        writeFile: process.env.BURSAR_TALLY ? [process.env.BURSAR_TALLY] : [],
      },
      // Every call of a test is a transaction of its own: transient storage ends with it, and gas is a receipt's.
      isolate: true,
      fuzz: {
        runs: Number(process.env.BURSAR_FUZZ_RUNS ?? 256),
        ...(process.env.BURSAR_FUZZ_SEED ? { seed: process.env.BURSAR_FUZZ_SEED } : {}),
      },
    },
  },
});
