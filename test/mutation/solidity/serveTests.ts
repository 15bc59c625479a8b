// The contract tests of the tree that it is started in, again and again in one process: starting Hardhat takes longer than most of
// them. Told files by its parent, it runs them and answers whether they passed; what the tests say goes to its stdout.
import { pathToFileURL } from "node:url";
import path from "node:path";

import { createHardhatRuntimeEnvironment } from "hardhat/hre";
import type { HardhatUserConfig } from "hardhat/config";

const tree = process.cwd();
const { default: config } = (await import(pathToFileURL(path.join(tree, "hardhat.config.ts")).href)) as {
  readonly default: HardhatUserConfig;
};
const hardhat = await createHardhatRuntimeEnvironment(config, {}, tree);

process.on("message", (files: readonly string[]) => {
  void hardhat.tasks
    .getTask(["test", "solidity"])
    .run({ testFiles: [...files], noCompile: true })
    .then((result: { readonly success: boolean }) => process.send!(result.success))
    .catch((error: unknown) => {
      process.stdout.write(`${String(error)}\n`);
      process.send!(false);
    });
});
