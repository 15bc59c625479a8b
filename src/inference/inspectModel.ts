import { readGgufFileInfo, type GgufFileInfo } from "node-llama-cpp";
import { stat } from "node:fs/promises";
import type { ModelIdentity } from "../core/inference.ts";
import { ModelFileError } from "./errors.ts";
import { licenceOf, readGgufHeader, requireWhole, type GgufHeader } from "./ggufHeader.ts";
import { hashFile } from "./hashFile.ts";
import { modelIdentity } from "./modelIdentity.ts";

/** What a model file says about itself, and its hash. Read without native code: nothing is loaded or run. */
export type ModelInspection = ModelIdentity & {
  /** The chat template's text, or null when the file carries none. */
  readonly template: string | null;
  /**
   * Are these weights of the kind for which a re-check in one pass is bit-exact on one processor class (measured):
   * every matrix Q8_0, every vector F32 or Q8_0?
   */
  readonly canonical: boolean;
  readonly licence: string | null;
  /** Estimates: the weights as they lie in the file, and what each token of context adds in F16. */
  readonly memory: { readonly weightsBytes: number; readonly contextBytesPerToken: number | null };
};

const [F32, Q8_0] = [0, 8];

/**
 * Reads the header and hashes the file.
 *
 * @throws ModelFileError when it is no whole GGUF file
 */
export async function inspectModel(
  path: string,
  onProgress?: (permille: number) => void,
): Promise<ModelInspection> {
  const header = await readGgufHeader(path);
  requireWhole(header, path);
  if (typeof header.metadata.get("general.architecture") !== "string")
    throw new ModelFileError("it names no architecture", { file: path });
  const { size } = await stat(path);
  const sha256 = await hashFile(path, onProgress);
  // The engine's own reader, so that both name the model alike; the lengths it believes were checked above.
  const info = await readGgufFileInfo(path, {
    sourceType: "filesystem",
    readTensorInfo: false,
    spliceSplitFiles: false,
    logWarnings: false,
  }).catch((error: unknown) => {
    throw new ModelFileError("it is damaged or no GGUF that llama.cpp knows", {
      file: path,
      reason: error instanceof Error ? error.message : String(error),
    });
  });
  const tokenizer = info.metadata.tokenizer as Readonly<Record<string, unknown>> | undefined;
  const template = tokenizer?.["chat_template"];
  const identity = modelIdentity(path, sha256, size, info, {
    contextLength: numberOf(info.architectureMetadata.context_length) ?? 0,
    parameters: header.tensors.reduce((sum, { dimensions }) => sum + product(dimensions), 0),
  });
  return Object.freeze({
    ...identity,
    template: typeof template === "string" ? template : null,
    canonical: isCanonical(header),
    licence: licenceOf(header),
    memory: Object.freeze({ weightsBytes: size, contextBytesPerToken: contextBytesPerToken(info) }),
  });
}

function isCanonical({ tensors }: GgufHeader): boolean {
  return (
    tensors.length > 0 &&
    tensors.every(
      ({ type, dimensions }) =>
        type === Q8_0 || (type === F32 && dimensions.slice(1).every((size) => size === 1)),
    )
  );
}

function contextBytesPerToken({ architectureMetadata }: GgufFileInfo): number | null {
  const { block_count, embedding_length, attention } = architectureMetadata;
  const [layers, width, heads] = [block_count, embedding_length, attention?.head_count].map(numberOf);
  // One number for all layers, or one for each.
  const keyHeads: unknown = attention?.head_count_kv ?? heads;
  if (layers === undefined || heads === undefined || heads === 0) return null;
  const headWidth = width === undefined ? undefined : width / heads;
  const key = numberOf(attention?.key_length) ?? headWidth;
  const value = numberOf(attention?.value_length) ?? headWidth;
  if (key === undefined || value === undefined) return null;
  const inAll = Array.isArray(keyHeads)
    ? keyHeads.reduce((sum: number, one) => sum + Number(one), 0)
    : layers * Number(keyHeads);
  const bytes = 2 * inAll * (key + value);
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** Some writers store small numbers in 64 bits, which are read as bigint; and a file may hold anything. */
function numberOf(value: unknown): number | undefined {
  const number = typeof value === "bigint" ? Number(value) : value;
  return typeof number === "number" && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

const product = (numbers: readonly number[]): number => numbers.reduce((sum, one) => sum * one, 1);
