import { open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Hex } from "viem";
import * as z from "zod";
import { dropPart, readPart } from "./download.ts";
import { ModelStoreError, storeFailure } from "./storeErrors.ts";

const manifestSchema = z.strictObject({
  name: z.string(),
  /** Name of the file beside the manifest. */
  file: z.string(),
  sha256: z
    .string()
    .regex(/^0x[0-9a-f]{64}$/)
    .transform((text) => text as Hex),
  /**
   * Who named the hash that the file was held against when it was added: the owner, the publisher (a hub), the CID; or
   * nobody, and what came first is pinned.
   */
  pinnedBy: z.enum(["owner", "publisher", "cid", "first use"]),
  sizeBytes: z.int().positive(),
  source: z.string(),
  /** The source as the owner wrote it, before a hub said which file that is. */
  asked: z.string(),
  revision: z.string().nullable(),
  licence: z.string().nullable(),
  cid: z.string().nullable(),
  signature: z.string().nullable(),
  added: z.iso.datetime(),
});

/** What is known of a model in the store. The hash counts; the rest is what somebody said. */
export type ModelManifest = Readonly<z.infer<typeof manifestSchema>>;

export type StoredModel = {
  readonly manifest: ModelManifest;
  readonly path: string;
  /** Is the file there, with the right size? Its hash is checked when it is loaded or inspected. */
  readonly state: "there" | "missing" | "other size";
};
export type UnfinishedModel = {
  readonly name: string;
  readonly doneBytes: number;
  readonly totalBytes: number | null;
};
export type StoreListing = {
  readonly models: readonly StoredModel[];
  readonly unfinished: readonly UnfinishedModel[];
  /** Manifests that can't be read. */
  readonly broken: readonly string[];
};

export const fileIn = (folder: string, name: string): string => join(folder, `${name}.gguf`);
export const partIn = (folder: string, name: string): string => join(folder, `${name}.part`);
export const manifestIn = (folder: string, name: string): string => join(folder, `${name}.json`);

/** Lower case only: some file systems know no other. `.part` is the ending of what is not finished. */
export const isModelName = (name: string): boolean =>
  /^[a-z0-9][a-z0-9._-]{0,99}$/.test(name) && !name.endsWith(".part");

export function requireModelName(name: string): void {
  if (!isModelName(name))
    throw new ModelStoreError(
      `"${name.slice(0, 120)}" is no name for a model.`,
      "Take lower-case letters, digits, dots, dashes; up to 100, and not ending in .part. Say it with --name.",
    );
}

/** The model of that name, or undefined. */
export async function findModel(folder: string, name: string): Promise<StoredModel | undefined> {
  requireModelName(name);
  const text = await readFile(manifestIn(folder, name), "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  const manifest = parseManifest(text);
  if (!manifest || manifest.name !== name || manifest.file !== `${name}.gguf`)
    throw new ModelStoreError("The model's manifest is damaged.", "Remove the model and add it again.", {
      manifest: manifestIn(folder, name),
    });
  const path = fileIn(folder, name);
  const stats = await stat(path).catch(() => undefined);
  const state = !stats ? "missing" : stats.size === manifest.sizeBytes ? "there" : "other size";
  return Object.freeze({ manifest, path, state });
}

/** The model of that name, whose file is there. Nothing is loaded by a name alone: the caller holds the file against the manifest's hash. */
export async function requireModel(folder: string, name: string): Promise<StoredModel> {
  const found = await findModel(folder, name);
  if (!found)
    throw new ModelStoreError(
      `There is no model "${name}" in the store.`,
      "See `bursar model list`, or get it with `bursar model add`.",
      { store: folder },
    );
  if (found.state === "missing")
    throw new ModelStoreError(
      `The file of the model "${name}" is missing.`,
      "Add the model again from its source.",
      { file: found.path, source: found.manifest.source },
    );
  return found;
}

function parseManifest(text: string): ModelManifest | undefined {
  try {
    const parsed = manifestSchema.safeParse(JSON.parse(text));
    return parsed.success ? Object.freeze(parsed.data) : undefined;
  } catch {
    return undefined;
  }
}

export async function listModels(folder: string): Promise<StoreListing> {
  const files = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    return storeFailure(error, folder);
  });
  const models: StoredModel[] = [];
  const unfinished: UnfinishedModel[] = [];
  const broken: string[] = [];
  for (const file of files.sort((a, b) => (a < b ? -1 : 1))) {
    const [, name = "", ending = ""] = /^(.+)\.(json|part)$/.exec(file) ?? [];
    if (!isModelName(name)) continue;
    if (ending === "part") {
      const part = await readPart(join(folder, file));
      if (part)
        unfinished.push({ name, doneBytes: part.doneBytes, totalBytes: part.record?.totalBytes ?? null });
      continue;
    }
    const found = await findModel(folder, name).catch(() => undefined);
    if (found) models.push(found);
    else broken.push(file);
  }
  return Object.freeze({ models, unfinished, broken });
}

/** Writes to a neighbour, then takes its place in one step: there is never half a manifest. */
export async function writeManifest(folder: string, manifest: ModelManifest): Promise<void> {
  const path = manifestIn(folder, manifest.name);
  const draft = `${path}.tmp`;
  try {
    const file = await open(draft, "w");
    try {
      await file.writeFile(`${JSON.stringify(manifest, null, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
    await syncFolder(folder);
  } catch (error) {
    await rm(draft, { force: true });
    storeFailure(error, path);
  }
}

/** A rename is only safe against a power cut when the folder is on disk as well. Windows can't open folders. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/** Files of a model in the store, or of what was begun of it. A file without a manifest was put there by somebody else. */
export async function filesOf(folder: string, name: string): Promise<readonly string[]> {
  requireModelName(name);
  const known = await stat(manifestIn(folder, name)).catch(() => undefined);
  const candidates = [
    ...(known ? [fileIn(folder, name), manifestIn(folder, name)] : []),
    partIn(folder, name),
  ];
  const present: string[] = [];
  for (const path of candidates) if (await stat(path).catch(() => undefined)) present.push(path);
  if (present.length === 0)
    throw new ModelStoreError(`There is no model "${name}" in the store.`, "See `bursar model list`.", {
      store: folder,
    });
  return present;
}

/** Removes the model, and what was begun of it; says which files are gone. */
export async function removeModel(folder: string, name: string): Promise<readonly string[]> {
  const files = await filesOf(folder, name);
  try {
    for (const path of files) await rm(path, { force: true });
    await dropPart(partIn(folder, name));
  } catch (error) {
    storeFailure(error, folder);
  }
  return files;
}
