import { defineConfig } from "hardhat/config";

/** `hardhat node` as alto needs it: alto compares claims with the wall clock, so blocks must not run ahead of it. */
export default defineConfig({
  networks: {
    node: {
      type: "edr-simulated",
      chainType: "l1",
      chainId: 31337,
      allowBlocksWithSameTimestamp: true,
    },
  },
});
