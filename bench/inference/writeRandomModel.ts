import { createHash } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import path from "node:path";
import type { Hex } from "viem";

/** Shape of a model with random weights: that of SmolLM2-135M, with a vocabulary of 32,768. 143.9 million parameters. */
const SHAPE = {
  blocks: 30,
  width: 576,
  feedForward: 1536,
  heads: 9,
  keyValueHeads: 3,
  vocabulary: 32_768,
  context: 4096,
} as const;

const CHAT_TEMPLATE =
  "{% for m in messages %}{{'<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/** Token that ends a turn. Its row of the output matrix is zero, so that a greedy run never ends by itself. */
const END = 4;

/** A number that changes whenever the content would: old files in the cache are then not taken. */
const VERSION = 1;

type Tensor = { readonly name: string; readonly size: readonly number[]; readonly type: "f32" | "q8_0" };

/** ggml's numbers for types, and bytes of a block (gguf specification; ggml-common.h: `block_q8_0`). */
const TYPES = {
  f32: { id: 0, block: 1, bytes: 4 },
  q8_0: { id: 8, block: 32, bytes: 34 },
} as const;
/** Tensors begin at multiples of this (gguf specification, general.alignment). */
const ALIGNMENT = 32;

/**
 * Writes a llama-shaped Q8_0 GGUF with random weights into `folder`, once; the same bytes everywhere. It says nothing
 * sensible, at the speed of a model that does.
 */
export function writeRandomModel(folder: string): { readonly modelPath: string; readonly sha256: Hex } {
  mkdirSync(folder, { recursive: true });
  const modelPath = path.join(folder, `random-144m-q8_0.v${VERSION}.gguf`);
  if (!existsSync(modelPath)) {
    // Under its name only when it is whole: Ctrl-C in between leaves nothing that looks finished.
    const part = `${modelPath}.${process.pid}.part`;
    write(part);
    renameSync(part, modelPath);
  }
  const sha256 = createHash("sha256").update(readFileSync(modelPath)).digest("hex");
  return { modelPath, sha256: `0x${sha256}` };
}

function write(file: string): void {
  const { blocks, feedForward, heads, keyValueHeads, vocabulary, width } = SHAPE;
  const keyWidth = (width / heads) * keyValueHeads;
  const tensors: readonly Tensor[] = [
    { name: "token_embd.weight", size: [width, vocabulary], type: "q8_0" },
    ...Array.from({ length: blocks }, (_, block): readonly Tensor[] => {
      const tensor = (name: string, size: readonly number[]): Tensor => ({
        name: `blk.${block}.${name}.weight`,
        size,
        type: size.length === 1 ? "f32" : "q8_0",
      });
      return [
        tensor("attn_norm", [width]),
        tensor("attn_q", [width, width]),
        tensor("attn_k", [width, keyWidth]),
        tensor("attn_v", [width, keyWidth]),
        tensor("attn_output", [width, width]),
        tensor("ffn_norm", [width]),
        tensor("ffn_gate", [width, feedForward]),
        tensor("ffn_up", [width, feedForward]),
        tensor("ffn_down", [feedForward, width]),
      ];
    }).flat(),
    { name: "output_norm.weight", size: [width], type: "f32" },
    { name: "output.weight", size: [width, vocabulary], type: "q8_0" },
  ];
  let offset = 0;
  const infos = tensors.map(({ name, size, type }) => {
    const info = Buffer.concat([
      text(name),
      u32(size.length),
      ...size.map(u64),
      u32(TYPES[type].id),
      u64(offset),
    ]);
    offset += aligned(bytesOf({ name, size, type }));
    return info;
  });
  const metadata = metadataOf();
  const head = Buffer.concat([
    Buffer.from("GGUF"),
    u32(3),
    u64(tensors.length),
    u64(metadata.length),
    ...metadata,
    ...infos,
  ]);
  const handle = openSync(file, "w");
  try {
    writeSync(handle, padded(head));
    let state = 1;
    const draw = () => (state = xorshift(state));
    for (const tensor of tensors) writeSync(handle, padded(contentOf(tensor, draw)));
  } finally {
    closeSync(handle);
  }
}

function contentOf(tensor: Tensor, draw: () => number): Buffer {
  const content = Buffer.alloc(bytesOf(tensor));
  if (tensor.type === "f32") {
    // Norms.
    for (let at = 0; at < content.length; at += 4) content.writeFloatLE(1, at);
    return content;
  }
  const [inputs = 0] = tensor.size;
  // Uniform weights with a variance of 1 / inputs, as trained ones begin.
  const scale = halfOf(Math.sqrt(3 / inputs) / 127);
  const rowBytes = (inputs / TYPES.q8_0.block) * TYPES.q8_0.bytes;
  for (let at = 0; at < content.length; at += TYPES.q8_0.bytes) {
    content.writeUInt16LE(scale, at);
    const isEnd = tensor.name === "output.weight" && Math.floor(at / rowBytes) === END;
    if (isEnd) continue;
    for (let index = 2; index < TYPES.q8_0.bytes; index += 4) content.writeInt32LE(draw(), at + index);
  }
  return content;
}

function metadataOf(): readonly Buffer[] {
  const { blocks, context, feedForward, heads, keyValueHeads, vocabulary, width } = SHAPE;
  const tokens = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"];
  const kinds = [2, 3, 3, 3, 3];
  for (let byte = 0; byte < 256; byte++) {
    tokens.push(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
    kinds.push(6);
  }
  // Printable ASCII, one token a character; a space is U+2581 (SentencePiece).
  for (let code = 32; code < 127; code++) {
    tokens.push(code === 32 ? "\u2581" : String.fromCharCode(code));
    kinds.push(1);
  }
  while (tokens.length < vocabulary) {
    tokens.push(`<filler ${tokens.length}>`);
    kinds.push(1);
  }
  const scores = tokens.map((_, index) => -index);
  const pair = (key: string, type: number, value: Buffer) => Buffer.concat([text(key), u32(type), value]);
  const list = (key: string, type: number, values: readonly Buffer[]) =>
    pair(key, 9, Buffer.concat([u32(type), u64(values.length), ...values]));
  return [
    pair("general.architecture", 8, text("llama")),
    pair("general.name", 8, text("random weights, for measuring speed")),
    pair("general.file_type", 4, u32(7)),
    pair("llama.context_length", 4, u32(context)),
    pair("llama.embedding_length", 4, u32(width)),
    pair("llama.block_count", 4, u32(blocks)),
    pair("llama.feed_forward_length", 4, u32(feedForward)),
    pair("llama.attention.head_count", 4, u32(heads)),
    pair("llama.attention.head_count_kv", 4, u32(keyValueHeads)),
    pair("llama.attention.layer_norm_rms_epsilon", 6, f32(1e-5)),
    pair("llama.rope.dimension_count", 4, u32(width / heads)),
    pair("llama.rope.freq_base", 6, f32(10_000)),
    pair("llama.vocab_size", 4, u32(vocabulary)),
    pair("tokenizer.ggml.model", 8, text("llama")),
    list("tokenizer.ggml.tokens", 8, tokens.map(text)),
    list("tokenizer.ggml.scores", 6, scores.map(f32)),
    list("tokenizer.ggml.token_type", 5, kinds.map(u32)),
    pair("tokenizer.ggml.bos_token_id", 4, u32(1)),
    pair("tokenizer.ggml.eos_token_id", 4, u32(END)),
    pair("tokenizer.ggml.unknown_token_id", 4, u32(0)),
    pair("tokenizer.ggml.add_space_prefix", 7, Buffer.of(0)),
    pair("tokenizer.ggml.add_bos_token", 7, Buffer.of(1)),
    pair("tokenizer.chat_template", 8, text(CHAT_TEMPLATE)),
  ];
}

const bytesOf = ({ size, type }: Tensor): number =>
  (size.reduce((product, length) => product * length, 1) / TYPES[type].block) * TYPES[type].bytes;
const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
const padded = (bytes: Buffer): Buffer =>
  Buffer.concat([bytes, Buffer.alloc(aligned(bytes.length) - bytes.length)]);

/** Marsaglia's xorshift32: fast, and the same numbers everywhere. */
function xorshift(state: number): number {
  let next = state;
  next ^= next << 13;
  next ^= next >>> 17;
  return next ^ (next << 5);
}

/** Bits of a normal half-precision number, rounded down; enough for a scale. */
function halfOf(value: number): number {
  const bits = f32(value).readUInt32LE();
  return ((((bits >>> 23) & 0xff) - 112) << 10) | ((bits >>> 13) & 0x3ff);
}

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const u64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};
const f32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
};
const text = (value: string): Buffer => {
  const bytes = Buffer.from(value, "utf8");
  return Buffer.concat([u64(bytes.length), bytes]);
};
