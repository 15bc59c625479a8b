// Installs the alto bundler into test/bundler/alto, if that is still to be done, and prints where its program is.
// Done once, whole or not at all; says on stderr what it does.
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { fail } from "../../scripts/setUp.mjs";
import { inRoot, majorOf, readOr, remove } from "../../scripts/setUp/files.mjs";
import { withLock } from "../../scripts/setUp/lock.mjs";
import { npm } from "../../scripts/setUp/npm.mjs";
import { progress } from "../../scripts/setUp/progress.mjs";

const inHome = (...parts) => inRoot("test", "bundler", "alto", ...parts);
const stampFile = inHome("node_modules", ".bursar-setup");

function expectedStamp() {
  const hash = (file) => createHash("sha256").update(readOr(file, "")).digest("hex");
  const locks = [inHome("package-lock.json"), inHome("node_modules", ".package-lock.json")];
  return [...locks.map(hash), `node${majorOf(process.versions.node)}`].join(" ");
}
const isStamped = () => readOr(stampFile, "") === expectedStamp();

async function install(lock) {
  if (isStamped()) return;
  const done = progress("Installing the alto bundler for its tests (about 1 minute the first time, 380 MB)");
  remove(stampFile);
  await npm(process.execPath, ["ci", "--ignore-scripts"], inHome(), lock);
  writeFileSync(stampFile, expectedStamp());
  done();
}

if (!isStamped()) await withLock(install).catch(fail);
process.stdout.write(inHome("node_modules", "@pimlico", "alto", "esm", "cli", "alto.js"));
