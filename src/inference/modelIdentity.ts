import { createHash } from "node:crypto";
import { basename } from "node:path";
import type { GgufFileInfo } from "node-llama-cpp";
import { GgufFileType } from "node-llama-cpp";
import type { Hex } from "viem";
import { canonicalize } from "../core/canonical.ts";
import type { ModelIdentity } from "../core/inference.ts";
import type { Json } from "../core/json.ts";

/** Who the model is, read from the file whose hash was just checked. */
export function modelIdentity(
  path: string,
  sha256: Hex,
  sizeBytes: number,
  info: GgufFileInfo,
  facts: { readonly contextLength: number; readonly parameters: number },
): ModelIdentity {
  const { general } = info.metadata;
  const tokenizer = info.metadata.tokenizer as Readonly<Record<string, unknown>> | undefined;
  const template = tokenizer?.["chat_template"];
  // Whatever the file holds there: the name behind a number, or nothing.
  const type: unknown = general.file_type === undefined ? undefined : GgufFileType[general.file_type];
  return {
    // The name without its folders: records are public, the operator's folders are not.
    file: basename(path),
    sha256,
    sizeBytes,
    architecture: general.architecture,
    quantization: typeof type === "string" ? type.replace(/^(MOSTLY|ALL)_/, "") : "unknown",
    parameters: facts.parameters,
    contextLength: facts.contextLength,
    templateSha256: typeof template === "string" ? sha256Of(template) : null,
    tokenizerSha256: sha256Of(canonicalize(toJson(tokenizer?.["ggml"]))),
  };
}

/**
 * Metadata as canonical JSON. Records hold no floats, tokenizers do (scores): a number that is no safe integer is
 * written as the 16 hex digits of its IEEE 754 double, big-endian.
 */
export function toJson(value: unknown): Json {
  if (typeof value === "number") {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) return value;
    const double = Buffer.alloc(8);
    double.writeDoubleBE(value);
    return `f64:${double.toString("hex")}`;
  }
  if (typeof value === "bigint") return `int:${value}`;
  // Byte-level vocabularies may hold what is no text; JSON text may not.
  if (typeof value === "string") return value.toWellFormed();
  if (typeof value === "boolean") return value;
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    return Object.fromEntries(entries.map(([key, item]) => [key, toJson(item)]));
  }
  return null;
}

function sha256Of(text: string): Hex {
  return `0x${createHash("sha256").update(text, "utf8").digest("hex")}`;
}
