// Installs the alto bundler into test/bundler/alto, if that is still to be done, and prints where its program is.
import { sideInstall } from "../../scripts/setUp/sideInstall.mjs";

await sideInstall({
  folder: ["test", "bundler", "alto"],
  told: "Installing the alto bundler for its tests (about 1 minute the first time, 380 MB)",
  program: ["@pimlico", "alto", "esm", "cli", "alto.js"],
});
