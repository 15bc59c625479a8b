import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { GgmlType, readGgufFileInfo } from "node-llama-cpp";
import type { Hex } from "viem";

/** Bytes of a Q8_0 block: a half-precision scale and 32 weights of one byte. */
const BLOCK = 34;

/** What becomes of a weight, given as its eighth-bit number; `chance` is a number from 0 to 1 that is always the same. */
export type Change = (weight: number, chance: () => number) => number;

/** As four bits would keep it: 16 steps in place of 256, in the same file format, so that nothing else differs. */
export const fourBits: Change = (weight) => Math.max(-127, Math.min(127, Math.round(weight / 16) * 16));

/** Every weight moved by up to two steps: about what a little further training does. */
export const nudged: Change = (weight, chance) =>
  Math.max(-127, Math.min(127, weight + Math.round(chance() * 4 - 2)));

/** Writes a model whose Q8_0 weights were changed; everything else in the file stays as it is. */
export async function writeChanged(from: string, to: string, change: Change): Promise<Hex> {
  const info = await readGgufFileInfo(from, { sourceType: "filesystem", spliceSplitFiles: false });
  const bytes = readFileSync(from);
  let state = 1;
  // Park and Miller's generator: the same numbers everywhere.
  const chance = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  for (const tensor of info.fullTensorInfo ?? []) {
    if (tensor.ggmlType !== GgmlType.Q8_0) continue;
    const weights = tensor.dimensions.reduce<number>((product, size) => product * Number(size), 1);
    const start = Number(tensor.fileOffset);
    for (let block = 0; block < weights / 32; block++)
      for (let index = 0; index < 32; index++) {
        const at = start + block * BLOCK + 2 + index;
        bytes.writeInt8(change(bytes.readInt8(at), chance), at);
      }
  }
  writeFileSync(to, bytes);
  return `0x${createHash("sha256").update(bytes).digest("hex")}`;
}
