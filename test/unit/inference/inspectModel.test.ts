import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { ModelFileError } from "../../../src/inference/errors.ts";
import { readGgufHeader } from "../../../src/inference/ggufHeader.ts";
import { inspectModel } from "../../../src/inference/inspectModel.ts";
import manifest from "../../../models/clerk/manifest.json" with { type: "json" };

const clerk = join(import.meta.dirname, "../../../models/clerk/clerk-q8_0.gguf");
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "bursar-inspect-"));
});
afterAll(() => rmSync(folder, { recursive: true }));
function file(bytes: Buffer | string): string {
  const path = join(folder, "model.gguf");
  writeFileSync(path, bytes);
  return path;
}
const refusal = async (bytes: Buffer | string): Promise<string> =>
  inspectModel(file(bytes)).then(
    () => "inspected",
    (error: unknown) => {
      if (error instanceof ModelFileError) return error.why;
      throw error;
    },
  );

type Entry = readonly [key: string, type: number, value: Buffer];
type Tensor = readonly [name: string, dimensions: readonly number[], type: number, bytes: number];
const u32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer);
const u64 = (value: number | bigint) => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
const text = (value: string) => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);
const word = (key: string, value: string): Entry => [key, 8, text(value)];
const llama = word("general.architecture", "llama");

/** A GGUF file as its specification says, version 3. */
function gguf(entries: readonly Entry[], tensors: readonly Tensor[] = []): Buffer {
  let offset = 0;
  const infos = tensors.map(([name, dimensions, type, bytes]) => {
    const at = offset;
    offset += Math.ceil(bytes / 32) * 32;
    return Buffer.concat([text(name), u32(dimensions.length), ...dimensions.map(u64), u32(type), u64(at)]);
  });
  const header = Buffer.concat([
    Buffer.from("GGUF"),
    u32(3),
    u64(tensors.length),
    u64(entries.length),
    ...entries.flatMap(([key, type, value]) => [text(key), u32(type), value]),
    ...infos,
  ]);
  return Buffer.concat([header, Buffer.alloc((32 - (header.length % 32)) % 32), Buffer.alloc(offset)]);
}

describe("inspectModel", () => {
  it("says what the clerk is", async () => {
    expect(await inspectModel(clerk)).toMatchObject({
      file: "clerk-q8_0.gguf",
      sha256: manifest.sha256,
      architecture: "llama",
      parameters: 3_461_568,
      quantization: "Q8_0",
      contextLength: 1024,
      template: expect.stringContaining("<|im_start|>"),
      canonical: true,
      licence: "MIT",
      // F16 keys and values: 2 bytes · 6 layers · 6 heads · (32 + 32).
      memory: { weightsBytes: 3_769_504, contextBytesPerToken: 4608 },
    });
  });

  it("calls canonical what has Q8_0 matrices and F32 vectors", async () => {
    const of = async (...tensors: Tensor[]) => (await inspectModel(file(gguf([llama], tensors)))).canonical;
    const [matrix, vector]: Tensor[] = [
      ["m", [32, 2], 8, 68],
      ["v", [8, 1], 0, 32],
    ];
    expect(await of(matrix as Tensor, vector as Tensor)).toBe(true);
    // One-pass re-checks of F32 and F16 matrices differ in the last bits (measured).
    expect(await of(matrix as Tensor, ["f32", [8, 2], 0, 64])).toBe(false);
    expect(await of(matrix as Tensor, ["f16", [8], 1, 16])).toBe(false);
    expect(await of(["q4", [256, 2], 12, 288])).toBe(false);
    expect(await of()).toBe(false);
  });

  it("makes do with a file that says little", async () => {
    expect(await inspectModel(file(gguf([llama])))).toMatchObject({
      architecture: "llama",
      quantization: "unknown",
      contextLength: 0,
      template: null,
      templateSha256: null,
      licence: null,
      memory: { contextBytesPerToken: null },
    });
  });

  it("reads numbers of any width, and takes nothing else for a number", async () => {
    const context: Entry = ["llama.context_length", 10, u64(4096)];
    const quantization: Entry = ["general.file_type", 10, u64(7)];
    expect(await inspectModel(file(gguf([llama, context, quantization])))).toMatchObject({
      contextLength: 4096,
      quantization: "Q8_0",
    });
    const odd = [word("llama.context_length", "long"), word("general.file_type", "MOSTLY_Q8_0")];
    expect(await inspectModel(file(gguf([llama, ...odd])))).toMatchObject({
      contextLength: 0,
      quantization: "unknown",
    });
  });

  it("says in words why a file is none", async () => {
    const whole = readFileSync(clerk);
    expect(await refusal("")).toBe("it is empty");
    expect(await refusal("just text")).toMatch(/does not begin with GGUF/);
    expect(await refusal(whole.subarray(0, 4))).toMatch(/cut short or damaged/);
    expect(await refusal(whole.subarray(0, 30_000))).toMatch(/cut short or damaged/);
    expect(await refusal(whole.subarray(0, -1))).toMatch(/cut short: weights are missing/);
    expect(await refusal(Buffer.concat([Buffer.from("GGUF"), u32(9), u64(0), u64(0)]))).toMatch(/version 9/);
    expect(await refusal(Buffer.concat([Buffer.from("GGUF"), u32(0x03000000), u64(0)]))).toMatch(
      /big-endian/,
    );
    expect(await refusal(gguf([]))).toMatch(/names no architecture/);
    expect(await refusal(gguf([llama, ["split.count", 4, u32(3)]]))).toMatch(/one of 3 parts/);
    expect(await refusal(gguf([["x", 77, u32(0)]]))).toMatch(/no value type 77/);
    await expect(inspectModel(join(folder, "none.gguf"))).rejects.toThrow(/there is no such file/);
    await expect(inspectModel(folder)).rejects.toThrow(/no regular file/);
  });

  it("does not believe lengths: no memory is taken for what the file can't hold", async () => {
    const huge = 2n ** 62n;
    for (const entry of [
      ["x", 8, u64(huge)],
      ["x", 9, Buffer.concat([u32(4), u64(huge)])],
      ["x", 9, Buffer.concat([u32(8), u64(1_000_000_000)])],
      [
        "x",
        9,
        Buffer.concat([u32(9), u64(1), u32(9), u64(1), u32(9), u64(1), u32(9), u64(1), u32(9), u64(1)]),
      ],
    ] as Entry[])
      expect(await refusal(gguf([llama, entry]))).toMatch(/cut short|damaged/);
    expect(await refusal(gguf([llama], [["t", [2 ** 40, 2 ** 40], 0, 32]]))).toMatch(/cut short/);
    const counts = gguf([llama]);
    counts.writeBigUInt64LE(huge, 8);
    expect(await refusal(counts)).toMatch(/cut short/);
  });

  it("survives any damage of the header", async () => {
    const whole = readFileSync(clerk);
    // A fixed sequence (Lehmer), so that a failure can be repeated.
    let state = 42;
    const next = (below: number) => (state = (state * 48_271) % 2_147_483_647) % below;
    for (let round = 0; round < 150; round++) {
      const damaged = Buffer.from(whole);
      for (let flip = 0; flip < 3; flip++) damaged[4 + next(40_000)] = next(256);
      expect(await refusal(damaged)).toBeTypeOf("string");
    }
  });

  it("reads headers that are longer than the first piece", async () => {
    const long = gguf([llama, word("general.description", "x".repeat(3_000_000))], [["v", [8], 0, 32]]);
    const header = await readGgufHeader(file(long));
    expect(header.tensors).toEqual([{ name: "v", dimensions: [8], type: 0, offset: 0 }]);
    expect(header.metadata.get("general.description")).toHaveLength(3_000_000);
  });
});
