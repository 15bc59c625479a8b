import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import type { Hex } from "viem";

/** Bytes read at a time. */
const CHUNK_BYTES = 1 << 20;

/** sha256 of a file, streamed, so that its size does not matter. `onProgress` gets 0 to 1000. */
export async function hashFile(path: string, onProgress?: (permille: number) => void): Promise<Hex> {
  const handle = await open(path, "r");
  try {
    const { size } = await handle.stat();
    const hash = createHash("sha256");
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    let done = 0;
    let told = -1;
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, CHUNK_BYTES, null);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      done += bytesRead;
      const permille = Math.min(1000, Math.floor((done / Math.max(1, size)) * 1000));
      // One message per percent is plenty.
      if (permille - told >= 10 || permille === 1000) onProgress?.((told = permille));
    }
    return `0x${hash.digest("hex")}`;
  } finally {
    await handle.close();
  }
}
