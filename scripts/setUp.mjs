// Gives a clone what it needs before anything of it can run: Node 24 and the packages of package-lock.json.
//
//   node scripts/setUp.mjs                     set up, if that is still to be done
//   node scripts/setUp.mjs run <file> …        the same, then run a TypeScript or JavaScript file under Node 24
//   node scripts/setUp.mjs exec <tool> …       the same, then run a tool from node_modules/.bin under Node 24
//
// This file and setUp/ have to run on every Node since 14 and may import nothing from node_modules.
// They write to stderr only: stdout belongs to the program that is run.
import fs from "node:fs";
import { fileURLToPath } from "node:url";
import { become, environment } from "./setUp/become.mjs";
import { inRoot, realPathOf, SetUpError } from "./setUp/files.mjs";
import { withLock } from "./setUp/lock.mjs";
import { bringNode, findNode } from "./setUp/node.mjs";
import { adopt, installPackages, isStamped } from "./setUp/packages.mjs";

/** Flags with which Node runs our sources: types are stripped, and `bursar` itself resolves to src/. */
const SOURCE_FLAGS = ["--conditions=source", "--disable-warning=ExperimentalWarning"];

/** Makes sure that Node 24 and the packages are there. Silent and quick when they are. */
export async function ensure() {
  let node = findNode();
  if (node === undefined || !isStamped()) {
    await withLock(async (lock) => {
      node = findNode() || (await bringNode(lock));
      if (!isStamped() && !adopt(node)) await installPackages(node, lock);
    });
  }
  return { node, env: environment(node) };
}

/** Runs Node 24 with these arguments in place of this process: same stdio, exit code and signals. */
export async function runNode(args) {
  const { node, env } = await ensure();
  become(node, [...SOURCE_FLAGS, ...args], env);
}

async function runTool([name, ...args]) {
  const { env } = await ensure();
  const file = inRoot("node_modules", ".bin", process.platform === "win32" ? `${name}.cmd` : name);
  if (!fs.existsSync(file)) throw new SetUpError(`There is no tool "${name}" in node_modules/.bin.`);
  become(file, args, env);
}

/** Ends this process with the message of a set-up problem; anything else is a bug and keeps its stack. */
export function fail(error) {
  process.stderr.write(`\n${error instanceof SetUpError ? error.message : error.stack}\n`);
  process.exit(1);
}

if (process.argv[1] && realPathOf(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [command, ...args] = process.argv.slice(2);
  const commands = { run: () => runNode(args), exec: () => runTool(args) };
  (commands[command] || ensure)().catch(fail);
}
