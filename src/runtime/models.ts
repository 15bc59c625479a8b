import { existsSync } from "node:fs";
import { resolve } from "node:path";

import type { Hex } from "viem";

import { addModel, type AddedModel, type AddProgress } from "../inference/addModel.ts";
import { ModelHashMismatchError } from "../inference/errors.ts";
import type { ModelInspection } from "../inference/inspectModel.ts";
import { parseModelSource } from "../inference/modelSource.ts";
import {
  filesOf,
  findModel,
  isModelName,
  listModels,
  removeModel,
  requireModel,
  type ModelManifest,
} from "../inference/modelStore.ts";
import { now } from "./clock.ts";
import { modelFolder } from "./config.ts";

export type { AddedModel, AddProgress } from "../inference/addModel.ts";
export type { ModelManifest, StoreListing } from "../inference/modelStore.ts";
export { ModelAddAbortedError } from "../inference/storeErrors.ts";

export type AddRequest = {
  /** A path, `hf:user/model:quant`, `hf:user/model/file.gguf#revision`, an https URL, or `ipfs:CID`. */
  readonly from: string;
  readonly store?: string | undefined;
  readonly name?: string | undefined;
  readonly sha256?: Hex | undefined;
  readonly link?: boolean | undefined;
  readonly licence?: string | undefined;
  readonly signature?: string | undefined;
  /** The hub, where it is not huggingface.co. */
  readonly endpoint?: string | undefined;
  readonly gateway?: string | undefined;
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: AddProgress) => void) | undefined;
};

/** A server that is silent for so long is given up. */
const stallMs = 30_000;

const folderOf = (store: string | undefined): string =>
  store === undefined ? modelFolder() : resolve(store);

/** Brings a model into the store; its hash is pinned. */
export function addToStore({
  from,
  store,
  endpoint,
  gateway,
  deadlineMs,
  ...rest
}: AddRequest): Promise<AddedModel> {
  return addModel({
    ...rest,
    folder: folderOf(store),
    source: parseModelSource(from, { endpoint, gateway }),
    limits: { deadlineMs, stallMs },
    now,
  });
}

export const listStore = (store?: string) => listModels(folderOf(store));
export const filesInStore = (name: string, store?: string) => filesOf(folderOf(store), name);
export const removeFromStore = (name: string, store?: string) => removeModel(folderOf(store), name);

export type Inspected = {
  readonly path: string;
  readonly inspection: ModelInspection;
  /** null: a file outside of the store, of which nothing is known but what it says. */
  readonly manifest: ModelManifest | null;
};

/** The file that a path or a name of the store stands for. */
export async function modelFileOf(
  what: string,
  store?: string,
): Promise<{ readonly path: string; readonly manifest: ModelManifest | null }> {
  const folder = folderOf(store);
  const named = isModelName(what) && !what.endsWith(".gguf");
  if (!named || ((await findModel(folder, what)) === undefined && existsSync(what)))
    return { path: resolve(what), manifest: null };
  const { path, manifest } = await requireModel(folder, what);
  return { path, manifest };
}

/**
 * Reads a file, or a model of the store, which then has to be the one whose hash was pinned.
 *
 * @throws ModelHashMismatchError when it is not
 */
export async function inspectFileOrName(
  what: string,
  store?: string,
  onProgress?: (permille: number) => void,
): Promise<Inspected> {
  // Brings the binding, which takes a second to read; the other commands do without.
  const { inspectModel } = await import("../inference/inspectModel.ts");
  const { path, manifest } = await modelFileOf(what, store);
  if (manifest === null) return { path, inspection: await inspectModel(path, onProgress), manifest };
  const inspection = await inspectModel(path, onProgress);
  if (inspection.sha256 !== manifest.sha256)
    throw new ModelHashMismatchError(path, manifest.sha256, inspection.sha256, {
      by: "manifest",
      remedy: `The file in the store was changed. Remove it and add it again: bursar model remove ${what}.`,
    });
  return { path, inspection, manifest };
}
