import { parseAbi } from "viem";

/** ERC-7579 execution, as the account takes it. */
export const executeAbi = parseAbi(["function execute(bytes32 mode, bytes executionCalldata)"]);

/** What `executionCalldata` of a batch encodes. */
export const batchParameter = {
  type: "tuple[]",
  components: [
    { name: "to", type: "address" },
    { name: "valueWei", type: "uint256" },
    { name: "data", type: "bytes" },
  ],
} as const;

/** The two modes that the account knows; both revert as a whole. */
export const executeModes = {
  single: `0x${"00".repeat(32)}`,
  batch: `0x01${"00".repeat(31)}`,
} as const;
