// Installs Stryker into test/mutation/stryker, if that is still to be done, and prints where its program is.
import { sideInstall } from "../../scripts/setUp/sideInstall.mjs";

await sideInstall({
  folder: ["test", "mutation", "stryker"],
  told: "Installing Stryker for the mutation tests (about 10 seconds the first time, 63 MB)",
  program: ["@stryker-mutator", "core", "bin", "stryker.js"],
});
