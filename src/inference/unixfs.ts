import { readCid, type Cid } from "./contentId.ts";

/** A node of a file's or a folder's tree (dag-pb with UnixFS in it, specs.ipfs.tech). */
export type UnixfsNode = {
  readonly kind: "file" | "folder" | "other";
  /** Content of this node itself, before that of its links. */
  readonly content: Uint8Array;
  readonly links: readonly { readonly name: string; readonly cid: Cid }[];
  /** Bytes of content below each link. */
  readonly sizes: readonly number[];
};

type Field = { readonly number: number; readonly value: number; readonly bytes: Uint8Array };

/** undefined: it is none, or has links of a kind that is not known. */
export function readNode(block: Uint8Array): UnixfsNode | undefined {
  try {
    const fields = readFields(block);
    const data = readFields(fields.find(({ number }) => number === 1)?.bytes ?? new Uint8Array());
    const type = data.find(({ number }) => number === 1)?.value;
    const links = fields.filter(({ number }) => number === 2).map(({ bytes }) => readLink(bytes));
    if (!links.every((link) => link !== undefined)) return undefined;
    return {
      kind: type === 0 || type === 2 ? "file" : type === 1 ? "folder" : "other",
      content: data.find(({ number }) => number === 2)?.bytes ?? new Uint8Array(),
      links,
      sizes: data.filter(({ number }) => number === 4).map(({ value }) => value),
    };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** A leaf as `ipfs add` writes it where leaves are not raw. */
export function fileLeaf(content: Uint8Array): Uint8Array {
  const size = varint(content.length);
  const data = Buffer.concat([Uint8Array.of(0x08, 2, 0x12), size, content, Uint8Array.of(0x18), size]);
  return Buffer.concat([Uint8Array.of(0x0a), varint(data.length), data]);
}

function readLink(bytes: Uint8Array): { readonly name: string; readonly cid: Cid } | undefined {
  const fields = readFields(bytes);
  const cid = readCid(fields.find(({ number }) => number === 1)?.bytes ?? new Uint8Array());
  const name = fields.find(({ number }) => number === 2)?.bytes ?? new Uint8Array();
  return cid && { name: Buffer.from(name).toString("utf8"), cid };
}

/** Fields of a protobuf message: only numbers and bytes, nothing else occurs here. */
function readFields(message: Uint8Array): readonly Field[] {
  const fields: Field[] = [];
  let at = 0;
  const number = (): number => {
    let value = 0;
    for (let factor = 1; factor <= 2 ** 49; factor *= 128) {
      const byte = message[at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    throw new RangeError("a number without an end");
  };
  while (at < message.length) {
    const tag = number();
    const value = number();
    if (tag % 8 === 0) fields.push({ number: tag >> 3, value, bytes: new Uint8Array() });
    else if (tag % 8 === 2 && value <= message.length - at)
      fields.push({ number: tag >> 3, value, bytes: message.subarray(at, (at += value)) });
    else throw new RangeError("a field of an unknown kind, or behind the end");
  }
  return fields;
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Uint8Array.from([...bytes, rest]);
}
