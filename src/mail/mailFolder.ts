import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { MailFileError, MailTooLargeError } from "./errors.ts";

type Usability =
  | { readonly state: "ready"; readonly sizeBytes: number }
  | { readonly state: "unusable"; readonly error: MailFileError | MailTooLargeError };

export type MailFile = Usability & { readonly name: string; readonly path: string };

/**
 * The mails of a folder in the order of their names (by code unit, the same on every machine). Only `*.eml`; hidden and
 * half-written files (`.…`, `*.tmp`) are somebody else's. A file that can't be used says so itself and stops no other.
 */
export async function listMail(
  folder: string,
  settings: { readonly maxBytes: number },
): Promise<readonly MailFile[]> {
  let names: readonly string[];
  try {
    names = await readdir(folder);
  } catch (cause) {
    throw new MailFileError("the mail folder can't be opened", {
      path: folder,
      remedy: "Create the folder, or name another one in the configuration.",
      cause,
    });
  }
  const mails = names.filter((name) => name.endsWith(".eml") && !name.startsWith(".")).toSorted(byCodeUnit);
  const files: MailFile[] = [];
  for (const name of mails) {
    const path = join(folder, name);
    files.push(Object.freeze({ name, path, ...(await inspect(path, settings)) }));
  }
  return Object.freeze(files);
}

async function inspect(path: string, settings: { readonly maxBytes: number }): Promise<Usability> {
  try {
    // lstat, not stat: a link may lead out of the folder.
    const found = await lstat(path);
    if (!found.isFile())
      return {
        state: "unusable",
        error: notRegular(path, found.isSymbolicLink() ? "a link" : "no regular file"),
      };
    if (found.size > settings.maxBytes)
      return {
        state: "unusable",
        error: new MailTooLargeError({ sizeBytes: found.size, maxBytes: settings.maxBytes, path }),
      };
    return { state: "ready", sizeBytes: found.size };
  } catch (cause) {
    const remedy = "Give the agent's user permission to read it, or move it out of the folder.";
    return { state: "unusable", error: new MailFileError("it can't be inspected", { path, remedy, cause }) };
  }
}

function notRegular(path: string, what: string): MailFileError {
  return new MailFileError(`it is ${what}`, {
    path,
    remedy: "Put the mail itself into the folder, as a regular file.",
  });
}

function byCodeUnit(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
