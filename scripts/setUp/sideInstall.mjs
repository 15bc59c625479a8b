// Installs a program of the tests into a folder of its own, with a lock file of its own. Done once, whole or not at all.
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { fail } from "../setUp.mjs";
import { inRoot, majorOf, readOr, remove } from "./files.mjs";
import { withLock } from "./lock.mjs";
import { npm } from "./npm.mjs";
import { progress } from "./progress.mjs";

/** Makes sure that the packages of `folder` are there, and prints where its program is; on stderr what it does. */
export async function sideInstall({ folder, told, program }) {
  const inHome = (...parts) => inRoot(...folder, ...parts);
  const stampFile = inHome("node_modules", ".bursar-setup");

  const expectedStamp = () => {
    const hash = (file) => createHash("sha256").update(readOr(file, "")).digest("hex");
    const locks = [inHome("package-lock.json"), inHome("node_modules", ".package-lock.json")];
    return [...locks.map(hash), `node${majorOf(process.versions.node)}`].join(" ");
  };
  const isStamped = () => readOr(stampFile, "") === expectedStamp();

  const install = async (lock) => {
    if (isStamped()) return;
    const done = progress(told);
    remove(stampFile);
    await npm(process.execPath, ["ci", "--ignore-scripts"], inHome(), lock);
    writeFileSync(stampFile, expectedStamp());
    done();
  };

  if (!isStamped()) await withLock(install).catch(fail);
  process.stdout.write(inHome("node_modules", ...program));
}
