import { existsSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";

/**
 * What the link's process may read: this program's code and the folders of packages that it looks into, and so neither keystores nor journals
 * nor mail. As values of Node's `--allow-fs-read`.
 *
 * @param worker the file that the process runs, in a room of this program's code
 */
export function readableFor(worker: string): readonly string[] {
  const code = dirname(dirname(worker));
  const packages = (createRequire(worker).resolve.paths("a-package") ?? []).filter(
    (folder) => basename(folder) === "node_modules" && existsSync(folder),
  );
  // A folder of packages may be a link to another one, and a package is read where it really is.
  const folders = new Set([code, ...packages, ...packages.map((folder) => realpathSync(folder))]);
  return [join(dirname(code), "package.json"), ...[...folders].map((folder) => join(folder, "*"))];
}
