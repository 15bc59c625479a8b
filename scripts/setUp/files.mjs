// The few file and text helpings the set-up shares. A failed read is an answer here, not an error.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** A set-up problem, told to the user as one message without a stack. */
export class SetUpError extends Error {}

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..");
export const inRoot = (...parts) => path.join(root, ...parts);
export const majorOf = (version) => Number(version.split(".")[0]);

/** The name of PATH in this environment: Windows writes it "Path". */
export const pathKey = () => Object.keys(process.env).find((key) => key.toUpperCase() === "PATH") || "PATH";

export const readOr = (file, otherwise) => attempt(() => fs.readFileSync(file, "utf8"), otherwise);
export const realPathOf = (file) => attempt(() => fs.realpathSync(file));
export const remove = (file) => attempt(() => fs.unlinkSync(file));

/** The entries of an npm lockfile, none when it is missing or torn. */
export const packagesIn = (file) =>
  attempt(() => JSON.parse(fs.readFileSync(inRoot(file), "utf8")).packages, {});

export function attempt(action, otherwise) {
  try {
    return action();
  } catch {
    return otherwise;
  }
}
