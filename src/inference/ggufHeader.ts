import { open, stat } from "node:fs/promises";
import { ModelFileError } from "./errors.ts";
import { tensorBytes } from "./tensorBytes.ts";

export type TensorInfo = {
  readonly name: string;
  readonly dimensions: readonly number[];
  /** ggml's number of the type: 0 is F32, 8 is Q8_0. */
  readonly type: number;
  readonly offset: number;
};

export type GgufHeader = {
  /** Single values; arrays (vocabularies) are only walked over. */
  readonly metadata: ReadonlyMap<string, string | number | bigint | boolean>;
  readonly tensors: readonly TensorInfo[];
};

/** Bytes read at first; doubled while the header is longer. */
const FIRST_READ = 1 << 20;
/** Vocabularies of today take 20 MB; whoever needs more than this is not describing a model. */
const LONGEST_HEADER = 1 << 29;
const MAX_DIMENSIONS = 4;
const MAX_NESTING = 3;
const DEFAULT_ALIGNMENT = 32;

/** Bytes of a single value of each GGUF type; 8 is a string and 9 an array. */
const widths: Readonly<Record<number, number>> = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  8: 8,
  9: 12,
  10: 8,
  11: 8,
  12: 8,
};
const STRING = 8;
const ARRAY = 9;

/**
 * Reads a GGUF file's header and holds every length in it against the file's size, before anything else reads it: the
 * binding's reader believes them, and pads a file that is cut short with zeros.
 *
 * @throws ModelFileError when it is no whole GGUF file
 */
export async function readGgufHeader(path: string): Promise<GgufHeader> {
  const refused = (why: string) => new ModelFileError(why, { file: path });
  const unreadable = ({ code }: NodeJS.ErrnoException): never => {
    throw refused(code === "ENOENT" ? "there is no such file" : "this process may not read it");
  };
  // Before it is opened: opening a pipe waits for somebody to write into it.
  const stats = await stat(path).catch(unreadable);
  if (!stats.isFile()) throw refused("it is no regular file");
  const handle = await open(path, "r").catch(unreadable);
  try {
    for (let length = FIRST_READ; ; length *= 2) {
      const bytes = Buffer.alloc(Math.min(length, stats.size));
      let filled = 0;
      while (filled < bytes.length) {
        const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      try {
        return parseGgufHeader(bytes.subarray(0, filled), stats.size);
      } catch (error) {
        if (error instanceof RangeError && filled < stats.size && length < LONGEST_HEADER) continue;
        if (error instanceof RangeError) throw withFile(cutShort(stats.size), path);
        throw error instanceof ModelFileError ? withFile(error, path) : error;
      }
    }
  } finally {
    await handle.close();
  }
}

/** Parts of split models are refused: llama.cpp follows the other parts by itself, and only one was hashed. */
export function requireWhole({ metadata }: GgufHeader, file: string): void {
  const parts = Number(metadata.get("split.count") ?? 1);
  if (parts > 1)
    throw new ModelFileError(
      `it is one of ${parts} parts; merge them into one file (llama-gguf-split --merge)`,
      {
        file,
      },
    );
}

/** What the file claims about its licence. */
export function licenceOf({ metadata }: GgufHeader): string | null {
  const licence = metadata.get("general.license");
  return typeof licence === "string" && licence !== "" ? licence.slice(0, 200) : null;
}

const withFile = (error: ModelFileError, file: string) =>
  new ModelFileError(error.why, { file, ...error.facts });
const cutShort = (sizeBytes: number) =>
  new ModelFileError("it is cut short or damaged: its header says more than the file holds", {
    sizeBytes: String(sizeBytes),
  });
const broken = (what: string) => new ModelFileError(`its header is damaged: ${what}`);

/** A RangeError says that the header goes on behind these bytes. */
function parseGgufHeader(bytes: Buffer, fileSize: number): GgufHeader {
  let at = 0;
  const take = (length: number): number => {
    if (length > fileSize - at) throw cutShort(fileSize);
    if (length > bytes.length - at) throw new RangeError("the header is longer");
    at += length;
    return at - length;
  };
  const uint32 = (): number => bytes.readUInt32LE(take(4));
  const count = (): number => {
    const value = bytes.readBigUInt64LE(take(8));
    if (value > BigInt(fileSize)) throw cutShort(fileSize);
    return Number(value);
  };
  const text = (): string => {
    const length = count();
    const start = take(length);
    return bytes.toString("utf8", start, start + length);
  };
  const skip = (type: number, nesting: number): void => {
    if (type === STRING) take(count());
    else if (type === ARRAY) skipArray(nesting + 1);
    else take(widthOf(type));
  };
  const skipArray = (nesting: number): void => {
    if (nesting > MAX_NESTING) throw broken("arrays in arrays in arrays");
    const type = uint32();
    const items = count();
    const width = widthOf(type);
    if (items * width > fileSize - at) throw cutShort(fileSize);
    if (type !== STRING && type !== ARRAY) take(items * width);
    else for (let item = 0; item < items; item++) skip(type, nesting);
  };
  const single = (type: number): string | number | bigint | boolean => {
    if (type === STRING) return text();
    const start = take(widthOf(type));
    if (type === 0) return bytes.readUInt8(start);
    if (type === 1) return bytes.readInt8(start);
    if (type === 2) return bytes.readUInt16LE(start);
    if (type === 3) return bytes.readInt16LE(start);
    if (type === 4) return bytes.readUInt32LE(start);
    if (type === 5) return bytes.readInt32LE(start);
    if (type === 6) return bytes.readFloatLE(start);
    if (type === 7) return bytes.readUInt8(start) === 1;
    if (type === 10) return bytes.readBigUInt64LE(start);
    return type === 11 ? bytes.readBigInt64LE(start) : bytes.readDoubleLE(start);
  };

  if (bytes.length < 4 || bytes.toString("latin1", 0, 4) !== "GGUF")
    throw new ModelFileError(
      fileSize === 0 ? "it is empty" : "it is no GGUF file: it does not begin with GGUF",
    );
  take(4);
  const version = uint32();
  if (version !== 2 && version !== 3)
    throw new ModelFileError(
      version > 0 && version % 0x10000 === 0
        ? "it is a big-endian GGUF file"
        : `GGUF version ${version} is not known`,
    );
  const tensorCount = count();
  const keys = count();
  const metadata = new Map<string, string | number | bigint | boolean>();
  for (let key = 0; key < keys; key++) {
    const name = text();
    const type = uint32();
    if (type === ARRAY) skipArray(0);
    else metadata.set(name, single(type));
  }
  const tensors: TensorInfo[] = [];
  for (let index = 0; index < tensorCount; index++) {
    const name = text();
    const dimensionCount = uint32();
    if (dimensionCount > MAX_DIMENSIONS)
      throw broken(`tensor ${name.slice(0, 64)} has ${dimensionCount} dimensions`);
    const dimensions: number[] = [];
    for (let dimension = 0; dimension < dimensionCount; dimension++)
      dimensions.push(Number(bytes.readBigUInt64LE(take(8))));
    const type = uint32();
    tensors.push({ name, dimensions, type, offset: Number(bytes.readBigUInt64LE(take(8))) });
  }
  const alignment = Number(metadata.get("general.alignment") ?? DEFAULT_ALIGNMENT);
  if (!Number.isInteger(alignment) || alignment < 1) throw broken("its alignment is no natural number");
  const start = Math.ceil(at / alignment) * alignment;
  for (const tensor of tensors)
    if (start + tensor.offset + tensorBytes(tensor.type, tensor.dimensions) > fileSize)
      throw new ModelFileError("it is cut short: weights are missing at its end", {
        sizeBytes: String(fileSize),
        tensor: tensor.name.slice(0, 64),
      });
  return { metadata, tensors };
}

function widthOf(type: number): number {
  const width = widths[type];
  if (width === undefined) throw broken(`there is no value type ${type}`);
  return width;
}
