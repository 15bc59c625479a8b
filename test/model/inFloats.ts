import { readFileSync } from "node:fs";
import { GgmlType, readGgufFileInfo } from "node-llama-cpp";

/** Bytes of a Q8_0 block: a half-precision scale and 32 weights of one byte. */
const BLOCK = 34;

/** The same model with its Q8_0 matrices written out in float32: other kernels compute it, which do depend on the company of a row. */
export async function inFloats(from: string): Promise<Buffer> {
  const info = await readGgufFileInfo(from, { sourceType: "filesystem", spliceSplitFiles: false });
  const file = readFileSync(from);
  const tensors = info.fullTensorInfo ?? [];
  const dataStart = Math.min(...tensors.map(({ fileOffset }) => Number(fileOffset)));
  const head = Buffer.from(file.subarray(0, dataStart));
  const data: Buffer[] = [];
  let offset = 0;
  for (const { dimensions, fileOffset, ggmlType, name } of tensors) {
    const weights = dimensions.reduce<number>((product, size) => product * Number(size), 1);
    const start = Number(fileOffset);
    const floats =
      ggmlType === GgmlType.Q8_0
        ? dequantized(file.subarray(start, start + (weights / 32) * BLOCK))
        : file.subarray(start, start + weights * 4);
    // Name (uint64 length, bytes), number of dimensions (uint32), dimensions (uint64 each), type (uint32), offset (uint64).
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(Buffer.byteLength(name)));
    const at =
      head.indexOf(Buffer.concat([length, Buffer.from(name)])) +
      8 +
      Buffer.byteLength(name) +
      4 +
      8 * dimensions.length;
    head.writeUInt32LE(GgmlType.F32, at);
    head.writeBigUInt64LE(BigInt(offset), at + 4);
    data.push(floats);
    // Rows of 32 weights: every tensor ends at a multiple of the alignment.
    offset += floats.length;
  }
  return Buffer.concat([head, ...data]);
}

function dequantized(blocks: Buffer): Buffer {
  const floats = Buffer.alloc((blocks.length / BLOCK) * 32 * 4);
  for (let block = 0; block < blocks.length / BLOCK; block++) {
    const scale = half(blocks.readUInt16LE(block * BLOCK));
    for (let index = 0; index < 32; index++)
      floats.writeFloatLE(scale * blocks.readInt8(block * BLOCK + 2 + index), (block * 32 + index) * 4);
  }
  return floats;
}

/** A half-precision number (IEEE 754 binary16). */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
