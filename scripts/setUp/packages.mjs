// Knows whether node_modules is whole, and makes it so.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { inRoot, majorOf, packagesIn, readOr, realPathOf, remove, SetUpError } from "./files.mjs";
import { WANTED_MAJOR } from "./node.mjs";
import { npm } from "./npm.mjs";
import { progress } from "./progress.mjs";

const stampFile = inRoot("node_modules", ".bursar-setup");

/** The hidden lockfile is part of the stamp: whatever npm does to node_modules by other hands is noticed. */
function expectedStamp() {
  const hash = (file) =>
    createHash("sha256")
      .update(readOr(inRoot(file), ""))
      .digest("hex");
  const node = `node${Math.max(WANTED_MAJOR, majorOf(process.versions.node))}`;
  return [
    hash("package-lock.json"),
    hash("node_modules/.package-lock.json"),
    node,
    process.platform,
    process.arch,
  ].join(" ");
}

export const isStamped = () => readOr(stampFile, "") === expectedStamp();

/** Accepts an installation made by a plain `npm ci` or `npm install`, when it is whole. */
export function adopt(node) {
  const installed = packagesIn("node_modules/.package-lock.json");
  const wanted = Object.entries(packagesIn("package-lock.json")).filter(
    ([key, entry]) => key !== "" && !entry.optional,
  );
  const whole = wanted.every(([key, entry]) => installed[key] && installed[key].version === entry.version);
  if (wanted.length === 0 || !whole || missingBinary(node) !== undefined) return false;
  fs.writeFileSync(stampFile, expectedStamp());
  return true;
}

export async function installPackages(node, lock) {
  const home = inRoot("node_modules");
  if (fs.existsSync(home) && fs.lstatSync(home).isSymbolicLink()) {
    throw new SetUpError(
      `node_modules is a link to ${realPathOf(home)}, and does not fit package-lock.json. Remove the link.`,
    );
  }
  const done = progress("Installing packages (about 1 minute the first time, 1.2 GB on disk)");
  remove(stampFile);
  // No package needs its install script: EDR, rolldown, esbuild, oxlint and llama.cpp all come as prebuilt packages.
  await npm(node, ["ci", "--ignore-scripts", "--include=dev", "--include=optional"], inRoot(), lock);
  const missing = missingBinary(node);
  if (missing !== undefined) {
    throw new SetUpError(
      `npm reported success but left out the native part of ${missing} for ${process.platform}-${process.arch}.\n` +
        "Delete node_modules and run the same command again. If it stays like this, there is no build for this platform.",
    );
  }
  fs.writeFileSync(stampFile, expectedStamp());
  done();
}

/**
 * npm drops an optional platform package without a word when it runs under the wrong Node, so load one to be sure.
 * It has to come from here: Node would also find one in a node_modules further up.
 */
function missingBinary(node) {
  const name = "@nomicfoundation/edr";
  const home = realPathOf(inRoot("node_modules"));
  const load = `
    require(${JSON.stringify(inRoot("node_modules", name))});
    process.exit(Object.keys(require.cache).every((file) => file.startsWith(${JSON.stringify(home)})) ? 0 : 1);`;
  return spawnSync(node, ["-e", load], { stdio: "ignore" }).status === 0 ? undefined : name;
}
