// Finds a Node that is new enough, or brings one as a plain registry package.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { inRoot, majorOf, packagesIn, SetUpError } from "./files.mjs";
import { npm } from "./npm.mjs";
import { progress } from "./progress.mjs";

export const WANTED_MAJOR = 24;

export function findNode() {
  if (majorOf(process.versions.node) >= WANTED_MAJOR) return process.execPath;
  const name = toolchainPackage();
  const wanted = packagesIn("toolchain/package-lock.json")[`node_modules/${name}`];
  const present = packagesIn("toolchain/node_modules/.package-lock.json")[`node_modules/${name}`];
  const binary = toolchainBinary(name);
  // npm writes its hidden lockfile last, so a half-extracted binary is never taken for a whole one.
  return wanted && present && wanted.version === present.version && fs.existsSync(binary)
    ? binary
    : undefined;
}

export async function bringNode(lock) {
  const name = toolchainPackage();
  if (packagesIn("toolchain/package-lock.json")[`node_modules/${name}`] === undefined) {
    throw new SetUpError(noNodeMessage("there is no build of it to bring"));
  }
  const done = progress(`Bringing Node ${WANTED_MAJOR} from the npm registry (about 10 s, 45 MB)`);
  await npm(process.execPath, ["ci", "--ignore-scripts", "--include=optional"], inRoot("toolchain"), lock);
  const binary = toolchainBinary(name);
  const check = spawnSync(binary, ["--version"], { encoding: "utf8" });
  if (check.status !== 0) {
    fs.unlinkSync(binary);
    throw new SetUpError(noNodeMessage("the build that was brought does not start here (another libc?)"));
  }
  done();
  return binary;
}

function noNodeMessage(reason) {
  return [
    `Bursar needs Node ${WANTED_MAJOR} or newer. This is Node ${process.versions.node} on ${process.platform}-${process.arch}, and ${reason}.`,
    "Install it in one of these ways, then run the same command again:",
    ...(process.platform === "darwin"
      ? [`  brew install node@${WANTED_MAJOR} && brew link --overwrite --force node@${WANTED_MAJOR}`]
      : []),
    `  nvm install ${WANTED_MAJOR}        (or: fnm use --install-if-missing ${WANTED_MAJOR})`,
    "  the installer from https://nodejs.org/en/download",
  ].join("\n");
}

const toolchainPackage = () =>
  `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
const toolchainBinary = (name) =>
  inRoot("toolchain", "node_modules", name, "bin", process.platform === "win32" ? "node.exe" : "node");
