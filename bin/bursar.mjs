#!/usr/bin/env node
// Starts the command line. In a clone it brings Node 24 and the packages first; an installed package is ready built.
// Like the set-up it has to run on every Node since 14, without dependencies, and leaves stdout alone.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const inPackage = (path) => fileURLToPath(new URL(path, import.meta.url));

if (existsSync(inPackage("../scripts/setUp.mjs"))) {
  const { runNode, fail } = await import("../scripts/setUp.mjs");
  await runNode([inPackage("../src/cli/main.ts"), ...process.argv.slice(2)]).catch(fail);
} else if (Number(process.versions.node.split(".")[0]) >= 24) {
  await import("../dist/cli/main.js");
} else {
  process.stderr.write(
    `Bursar needs Node 24 or newer; this is Node ${process.versions.node}.\n` +
      "Run it once under a Node 24 that npm brings:  npx --package=node@24 --package=bursar bursar …\n" +
      "or install Node 24:  nvm install 24,  brew install node@24,  or https://nodejs.org/en/download\n",
  );
  process.exitCode = 1;
}
