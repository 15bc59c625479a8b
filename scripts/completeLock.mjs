// Run after every change to package-lock.json: `node scripts/setUp.mjs run scripts/completeLock.mjs [other lockfile]`.
//
// npm leaves a platform package out of the lockfile when the registry it asked does not list that version (mirrors lag
// behind), and then refuses `npm ci` everywhere because the lockfile "is not in sync". This adds the missing ones by
// name, version and platform. They carry no integrity, so only a machine of that platform takes them on trust.
import { readFileSync, writeFileSync } from "node:fs";

const file = process.argv[2] ?? new URL("../package-lock.json", import.meta.url);
const lock = JSON.parse(readFileSync(file, "utf8"));

const systems = {
  mac: "darwin",
  win: "win32",
  darwin: "darwin",
  win32: "win32",
  linux: "linux",
  android: "android",
  freebsd: "freebsd",
  openharmony: "openharmony",
};
const processors = {
  arm: "arm",
  armv7l: "arm",
  arm64: "arm64",
  x64: "x64",
  ia32: "ia32",
  ppc64: "ppc64",
  riscv64: "riscv64",
  s390x: "s390x",
};
const find = (words, table) => words.map((word) => table[word]).find((value) => value !== undefined);

let added = 0;
for (const [, parent] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`;
    const words = name.split("/").pop().split("-");
    const os = find(words, systems);
    const cpu = find(words, processors);
    if (lock.packages[key] !== undefined || os === undefined || cpu === undefined) continue;
    lock.packages[key] = {
      version,
      cpu: [cpu],
      ...(parent.dev ? { dev: true } : {}),
      optional: true,
      os: [os],
    };
    added += 1;
  }
}

if (added > 0) {
  const byName = ([one], [other]) => one.localeCompare(other, "en");
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(byName));
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
}
process.stderr.write(`${added} platform packages added to the lockfile.\n`);
