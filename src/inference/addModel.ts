import { link, mkdir, open, rename, rm, stat } from "node:fs/promises";
import type { Hex } from "viem";
import type { Now } from "../core/ports.ts";
import { downloadModel, dropPart, requireSpace, type DownloadProgress } from "./download.ts";
import { ModelFileError, ModelHashMismatchError } from "./errors.ts";
import { licenceOf, readGgufHeader, requireWhole } from "./ggufHeader.ts";
import { hashFile } from "./hashFile.ts";
import { findHubFile } from "./hubFile.ts";
import { lockFile } from "./lockFile.ts";
import { nameOf, sourceText, type ModelSource } from "./modelSource.ts";
import {
  fileIn,
  findModel,
  manifestIn,
  partIn,
  requireModelName,
  syncFolder,
  writeManifest,
  type ModelManifest,
} from "./modelStore.ts";
import { proveContent } from "./proveContent.ts";
import { startPatience, type Limits } from "./patience.ts";
import { ModelAddAbortedError, ModelStoreError, storeFailure } from "./storeErrors.ts";

export type AddProgress =
  | DownloadProgress
  | { readonly kind: "copied" | "proven"; readonly doneBytes: number; readonly totalBytes: number }
  | { readonly kind: "hashed"; readonly permille: number };

export type AddOptions = {
  /** The store. */
  readonly folder: string;
  readonly source: ModelSource;
  readonly name?: string | undefined;
  /** What the owner knows the file's hash to be. */
  readonly sha256?: Hex | undefined;
  /** Hard link instead of a copy, for files on the same disk. */
  readonly link?: boolean | undefined;
  readonly licence?: string | undefined;
  /** Kept as it is given; nothing checks it. */
  readonly signature?: string | undefined;
  readonly limits: Limits;
  readonly signal?: AbortSignal | undefined;
  readonly now: Now;
  readonly onProgress?: ((progress: AddProgress) => void) | undefined;
};

export type AddedModel = {
  readonly manifest: ModelManifest;
  readonly path: string;
  /** It was there already, and its hash still holds. */
  readonly already: boolean;
};

/** Somebody's word about the hash of the file. */
type Word = { readonly by: Exclude<ModelManifest["pinnedBy"], "first use">; readonly sha256: Hex };

/** A file that is ready to be checked, and what was learnt on the way. */
type Arrived = {
  readonly path: string;
  readonly source: string;
  readonly revision: string | null;
  readonly words: readonly Word[];
};

const CHUNK_BYTES = 1 << 20;

/** Brings a model into the store: fetched or copied, checked, its hash pinned. Half a model is never in the store. */
export async function addModel(options: AddOptions): Promise<AddedModel> {
  const { folder, source } = options;
  const name = options.name ?? nameOf(source);
  requireModelName(name);
  await mkdir(folder, { recursive: true }).catch((error: unknown) => storeFailure(error, folder));
  const unlock = await lockFile(`${partIn(folder, name)}.lock`);
  try {
    const known = await findModel(folder, name);
    if (known && known.state !== "missing") return await sameAgain(options, known.manifest);
    if (!known) await requireFree(fileIn(folder, name));
    else if (!isFrom(known.manifest, source)) throw taken(known.manifest);
    // Its manifest says what the missing file was; another one is not taken for it.
    return await bringIn(options, name, known?.manifest.sha256);
  } finally {
    await unlock();
  }
}

const isFrom = (manifest: ModelManifest, source: ModelSource): boolean =>
  manifest.source === sourceText(source) || manifest.asked === sourceText(source);

const taken = ({ name, source }: ModelManifest) =>
  new ModelStoreError(
    `There is already a model "${name}" in the store, from another source.`,
    `Choose another name with --name, or remove that one first: bursar model remove ${name}.`,
    { source },
  );

async function requireFree(path: string): Promise<void> {
  if (await stat(path).catch(() => undefined))
    throw new ModelStoreError(
      "There is a file in the store that no manifest knows.",
      "Move it out of the store; then add it by its path, if you want it.",
      { file: path },
    );
}

async function sameAgain(options: AddOptions, manifest: ModelManifest): Promise<AddedModel> {
  const { folder, source, onProgress } = options;
  if (!isFrom(manifest, source)) throw taken(manifest);
  const path = fileIn(folder, manifest.name);
  const actual = await hashFile(path, (permille) => onProgress?.({ kind: "hashed", permille }));
  if (options.sha256 !== undefined && options.sha256 !== manifest.sha256)
    throw new ModelHashMismatchError(path, options.sha256, manifest.sha256, {
      by: "owner",
      remedy: `The store holds another file under this name; remove it first: bursar model remove ${manifest.name}.`,
    });
  if (actual !== manifest.sha256)
    throw new ModelHashMismatchError(path, manifest.sha256, actual, {
      by: "manifest",
      remedy: `The file in the store was changed. Remove it and add it again: bursar model remove ${manifest.name}.`,
    });
  return { manifest, path, already: true };
}

async function bringIn(options: AddOptions, name: string, pinned: Hex | undefined): Promise<AddedModel> {
  const { folder, source, onProgress } = options;
  const part = partIn(folder, name);
  const given: readonly Word[] = [
    ...(options.sha256 === undefined ? [] : [{ by: "owner", sha256: options.sha256 } as const]),
    ...(pinned === undefined ? [] : [{ by: "owner", sha256: pinned } as const]),
  ];
  requireOneWord(name, given);
  const arrived =
    source.kind === "file"
      ? await copyIn(options, source.path, part)
      : await fetchIn(options, source, part, given);
  try {
    const header = await readGgufHeader(arrived.path);
    requireWhole(header, arrived.path);
    const sha256 = await hashFile(arrived.path, (permille) => onProgress?.({ kind: "hashed", permille }));
    const words = [...given, ...arrived.words];
    for (const word of words)
      if (word.sha256 !== sha256)
        throw new ModelHashMismatchError(arrived.source, word.sha256, sha256, {
          by: word.by,
          remedy:
            "Nothing was kept. Check the source; if the hash was mistyped, correct it and run the command again.",
        });
    const proven = source.kind === "ipfs" && words.length === 0 && (await isProven(options, source, arrived));
    const manifest: ModelManifest = Object.freeze({
      name,
      file: `${name}.gguf`,
      sha256,
      pinnedBy: words[0]?.by ?? (proven ? "cid" : "first use"),
      sizeBytes: (await stat(arrived.path)).size,
      source: arrived.source,
      asked: sourceText(source),
      revision: arrived.revision,
      licence: options.licence ?? licenceOf(header),
      cid: source.kind === "ipfs" ? source.cid.text : null,
      signature: options.signature ?? null,
      added: new Date(options.now()).toISOString(),
    });
    await place(options, arrived.path, manifest);
    return { manifest, path: fileIn(folder, name), already: false };
  } catch (error) {
    // What is damaged or not what was asked for is no beginning to go on from.
    if (error instanceof ModelFileError || error instanceof ModelHashMismatchError) await dropPart(part);
    throw error;
  }
}

type RemoteSource = Exclude<ModelSource, { kind: "file" }>;

async function fetchIn(
  options: AddOptions,
  source: RemoteSource,
  part: string,
  given: readonly Word[],
): Promise<Arrived> {
  const patience = startPatience(options.limits, options.signal);
  try {
    const found = await locate(source, patience.signal);
    patience.renew();
    const words = [...given, ...found.words];
    requireOneWord(found.source, words);
    const published = (sha256: Hex | null): readonly Word[] =>
      sha256 === null ? [] : [{ by: "publisher", sha256 }];
    const head = await downloadModel({
      url: found.url,
      part,
      hashKnown: words.length > 0,
      patience,
      onProgress: options.onProgress ?? (() => undefined),
      onHead: ({ publishedSha256 }) =>
        requireOneWord(found.source, [...words, ...published(publishedSha256)]),
    });
    return {
      path: part,
      source: found.source,
      revision: head.revision ?? found.revision,
      words: [...found.words, ...published(head.publishedSha256)],
    };
  } catch (error) {
    throw patience.explain(error, { source: sourceText(source) });
  } finally {
    patience.end();
  }
}

/** Is it what the CID names, where that is no plain hash but a tree of blocks? A gateway may not show the tree. */
async function isProven(
  options: AddOptions,
  { cid, path, gateway }: Extract<ModelSource, { kind: "ipfs" }>,
  arrived: Arrived,
): Promise<boolean> {
  const patience = startPatience(options.limits, options.signal);
  const totalBytes = (await stat(arrived.path)).size;
  let doneBytes = 0;
  try {
    return await proveContent({
      file: arrived.path,
      cid,
      path: path.split("/").filter(Boolean),
      gateway,
      signal: patience.signal,
      onProven(bytes) {
        patience.renew();
        doneBytes += bytes;
        options.onProgress?.({ kind: "proven", doneBytes, totalBytes });
      },
    });
  } catch (error) {
    throw patience.explain(error, { source: arrived.source });
  } finally {
    patience.end();
  }
}

type Located = {
  readonly url: URL;
  readonly source: string;
  readonly revision: string | null;
  readonly words: readonly Word[];
};

async function locate(source: RemoteSource, signal: AbortSignal): Promise<Located> {
  if (source.kind === "url")
    return { url: source.url, source: sourceText(source), revision: null, words: [] };
  if (source.kind === "ipfs") {
    const { cid, path, gateway } = source;
    const below = ["ipfs", cid.text, ...path.split("/").filter(Boolean)].map(encodeURIComponent).join("/");
    return {
      url: new URL(`${gateway.href.replace(/\/+$/, "")}/${below}`),
      source: sourceText(source),
      revision: null,
      words: cid.codec === "raw" && path === "" ? [{ by: "cid", sha256: cid.blockSha256 }] : [],
    };
  }
  const { url, file, publishedSha256 } = await findHubFile(source, signal);
  const revision = "file" in source.wanted ? source.wanted.revision : "main";
  return {
    url,
    source: sourceText({ ...source, wanted: { file, revision } }),
    // A branch is no pin: what it pointed at is only known when the hub says the commit.
    revision: revision === "main" ? null : revision,
    words: publishedSha256 === null ? [] : [{ by: "publisher", sha256: publishedSha256 }],
  };
}

/** Those who name the hash have to agree, before gigabytes are fetched that would be refused. */
function requireOneWord(file: string, words: readonly Word[]): void {
  const [first] = words;
  for (const word of words)
    if (first && word.sha256 !== first.sha256)
      throw new ModelHashMismatchError(file, first.sha256, word.sha256, {
        by: first.by,
        remedy: `The ${word.by} names another hash than the ${first.by}. Nothing was kept; find out who is right.`,
      });
}

async function copyIn(options: AddOptions, path: string, part: string): Promise<Arrived> {
  requireWhole(await readGgufHeader(path), path);
  const arrived = { source: path, revision: null, words: [] };
  if (options.link) return { ...arrived, path };
  try {
    await copy(options, path, part);
  } catch (error) {
    await dropPart(part);
    storeFailure(error, part);
  }
  return { ...arrived, path: part };
}

async function copy({ signal, onProgress }: AddOptions, path: string, part: string): Promise<void> {
  await using source = await open(path, "r");
  const totalBytes = (await source.stat()).size;
  await requireSpace(part, totalBytes);
  await using target = await open(part, "w");
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let doneBytes = 0; ;) {
    if (signal?.aborted) throw new ModelAddAbortedError(signal.reason, {}, "Run the same command again.");
    const { bytesRead } = await source.read(buffer, 0, CHUNK_BYTES, doneBytes);
    if (bytesRead === 0) break;
    for (let written = 0; written < bytesRead;)
      written += (await target.write(buffer, written, bytesRead - written, doneBytes + written)).bytesWritten;
    doneBytes += bytesRead;
    onProgress?.({ kind: "copied", doneBytes, totalBytes });
  }
  await target.sync();
}

/** The manifest first: a file without one would look like somebody else's after a crash. */
async function place(options: AddOptions, from: string, manifest: ModelManifest): Promise<void> {
  const { folder } = options;
  const to = fileIn(folder, manifest.name);
  await writeManifest(folder, manifest);
  try {
    if (options.link) await link(from, to);
    else await rename(from, to);
  } catch (error) {
    await rm(manifestIn(folder, manifest.name), { force: true });
    if ((error as NodeJS.ErrnoException).code === "EXDEV")
      throw new ModelStoreError(
        "The file is on another disk than the store, so it can't be linked.",
        "Leave out --link: it is copied then.",
        { file: from, store: folder },
        error,
      );
    storeFailure(error, to);
  }
  await syncFolder(folder);
  await dropPart(partIn(folder, manifest.name));
}
